"""OAuth 2.0 as Meta's rest.php gives it: the flow, tokens that rotate, and the profile."""

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
    """An error of the token endpoint or of a resource: unlike the action API's it has a status of its own."""

    def __init__(self, status: int, error: str, description: str, hint: str = "") -> None:
        super().__init__(description)
        self.status = status
        inner = {"hint": hint} if hint else {}
        self.body: Json = {"error": error, "error_description": description, **inner, "message": description}


class BadRequest(Exception):
    """An authorize request that cannot even be redirected: a page says so."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Code:
    """An authorization code that was given."""

    consumer: str
    user: str
    redirect: str
    scopes: list[str]
    challenge: str
    method: str
    until: float
    used: bool = False


@dataclass
class Wish:
    """An authorize request that is in order."""

    consumer: Consumer
    redirect: str
    sent_redirect: str
    state: str
    scopes: list[str]
    challenge: str
    method: str


class Codes:
    """The codes that are out, not saved: a restart in the middle of a sign-in means to sign in again."""

    def __init__(self) -> None:
        self.given: dict[str, Code] = {}


def read_wish(world: World, request: Request) -> Wish:
    """The authorize request. Raises BadRequest for what Meta answers with a page of its own."""
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
    return Wish(consumer, redirect, sent, args.get("state", ""), scopes, challenge, method)


def _may_redirect(consumer: Consumer, uri: str) -> bool:
    if consumer.redirects:
        return uri in consumer.redirects
    return urlsplit(uri).hostname in ("127.0.0.1", "localhost", "::1")


def _scopes(consumer: Consumer, wanted: str) -> list[str]:
    names = wanted.split()
    return [grant for grant in consumer.grants if not names or grant in names]


def unknown_scope(request: Request) -> str:
    """The first scope that no consumer may have, or ""."""
    known = {"basic", "editpage", "createeditmovepage", "highvolume", "mwoauth-authonly", "delete", "uploadfile"}
    return next((scope for scope in request.args.get("scope", "").split() if scope not in known), "")


def grant_code(world: World, codes: Codes, wish: Wish, user: str) -> str:
    """The address to go back to with a new code, after the user said yes."""
    code = "def502" + secrets.token_hex(437)
    until = world.clock() + CODE_SECONDS
    codes.given[code] = Code(
        wish.consumer.id, user, wish.sent_redirect, wish.scopes, wish.challenge, wish.method, until
    )
    return back(wish.redirect, {"code": code, **({"state": wish.state} if wish.state else {})})


def denied(wish: Wish) -> str:
    """The address to go back to when the user said no: another error than the standard's, and no state."""
    text = "User has rejected the request from client application"
    return back(wish.redirect, {"error": "unauthorized_client", "error_description": text, "message": text})


def scope_refused(wish: Wish, scope: str) -> str:
    """The address to go back to for a scope that does not exist."""
    text = "The requested scope is invalid, unknown, or malformed"
    fields = {"error": "invalid_scope", "error_description": text, "hint": f"Check the `{scope}` scope"}
    return back(wish.redirect, {**fields, "message": text})


def back(redirect: str, fields: dict[str, str]) -> str:
    """A redirect URI with more in its query."""
    return redirect + ("&" if "?" in redirect else "?") + urlencode(fields)


def token(world: World, codes: Codes, request: Request) -> Json:
    """The answer of the token endpoint. Raises OAuthError."""
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


def _bad(hint: str) -> OAuthError:
    return OAuthError(400, "invalid_request", INVALID_REQUEST, hint)


