"""Sign in with a Wikimedia account: OAuth 2.0 with state and PKCE, through requests-oauthlib.

The library builds and parses the messages; the client's own transport sends them and limits their time and size.
"""

import hmac
import io
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
from oauthlib.oauth2 import WebApplicationClient
from requests.adapters import BaseAdapter
from requests_oauthlib import OAuth2Session

from wiki import meaning
from wiki.answers import Answer, JsonObject, number, text
from wiki.client import Client
from wiki.errors import AuthorizationLost, Reason, RefreshDead, SignInFailed, StopBatch, WikiError
from wiki.transport import NoAnswer

Stage = Literal["access_token_response", "refresh_token_response"]

_MOST_BYTES = 1024 * 1024
_SECONDS = 30.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LONGEST_LIFE_SECONDS = 10 * 365 * 86_400

# At level DEBUG these libraries log tokens and secrets.
for _name in ("requests_oauthlib", "oauthlib"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class Authorization:
    """A sign-in that has begun: the URL for the browser, and secrets to store (hidden from it) until it returns."""

    url: str
    state: str
    verifier: str = field(repr=False)


@dataclass(frozen=True)
class Tokens:
    """Access and refresh token, about 800 characters each. `expires_at`: of the access token, in seconds since 1970."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True)
class Profile:
    """An account's profile. `sub`: its central id, unchanged by a renaming. `rights`: those that the grants allow."""

    sub: str
    username: str
    blocked: bool
    edit_count: int
    rights: frozenset[str]
    grants: frozenset[str]

    @property
    def may_edit(self) -> bool:
        return "edit" in self.rights


class OAuth:
    """OAuth client of the tool's registration (consumer). `redirect_uri`: exactly as registered."""

    def __init__(
        self,
        client: Client,
        client_id: str,
        client_secret: str,
        redirect_uri: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._endpoint = client.endpoints.oauth
        self._id = client_id
        self._secret = client_secret
        self._redirect_uri = redirect_uri
        self._now = now

    def authorize_url(self) -> Authorization:
        """Begin a sign-in. No scope is sent: the registration defines it."""
        flow = WebApplicationClient(self._id)
        verifier = flow.create_code_verifier(64)
        challenge = flow.create_code_challenge(verifier, "S256")
        session = OAuth2Session(client=flow, redirect_uri=self._redirect_uri)
        url, state = session.authorization_url(
            _as_https(f"{self._endpoint}/authorize"), code_challenge=challenge, code_challenge_method="S256"
        )
        return Authorization(_with_scheme_of(self._endpoint, url), state, verifier)

    def exchange(self, code: str, verifier: str) -> Tokens:
        """Exchange an authorization code for tokens.

        Raises SignInFailed (code used, too old, not ours), StopBatch (registration not accepted), Wait.
        """
        session = self._session("access_token_response", _exchange_error)
        session.fetch_token(
            self._token_url(),
            code=code,
            code_verifier=verifier,
            client_secret=self._secret,
            include_client_id=True,
        )
        return self._tokens(session.token)

    def refresh(self, refresh_token: str) -> Tokens:
        """Return new tokens; the old ones and their CSRF tokens become invalid at once.

        Raises RefreshDead, StopBatch, Wait. A request that ends in Wait may have used the old refresh token: then the
        next call raises RefreshDead.
        """
        session = self._session("refresh_token_response", _refresh_error)
        session.refresh_token(
            self._token_url(), refresh_token=refresh_token, client_id=self._id, client_secret=self._secret
        )
        return self._tokens(session.token)

    def profile(self, access: str) -> Profile:
        """Return the profile of the access token's account. Raises AuthorizationLost, WikiError."""
        request = requests.Request("GET", f"{self._endpoint}/resource/profile")
        answer = self._client.patiently(lambda: self._client.exchange(request, bearer=access, most_bytes=_MOST_BYTES))
        content = answer.json_object() or {}
        if answer.status in (401, 403) and text(content, "error"):
            raise AuthorizationLost(Reason.AUTHORIZATION_LOST, text(content, "error", 50))
        if answer.status != 200 or not _sub(content) or not text(content, "username"):
            raise meaning.meaning_of_status(answer)
        return Profile(
            sub=_sub(content),
            username=text(content, "username", 255),
            blocked=content.get("blocked") is True,
            edit_count=number(content, "editcount", 10**12),
            rights=_names(content, "rights"),
            grants=_names(content, "grants"),
        )

    def _session(self, stage: Stage, error_for: Callable[[str, Answer], WikiError]) -> OAuth2Session:
        session = OAuth2Session(self._id, redirect_uri=self._redirect_uri)
        session.trust_env = False
        session.mount("https://", _TransportAdapter(self._client))
        session.register_compliance_hook(stage, lambda response: _checked(response, error_for))
        return session

    def _token_url(self) -> str:
        return _as_https(f"{self._endpoint}/access_token")

    def _tokens(self, token: Mapping[str, Any]) -> Tokens:
        life = number(token, "expires_in", _LONGEST_LIFE_SECONDS)
        return Tokens(str(token["access_token"]), str(token.get("refresh_token") or ""), self._now() + life)


def read_callback(args: Mapping[str, str], state: str) -> str:
    """Return the code in the parameters of the callback. `state`: as stored for this browser, empty if nothing was.

    Raises SignInFailed. Errors are read before the state, because the wiki sends no state if the user declines.
    """
    error = args.get("error", "")
    if error in ("unauthorized_client", "access_denied"):
        raise SignInFailed(Reason.DENIED, error)
    if error:
        raise SignInFailed(Reason.SIGN_IN_REFUSED, error[:50])
    if not state or not hmac.compare_digest(args.get("state", "").encode(), state.encode()):
        raise SignInFailed(Reason.SIGN_IN_STALE, "state")
    if not args.get("code"):
        raise SignInFailed(Reason.SIGN_IN_REFUSED, "no-code")
    return args["code"]


class _TransportAdapter(BaseAdapter):
    """Send the library's requests through the client's transport; refuse redirects, since the secret is in the body."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        request.url = _with_scheme_of(self._client.endpoints.oauth, str(request.url))
        try:
            answer = self._client.transport.send(request, most_bytes=_MOST_BYTES, seconds=_SECONDS)
        except NoAnswer as error:
            raise meaning.failure(error.why, error.text, sent=error.sent, write=False) from None
        if 300 <= answer.status < 400:
            raise meaning.meaning_of_status(answer)
        response = requests.Response()
        response.status_code, response.raw, response.url = answer.status, io.BytesIO(answer.body), answer.url
        response.headers.update(answer.headers)
        response.request = request
        return response

    def close(self) -> None:
        """Do nothing: the client closes its transport."""


def _as_https(url: str) -> str:
    """Return an http URL of this machine as https, and any other unchanged.

    The library rejects http. Requests that stay on this machine cannot be overheard, and the sandbox offers only http.
    """
    return f"https{url[4:]}" if url.startswith("http:") and urlsplit(url).hostname in _LOOPBACK else url


def _with_scheme_of(endpoint: str, url: str) -> str:
    """Undo `_as_https`: return the URL with the scheme of the endpoint."""
    return f"{urlsplit(endpoint).scheme}://{url.partition('://')[2]}"


def _checked(response: requests.Response, error_for: Callable[[str, Answer], WikiError]) -> requests.Response:
    """Return a response that contains tokens; raise the error that any other one means."""
    answer = Answer(response.status_code, response.headers, response.content)
    content = answer.json_object()
    if answer.status == 200 and content and text(content, "access_token"):
        return response
    error = text(content, "error", 50)
    if answer.status in (400, 401, 403) and error:
        raise error_for(error, answer)
    raise meaning.meaning_of_status(answer)


def _exchange_error(error: str, answer: Answer) -> WikiError:
    if error in ("invalid_client", "access_denied"):
        return StopBatch(Reason.CONSUMER_REFUSED, error)
    return SignInFailed(Reason.SIGN_IN_REFUSED, error)


def _refresh_error(error: str, answer: Answer) -> WikiError:
    # A used or expired refresh token: 401 invalid_request, or 400 invalid_grant in newer servers.
    if error in ("invalid_request", "invalid_grant"):
        return RefreshDead(error)
    return StopBatch(Reason.CONSUMER_REFUSED, error)


def _sub(content: JsonObject) -> str:
    return text(content, "sub", 100) or str(number(content, "sub", 2**63) or "")


def _names(content: JsonObject, key: str) -> frozenset[str]:
    found = content.get(key)
    return frozenset(name for name in found if isinstance(name, str)) if isinstance(found, list) else frozenset()
