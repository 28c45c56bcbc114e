"""A browser for the tests: cookies, CSRF tokens and sign-in on top of Flask's test client."""

import re
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from store.accounts.users import User

HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}


class Browser:
    """The browser of one user; without a user it is not signed in."""

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
        """Send JSON as the page's script does."""
        return self.client.post(url, json=json, headers=JSON | {"X-CSRFToken": self.token()})

    def token(self) -> str:
        """Return the CSRF token of the pages of this browser."""
        found = re.search(r'name="csrf-token" content="([^"]+)"', self.get("/help").text)
        assert found is not None
        return found[1]

    def session(self) -> dict[str, Any]:
        """Return the content of the session cookie."""
        with self.client.session_transaction() as session:
            return dict(session)