def _from_code(world: World, codes: Codes, consumer: Consumer, form: dict[str, str]) -> Json:
    if not form.get("code"):
        raise _bad("Check the `code` parameter")
    code = codes.given.get(form["code"])
    if code is None or code.consumer != consumer.id:
        raise _bad("Cannot decrypt the authorization code")
    if code.used or code.until < world.clock():
        raise _bad(f"Authorization code has {'been revoked' if code.used else 'expired'}")
    if code.redirect and not form.get("redirect_uri"):
        raise _bad("Check the `redirect_uri` parameter")
    if code.redirect and form["redirect_uri"] != code.redirect:
        raise OAuthError(401, "invalid_client", "Client authentication failed")
    _check_verifier(code, form.get("code_verifier", ""))
    code.used = True
    return _issue(world, consumer, code.user, code.scopes)


def _check_verifier(code: Code, verifier: str) -> None:
    if not code.challenge:
        return
    if not verifier:
        raise _bad("Check the `code_verifier` parameter")
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    if code.challenge != (digest if code.method == "S256" else verifier):
        raise OAuthError(400, "invalid_grant", INVALID_GRANT, "Failed to verify `code_verifier`.")


def _refreshed(world: World, consumer: Consumer, refresh: str) -> Json:
    def dead(hint: str) -> OAuthError:
        return OAuthError(401, "invalid_request", "The refresh token is invalid.", hint)

    grant = next((grant for grant in world.state.grants if grant.refresh == refresh), None)
    if grant is None:
        raise dead("Cannot decrypt the refresh token")
    if grant.consumer != consumer.id:
        raise dead("Token is not linked to client")
    if not grant.alive or world.faults.take("refresh", {"user": grant.user, "path": "/oauth2/access_token"}):
        raise dead("Token has been revoked")
    if grant.refresh_until < world.clock():
        raise dead("Token has expired")
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
    """A token of the length and look of a real one; nobody can check its signature, nobody should."""
    claims: dict[str, Any] = {"aud": consumer.id, "jti": secrets.token_hex(40), "iat": now, "nbf": now, "exp": until}
    claims |= {"sub": subject, "iss": "https://meta.wikimedia.org", "scopes": scopes}
    parts = [json.dumps({"typ": "JWT", "alg": "RS256"}).encode(), json.dumps(claims).encode(), secrets.token_bytes(256)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def grant_of(world: World, access: str) -> Grant | None:
    """The grant of an access token that is alive, or None."""
    with world.lock:
        found = next((grant for grant in reversed(world.state.grants) if grant.access == access), None)
    return found if found and found.alive and found.access_until > world.clock() else None


def resource(world: World, request: Request, kind: str) -> Json:
    """The resources `profile` and `scopes`. Raises OAuthError."""
    header = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if header.count(".") != 2:
        raise OAuthError(401, "access_denied", ACCESS_DENIED, "The JWT string must have two dots")
    facts = {"path": request.path, "method": request.method}
    grant = grant_of(world, header)
    if grant is None or world.faults.take("authorization", facts):
        raise OAuthError(401, "access_denied", ACCESS_DENIED, _why_dead(world, header))
    if kind == "scopes":
        numbers = [0, *range(2, len(grant.scopes) + 1)]
        return {"scopes": {str(number): scope for number, scope in zip(numbers, grant.scopes, strict=True)}}
    return _profile(world, grant)


def _why_dead(world: World, access: str) -> str:
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
    """The rights that a grant gives, of those that every account has."""
    return RIGHTS + (EDIT_RIGHTS if scopes is None or "editpage" in scopes else [])


def revoke(world: World, user: str) -> int:
    """Kill every token of a user; tells how many grants died."""
    alive = [grant for grant in world.state.grants if grant.user == user and grant.alive]
    for grant in alive:
        grant.alive = False
    world.version += 1
    return len(alive)


def expire(world: World, user: str, *, refresh: bool = False) -> int:
    """Let the access tokens of a user run out (and the refresh tokens too); tells how many."""
    alive = [grant for grant in world.state.grants if grant.user == user and grant.alive]
    for grant in alive:
        grant.access_until = 0.0
        grant.refresh_until = 0.0 if refresh else grant.refresh_until
    world.version += 1
    return len(alive)
