"""The entry point api.php: parse and authenticate the request, call the module, and format the response."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from flask import Request, Response

from sandbox.state import oauth
from sandbox.state.errors import ApiError, Message, Part
from sandbox.state.model import Grant, Json, User
from sandbox.state.world import World

LISTS = "https://lists.wikimedia.org/postorius/lists/mediawiki-api-announce.lists.wikimedia.org/"


@dataclass
class Call:
    """One request to api.php: its parameters, its user, and the warnings collected so far."""

    world: World
    request: Request
    params: dict[str, str]
    base: str
    """Scheme, host and port, without a trailing slash."""
    site: str
    """"commons" or "wikidata"."""
    grant: Grant | None = None
    user: User | None = None
    warnings: dict[str, list[Part]] = field(default_factory=dict)
    messages: dict[str, list[Message]] = field(default_factory=dict)
    extra: Json = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    lost_race: bool = False
    """Whether another request was writing the same page when this one arrived."""
    later: dict[str, str | int] = field(default_factory=dict)
    """The generator's continuation, which is returned once the properties of this batch are complete."""

    @property
    def version(self) -> int:
        """The requested formatversion."""
        return 2 if self.get("formatversion") in ("2", "latest") else 1

    def get(self, name: str, default: str = "") -> str:
        """Return a parameter and mark it as recognized."""
        self.used.add(name)
        return self.params.get(name, default)

    def has(self, name: str) -> bool:
        """Return whether a boolean parameter was sent; any value counts as true, even an empty one."""
        self.used.add(name)
        return name in self.params

    def many(self, name: str, default: str = "", limit: int = 50) -> list[str]:
        """Return the values of a multi-value parameter. Raises ApiError `toomanyvalues` for more than `limit`."""
        text = self.get(name, default)
        if text == "":
            return []
        values = text[1:].split("\x1f") if text.startswith("\x1f") else text.split("|")
        if len(values) > limit:
            info = f'Too many values supplied for parameter "{name}". The limit is {limit}.'
            extra = {"parameter": name, "limit": limit, "lowlimit": limit, "highlimit": 500}
            raise ApiError("toomanyvalues", info, extra=extra)
        return values

    def warn(self, module: str, text: str, code: str = "warning", data: Json | None = None) -> None:
        """Add a warning to the response."""
        self.warnings.setdefault(module, []).append(Part(code, text, data))

    def require(self, name: str) -> str:
        """Return a required parameter. Raises ApiError `missingparam`."""
        value = self.get(name)
        if not value:
            raise ApiError("missingparam", f'The "{name}" parameter must be set.')
        return value

    def facts(self) -> dict[str, str]:
        """Return the properties of the request that a fault's `match` is compared with."""
        modules = [self.params.get(name, "") for name in ("action", "prop", "list", "meta", "generator")]
        titles = (self.params.get(name, "") for name in ("titles", "title", "id", "ids", "entity", "claim", "data"))
        return {
            "path": self.request.path,
            "method": self.request.method,
            "action": modules[0],
            "module": "+".join(filter(None, modules)),
            "title": " ".join(filter(None, titles)),
            "user": self.user.name if self.user else "",
        }


Module = Callable[[Call], Json]


@dataclass(frozen=True)
class Action:
    """A module for one value of `action`; `writes`: it changes data and therefore requires POST and a token."""

    run: Module
    writes: bool = False


def answer(
    world: World, request: Request, base: str, site: str, actions: dict[str, Action], *, lost_race: bool = False
) -> Response:
    """Answer a request to api.php."""
    params = {name: values[0] for name, values in _parameters(request).items()}
    call = Call(world, request, params, base, site, lost_race=lost_race)
    headers: dict[str, str] = {}
    try:
        body = _run(call, actions)
    except ApiError as error:
        headers = {"MediaWiki-API-Error": error.header, **error.headers}
        body = error_body(call, error)
    if call.get("format") != "json":
        return Response(_html(body), content_type="text/html; charset=utf-8", headers=headers)
    headers |= {"Cache-Control": "private, must-revalidate, max-age=0", "X-Content-Type-Options": "nosniff"}
    headers["Content-Disposition"] = "inline; filename=api-result.json"
    return Response(msgspec.json.encode(body), content_type="application/json; charset=utf-8", headers=headers)


