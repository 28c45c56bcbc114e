"""OAuth 2.0 as implemented by Meta's rest.php: authorization, rotating tokens, and the user's profile."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Request

from sandbox.state.model import Consumer, Grant, Json
from sandbox.state.world import World

INVALID_REQUEST = (
    "The request is missing a required parameter, includes an invalid parameter value, includes a parameter more "
    "than once, or is otherwise malformed."
)
INVALID_GRANT = (
    "The provided authorization grant (e.g., authorization code, resource owner credentials) or refresh token is "
    "invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued "
    "to another client."
)
ACCESS_DENIED = "The resource owner or authorization server denied the request."
CODE_SECONDS = 600.0
RIGHTS = ["read", "abusefilter-view", "abusefilter-log", "abusefilter-log-detail", "autoconfirmed"]
EDIT_RIGHTS = ["edit", "createpage", "createtalk", "item-term", "mediainfo-term", "minoredit", "applychangetags"]


class OAuthError(Exception):
    """An error of the token endpoint or of a resource; unlike errors of the action API it sets the HTTP status."""

    def __init__(self, status: int, error: str, description: str, hint: str = "") -> None:
        super().__init__(description)
        self.status = status
        inner = {"hint": hint} if hint else {}
        self.body: Json = {"error": error, "error_description": description, **inner, "message": description}


class BadRequest(Exception):
    """An authorization request that is answered with an error page, because it cannot be redirected to the client."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Code:
    """An authorization code that was issued; `until` is its expiry in seconds since the epoch."""

    consumer: str
    user: str
    redirect: str
    scopes: list[str]
    challenge: str
    method: str
    until: float
    used: bool = False


@dataclass
class AuthorizationRequest:
    """A valid authorization request; `sent_redirect` is the redirect URI as sent, maybe empty."""

    consumer: Consumer
    redirect: str
    sent_redirect: str
    state: str
    scopes: list[str]
    challenge: str
    method: str


class Codes:
    """The issued authorization codes. They are not saved, so that a restart aborts sign-ins in progress."""

    def __init__(self) -> None:
        self.given: dict[str, Code] = {}


def read_authorization_request(world: World, request: Request) -> AuthorizationRequest:
    """Parse an authorization request. Raises BadRequest for errors that Meta shows on a page of its own."""
    args = request.args
    consumer = world.state.consumers.get(args.get("client_id", ""))
    if args.get("response_type") != "code":
        raise BadRequest(400, "The response_type parameter must be code.")
    if consumer is None or not consumer.enabled:
        raise BadRequest(401, "Client authentication failed: there is no such client, or it is disabled.")
    sent = args.get("redirect_uri", "")
    if sent and not _may_redirect(consumer, sent):
        raise BadRequest(401, "Client authentication failed: the redirect_uri is not the registered one.")
    redirect = sent or (consumer.redirects[0] if consumer.redirects else "")
    if not redirect:
        raise BadRequest(401, "Client authentication failed: there is no redirect_uri.")
    if not consumer.secret and not args.get("code_challenge"):
        raise BadRequest(400, "Code challenge must be provided for public clients.")
    scopes = _scopes(consumer, args.get("scope", ""))
    challenge, method = args.get("code_challenge", ""), args.get("code_challenge_method", "plain")
    return AuthorizationRequest(consumer, redirect, sent, args.get("state", ""), scopes, challenge, method)


def _may_redirect(consumer: Consumer, uri: str) -> bool:
    if consumer.redirects:
        return uri in consumer.redirects
    return urlsplit(uri).hostname in ("127.0.0.1", "localhost", "::1")


def _scopes(consumer: Consumer, wanted: str) -> list[str]:
    names = wanted.split()
    return [grant for grant in consumer.grants if not names or grant in names]


def unknown_scope(request: Request) -> str:
    """Return the first requested scope that does not exist, or ""."""
    known = {"basic", "editpage", "createeditmovepage", "highvolume", "mwoauth-authonly", "delete", "uploadfile"}
    return next((scope for scope in request.args.get("scope", "").split() if scope not in known), "")


