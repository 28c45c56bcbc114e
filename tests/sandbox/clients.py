"""A client for the tests of the sandbox: signs in like a browser and calls api.php."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from sandbox.server import CLIENT_ID, CLIENT_SECRET, Sandbox
from testing.waiting import PATIENCE

CALLBACK = "http://127.0.0.1:1/auth/callback"


class Client:
    """A client for one user of a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.base = sandbox.base
        self.http = requests.Session()
        self.tokens: dict[str, Any] = {}
        self.csrf = ""

    def consent(self, name: str = "Alice", *, button: str = "accept", **fields: str) -> dict[str, str]:
        """Log in and consent; return the parameters of the callback's query."""
        browser = requests.Session()
        asked = {"response_type": "code", "client_id": CLIENT_ID, "state": "S", "redirect_uri": CALLBACK, **fields}
        page = browser.get(f"{self.base}/w/rest.php/oauth2/authorize", params=asked)
        page = browser.post(f"{self.base}/wiki/Special:UserLogin", data={"wpName": name, **_hidden(page.text)})
        answer = browser.post(
            f"{self.base}/wiki/Special:OAuth/approve", data={**_hidden(page.text), button: ""}, allow_redirects=False
        )
        answer = browser.get(self.base + answer.headers["Location"], allow_redirects=False)
        return {key: values[0] for key, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}

    def token(self, **fields: str) -> requests.Response:
        """Send a request to the token endpoint."""
        data = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "redirect_uri": CALLBACK, **fields}
        return requests.post(f"{self.base}/w/rest.php/oauth2/access_token", data=data, timeout=PATIENCE)

    def sign_in(self, name: str) -> "Client":
        """Sign in and fetch a CSRF token."""
        code = self.consent(name)["code"]
        self.take(self.token(grant_type="authorization_code", code=code).json())
        return self

    def take(self, tokens: dict[str, Any]) -> None:
        """Use these tokens for further requests."""
        self.tokens = tokens
        self.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        self.csrf = self.get(meta="tokens")["query"]["tokens"]["csrftoken"]

    def get(self, **params: Any) -> Any:
        """Send a GET request with action=query (or another action)."""
        return self.ask("GET", **params).json()

    def ask(self, method: str, site: str = "", **params: Any) -> requests.Response:
        """Send a request to api.php and return the response, whatever its status."""
        whole = {"action": "query", "format": "json", "formatversion": 2, **params}
        url = f"{self.base}{site}/w/api.php"
        if method == "GET":
            return self.http.get(url, params=whole, timeout=PATIENCE)
        return self.http.post(url, data=whole, timeout=PATIENCE)

    def post(self, **params: Any) -> requests.Response:
        """Send a write request with the CSRF token."""
        return self.ask("POST", **{"token": self.csrf, **params})

    def depict(self, page: int, item: str, **params: Any) -> requests.Response:
        """Add one P180 statement with wbeditentity, optionally with a `guid` and `qualifiers` (property -> string)."""
        claim: dict[str, Any] = {"mainsnak": item_snak(item), "type": "statement", "rank": "normal"}
        if "guid" in params:
            claim["id"] = params.pop("guid")
        if "qualifiers" in params:
            qualifiers = params.pop("qualifiers").items()
            claim["qualifiers"] = {prop: [string_snak(prop, text)] for prop, text in qualifiers}
        return self.post(action="wbeditentity", id=f"M{page}", data=json.dumps({"claims": [claim]}), **params)

    def members(self, category: str, **params: Any) -> list[dict[str, Any]]:
        """Return the files of a category."""
        asked = {"list": "categorymembers", "cmtitle": category, "cmtype": "file", "cmlimit": "max", **params}
        rows: list[dict[str, Any]] = self.get(**asked)["query"]["categorymembers"]
        return rows

    def admin(self, path: str, given: Any = None) -> Any:
        """Call the sandbox's own interface: POST if data are given, else GET."""
        url = f"{self.base}/sandbox/{path}"
        answer = (
            requests.get(url, timeout=PATIENCE) if given is None else requests.post(url, json=given, timeout=PATIENCE)
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, kind: str, **fields: Any) -> None:
        """Queue a fault."""
        self.admin("faults", {"kind": kind, **fields})


def item_snak(item: str) -> dict[str, Any]:
    """Return a P180 snak with an item, as a client writes it."""
    value = {"type": "wikibase-entityid", "value": {"entity-type": "item", "id": item}}
    return {"snaktype": "value", "property": "P180", "datavalue": value}


def string_snak(prop: str, text: str) -> dict[str, Any]:
    """Return a snak with a string, as a client writes it."""
    return {"snaktype": "value", "property": prop, "datavalue": {"type": "string", "value": text}}


def _hidden(page: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)}