def _parameters(request: Request) -> dict[str, list[str]]:
    return {**request.args.to_dict(flat=False), **request.form.to_dict(flat=False)}


def _run(call: Call, actions: dict[str, Action]) -> Json:
    identify(call)
    name = call.get("action", "help")
    call.world.counts.requests[f"api:{call.facts()['module'] or 'help'}"] += 1
    _check_asserts(call)
    action = actions.get(name)
    if name == "help" or (action is None and "action" not in call.params):
        return {}
    if action is None:
        raise ApiError("badvalue", f'Unrecognized value for parameter "action": {name}.')
    if action.writes:
        _check_token(call, name)
        _check_readonly(call)
    _check_lag(call)
    with call.world.lock:
        body = action.run(call)
    _warn_of_unknown_parameters(call)
    return _with_warnings(call, body | call.extra)


def _warn_of_unknown_parameters(call: Call) -> None:
    known = {"callback", "origin", "requestid", "uselang", "errorlang", "bot", "tags", "utf8", "smaxage", "format"}
    known |= {"formatversion", "errorformat", "maxlag", "token", "continue", "ascii", "maxage", "watchlist"}
    unknown = [name for name in call.params if name not in call.used | known]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        call.warn("main", f"Unrecognized parameter{plural}: {', '.join(unknown)}.", "unrecognizedparams")


def identify(call: Call) -> None:
    """Set the grant and user of a request with an access token; leave anonymous requests unchanged.

    Raises ApiError if the token or its consumer is not valid, also for requests that only read.
    """
    header = call.request.headers.get("Authorization", "")
    if not header.startswith("Bearer ") or call.get("origin") == "*":
        return
    struck = call.world.faults.take("authorization", call.facts())
    grant = oauth.grant_of(call.world, header.removeprefix("Bearer ").strip())
    if struck or grant is None:
        info = "The authorization headers in your request are not valid: Invalid access token"
        raise ApiError("mwoauth-invalid-authorization", info, module=None)
    consumer = call.world.state.consumers[grant.consumer]
    if not consumer.enabled:
        info = (
            "The app that you are trying to connect seems to be set up incorrectly. "
            f'Contact the author of "{consumer.name}" for help.'
        )
        raise ApiError("mwoauth-invalid-authorization-not-approved", info, module=None)
    call.grant, call.user = grant, call.world.user(grant.user)


def _check_asserts(call: Call) -> None:
    wanted, name = call.get("assert"), call.get("assertuser")
    if wanted == "user" and call.user is None:
        raise ApiError("assertuserfailed", "You are no longer logged in, so the action could not be completed.")
    if wanted == "anon" and call.user is not None:
        raise ApiError("assertanonfailed", "You are no longer logged out, so the action could not be completed.")
    if wanted == "bot" and (call.user is None or "bot" not in call.user.groups):
        info = 'You do not have the "bot" right, so the action could not be completed.'
        raise ApiError("assertbotfailed", info)
    if name and (call.user is None or call.user.name != name.replace("_", " ")):
        info = f'You are no longer logged in as "{name}", so the action could not be completed.'
        raise ApiError("assertnameduserfailed", info)


def csrf_token(call: Call) -> str:
    """Return the CSRF token of the request's user; it is the same for all anonymous users."""
    return call.grant.csrf if call.grant else "+\\"


def _check_token(call: Call, module: str) -> None:
    for name in ("token", "password"):
        if name in call.request.args:
            info = f"The following parameter was found in the query string, but must be in the POST body: {name}."
            raise ApiError("mustpostparams", info)
    if call.request.method != "POST":
        raise ApiError("mustbeposted", f'The "{module}" module requires a POST request.')
    token = call.require("token")
    if token != csrf_token(call) or call.world.faults.take("token", call.facts()):
        raise ApiError("badtoken", "Invalid CSRF token.", module=module)


def _check_readonly(call: Call) -> None:
    fault = call.world.faults.take("readonly", call.facts())
    if fault:
        reason = fault.reason or "Database maintenance, back in a few minutes"
        info = "The wiki is currently in read-only mode."
        raise ApiError("readonly", info, extra={"readonlyreason": reason}, module="main")