def grant_code(world: World, codes: Codes, authorization: AuthorizationRequest, user: str) -> str:
    """Issue a code after the user's approval; return the client's redirect URI with the code."""
    code = "def502" + secrets.token_hex(437)
    until = world.clock() + CODE_SECONDS
    codes.given[code] = Code(
        authorization.consumer.id,
        user,
        authorization.sent_redirect,
        authorization.scopes,
        authorization.challenge,
        authorization.method,
        until,
    )
    return back(
        authorization.redirect, {"code": code, **({"state": authorization.state} if authorization.state else {})}
    )


def denied(authorization: AuthorizationRequest) -> str:
    """Return the client's redirect URI for a rejected request.

    As on Meta, the error differs from the OAuth standard's and the state is left out.
    """
    text = "User has rejected the request from client application"
    return back(authorization.redirect, {"error": "unauthorized_client", "error_description": text, "message": text})


def scope_refused(authorization: AuthorizationRequest, scope: str) -> str:
    """Return the client's redirect URI for a request with a scope that does not exist."""
    text = "The requested scope is invalid, unknown, or malformed"
    fields = {"error": "invalid_scope", "error_description": text, "hint": f"Check the `{scope}` scope"}
    return back(authorization.redirect, {**fields, "message": text})


def back(redirect: str, fields: dict[str, str]) -> str:
    """Return a redirect URI with fields added to its query."""
    return redirect + ("&" if "?" in redirect else "?") + urlencode(fields)


def token(world: World, codes: Codes, request: Request) -> Json:
    """Answer a request to the token endpoint. Raises OAuthError."""
    form = request.form
    kind = form.get("grant_type", "")
    if kind not in ("authorization_code", "refresh_token"):
        text = f'Invalid request: Invalid request body: Unrecognized value for parameter "grant_type": {kind}.'
        raise OAuthError(400, "invalid_request", text, "Check the `grant_type` parameter")
    consumer = _client(world, request)
    if kind == "refresh_token":
        return _refreshed(world, consumer, form.get("refresh_token", ""))
    return _from_code(world, codes, consumer, {name: form.get(name, "") for name in form})


def _client(world: World, request: Request) -> Consumer:
    name, secret = request.form.get("client_id", ""), request.form.get("client_secret", "")
    if request.authorization and request.authorization.type == "basic":
        name, secret = request.authorization.username or "", request.authorization.password or ""
    consumer = world.state.consumers.get(name)
    if consumer is None or consumer.secret != secret:
        raise OAuthError(401, "invalid_client", "Client authentication failed")
    return consumer


def _invalid_request(hint: str) -> OAuthError:
    return OAuthError(400, "invalid_request", INVALID_REQUEST, hint)


def _from_code(world: World, codes: Codes, consumer: Consumer, form: dict[str, str]) -> Json:
    if not form.get("code"):
        raise _invalid_request("Check the `code` parameter")
    code = codes.given.get(form["code"])
    if code is None or code.consumer != consumer.id:
        raise _invalid_request("Cannot decrypt the authorization code")
    if code.used or code.until < world.clock():
        raise _invalid_request(f"Authorization code has {'been revoked' if code.used else 'expired'}")
    if code.redirect and not form.get("redirect_uri"):
        raise _invalid_request("Check the `redirect_uri` parameter")
    if code.redirect and form["redirect_uri"] != code.redirect:
        raise OAuthError(401, "invalid_client", "Client authentication failed")
    _check_verifier(code, form.get("code_verifier", ""))
    code.used = True
    return _issue(world, consumer, code.user, code.scopes)


def _check_verifier(code: Code, verifier: str) -> None:
    if not code.challenge:
        return
    if not verifier:
        raise _invalid_request("Check the `code_verifier` parameter")
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    if code.challenge != (digest if code.method == "S256" else verifier):
        raise OAuthError(400, "invalid_grant", INVALID_GRANT, "Failed to verify `code_verifier`.")


def _refreshed(world: World, consumer: Consumer, refresh: str) -> Json:
    def invalid(hint: str) -> OAuthError:
        return OAuthError(401, "invalid_request", "The refresh token is invalid.", hint)

    grant = next((grant for grant in world.state.grants if grant.refresh == refresh), None)
    if grant is None:
        raise invalid("Cannot decrypt the refresh token")
    if grant.consumer != consumer.id:
        raise invalid("Token is not linked to client")
    if not grant.alive or world.faults.take("refresh", {"user": grant.user, "path": "/oauth2/access_token"}):
        raise invalid("Token has been revoked")
    if grant.refresh_until < world.clock():
        raise invalid("Token has expired")
    if not consumer.enabled:
        hint = f"Client {consumer.id} is not usable by user with ID {world.user(grant.user).id}"
        raise OAuthError(401, "access_denied", ACCESS_DENIED, hint)
    grant.alive = False
    return _issue(world, consumer, grant.user, grant.scopes)


