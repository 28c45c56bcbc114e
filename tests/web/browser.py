"""A browser for the tests: cookies, CSRF tokens and sign-in, over Flask's test client."""

import re
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from store.accounts.users import User

HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}


class Browser:
    """One person's browser; `user` None: not signed in."""

    def __init__(self, app: Flask, user: User | None = None) -> None:
        self.client = app.test_client()
        if user is not None:
            with self.client.session_transaction() as session:
                session["user"], session["epoch"] = user.id, user.session_epoch

    def get(self, url: str, **options: Any) -> TestResponse:
        return self.client.get(url, headers=HTML | options.pop("headers", {}), **options)

    def post(self, url: str, **form: Any) -> TestResponse:
        """Submit a form with the page's CSRF token."""
        return self.client.post(url, data={"csrf_token": self.token(), **form}, headers=HTML)

    def send(self, url: str, json: Any) -> TestResponse:
        """What a script sends."""
        return self.client.post(url, json=json, headers=JSON | {"X-CSRFToken": self.token()})

    def token(self) -> str:
        """The CSRF token that this browser's pages carry."""
        found = re.search(r'name="csrf-token" content="([^"]+)"', self.get("/help").text)
        assert found is not None
        return found[1]

    def session(self) -> dict[str, Any]:
        """What the session cookie holds."""
        with self.client.session_transaction() as session:
            return dict(session)