def _check_lag(call: Call) -> None:
    text = call.get("maxlag")
    if not text:
        return
    try:
        allowed = float(text)
    except ValueError:
        raise ApiError("badinteger", f'Invalid value "{text}" for integer parameter "maxlag".') from None
    fault = call.world.faults.take("maxlag", call.facts())
    if fault and fault.lag > allowed:
        info = f"Waiting for a database server: {fault.lag} seconds lagged."
        extra = {"host": "db1234", "lag": fault.lag, "type": fault.lag_type}
        headers = {"Retry-After": fault.retry_after or "5", "X-Database-Lag": str(int(fault.lag))}
        raise ApiError("maxlag", info, extra=extra, headers=headers, module="main")


def error_body(call: Call, error: ApiError) -> Json:
    """Return the response body for an error in the requested `errorformat`."""
    docref = (
        f"See {call.base}/w/api.php for API usage. Subscribe to the mediawiki-api-announce mailing list at "
        f"&lt;{LISTS}&gt; for notice of API deprecations and breaking changes."
    )
    kind = call.get("errorformat", "bc")
    if kind == "bc":
        inner: Json = {"code": error.code, "info": error.info, **error.extra}
        if error.messages:
            inner["messages"] = [message.as_json(call.version) for message in error.messages]
        if error.docref:
            inner["docref" if call.version == 2 else "*"] = docref
        return _with_warnings(call, {"error": inner})
    module = None if error.module is None else error.module or call.get("action", "main")
    listed = [_listed(part, kind, module) for part in error.listed()]
    return {"errors": listed, "docref" if call.version == 2 else "*": docref}


def _listed(part: Part, kind: str, module: str | None) -> Json:
    texts: dict[str, Json] = {
        "none": {},
        "raw": {"key": f"apierror-{part.code}", "params": []},
        "html": {"html": part.text},
    }
    inner: Json = {"code": part.code} | texts.get(kind, {"text": part.text})
    inner |= {"data": part.data} if part.data else {}
    return inner | ({"module": module} if module else {})


def _with_warnings(call: Call, body: Json) -> Json:
    """Return the body with the warnings, in the shape that errorformat and formatversion demand."""
    warnings = _warnings(call)
    result = ({"warnings": warnings} if warnings else {}) | body
    return result if call.version == 2 else _formatversion_1(result)


def _warnings(call: Call) -> Any:
    if call.get("errorformat", "bc") != "bc":
        listed = [(module, part) for module, parts in call.warnings.items() for part in parts]
        result = [_listed(part, "plaintext", _path(module)) for module, part in listed]
        return result + [
            {"code": message.name, "text": message.text, "module": module}
            for module, messages in call.messages.items()
            for message in messages
        ]
    key = "warnings" if call.version == 2 else "*"
    plain: Json = {module: {key: "\n".join(p.text for p in parts)} for module, parts in call.warnings.items()}
    for module, messages in call.messages.items():
        shown = [message.as_json(call.version) | {"type": "warning"} for message in messages]
        plain.setdefault(module, {})["messages"] = shown
    return plain


def _path(module: str) -> str:
    return module if module == "main" or module.startswith("wb") else f"query+{module}"


def _formatversion_1(value: Any) -> Any:
    """Convert booleans as formatversion 1 does: true becomes an empty string, false is left out."""
    if isinstance(value, dict):
        return {key: _formatversion_1(inner) for key, inner in value.items() if inner is not False}
    if isinstance(value, list):
        return [_formatversion_1(inner) for inner in value]
    return "" if value is True else value


def _html(body: Json) -> str:
    shown = msgspec.json.format(msgspec.json.encode(body), indent=4).decode()
    text = shown.replace("&", "&amp;").replace("<", "&lt;")
    return f"<!DOCTYPE html><html><head><title>MediaWiki API result</title></head><body><pre>{text}</pre></body></html>"


def request_id() -> str:
    """Return a new id in the form of X-Request-Id."""
    return secrets.token_hex(12)


def fingerprint(call: Call) -> str:
    """Return a hash that is equal for identical requests: the second passes an edit filter that only warns."""
    kept = sorted((name, value) for name, value in call.params.items() if name != "token")
    return hashlib.sha256(repr((kept, call.user and call.user.name)).encode()).hexdigest()