def _issue(world: World, consumer: Consumer, user: str, scopes: list[str]) -> Json:
    now, settings = world.clock(), world.settings
    access = _jwt(consumer, str(world.user(user).id), scopes, now, now + settings.token_seconds)
    refresh = "def502" + secrets.token_hex(433)
    csrf = secrets.token_hex(20) + "+\\"
    until, refresh_until = now + settings.token_seconds, now + settings.refresh_seconds
    world.state.grants.append(Grant(consumer.id, user, access, refresh, until, refresh_until, scopes, csrf))
    world.version += 1
    seconds = int(settings.token_seconds)
    return {"token_type": "Bearer", "expires_in": seconds, "access_token": access, "refresh_token": refresh}


def _jwt(consumer: Consumer, subject: str, scopes: list[str], now: float, until: float) -> str:
    """Return an access token in the form and length of a real one; its signature is random bytes."""
    claims: dict[str, Any] = {"aud": consumer.id, "jti": secrets.token_hex(40), "iat": now, "nbf": now, "exp": until}
    claims |= {"sub": subject, "iss": "https://meta.wikimedia.org", "scopes": scopes}
    parts = [json.dumps({"typ": "JWT", "alg": "RS256"}).encode(), json.dumps(claims).encode(), secrets.token_bytes(256)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def grant_of(world: World, access: str) -> Grant | None:
    """Return the grant of a valid access token, or None if it is unknown, revoked or expired."""
    with world.lock:
        found = next((grant for grant in reversed(world.state.grants) if grant.access == access), None)
    return found if found and found.alive and found.access_until > world.clock() else None


def resource(world: World, request: Request, kind: str) -> Json:
    """Return the resource `profile` or `scopes`. Raises OAuthError."""
    header = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if header.count(".") != 2:
        raise OAuthError(401, "access_denied", ACCESS_DENIED, "The JWT string must have two dots")
    facts = {"path": request.path, "method": request.method}
    grant = grant_of(world, header)
    if grant is None or world.faults.take("authorization", facts):
        raise OAuthError(401, "access_denied", ACCESS_DENIED, _invalidity_hint(world, header))
    if kind == "scopes":
        numbers = [0, *range(2, len(grant.scopes) + 1)]
        return {"scopes": {str(number): scope for number, scope in zip(numbers, grant.scopes, strict=True)}}
    return _profile(world, grant)


def _invalidity_hint(world: World, access: str) -> str:
    revoked = any(grant.access == access and not grant.alive for grant in world.state.grants)
    return "Access token has been revoked" if revoked else "Access token could not be verified"


def _profile(world: World, grant: Grant) -> Json:
    user = world.user(grant.user)
    registered = "".join(character for character in user.registered if character.isdigit())
    return {
        "sub": str(user.id),
        "username": user.name,
        "editcount": user.edits,
        "email_verified": True,
        "confirmed_email": True,
        "blocked": user.block is not None and not user.block.titles,
        "registered": registered,
        "groups": user.groups,
        "rights": rights(grant.scopes),
        "grants": grant.scopes,
    }


def rights(scopes: list[str] | None) -> list[str]:
    """Return the user rights that the scopes of a grant include; None for a session without a grant."""
    return RIGHTS + (EDIT_RIGHTS if scopes is None or "editpage" in scopes else [])


def revoke(world: World, user: str) -> int:
    """Revoke every token of a user; return the number of revoked grants."""
    alive = [grant for grant in world.state.grants if grant.user == user and grant.alive]
    for grant in alive:
        grant.alive = False
    world.version += 1
    return len(alive)


def expire(world: World, user: str, *, refresh: bool = False) -> int:
    """Expire the access tokens of a user, with `refresh` also the refresh tokens; return the number of grants."""
    alive = [grant for grant in world.state.grants if grant.user == user and grant.alive]
    for grant in alive:
        grant.access_until = 0.0
        grant.refresh_until = 0.0 if refresh else grant.refresh_until
    world.version += 1
    return len(alive)
