"""Map every answer of MediaWiki to its JSON or to the exception that it means.

Most errors come with HTTP 200, and Wikibase hides the cause behind `failed-save`: the codes that identify it are spread
over `error.code`, `errors[].code`, `error.messages[].name` and the header MediaWiki-API-Error. All are collected, and
the first rule that matches one of them decides; the messages for humans (`info`, `html`) are never evaluated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from wiki.answers import Answer, JsonObject, inner, objects, text
from wiki.errors import AuthorizationLost, GiveUp, Reason, Reread, RetryWithNewToken, StopBatch, Wait, WikiError

LONGEST_WAIT_SECONDS = 3600.0

# First delay if the answer has no Retry-After; the caller doubles it with each attempt.
_FIRST_WAIT_SECONDS = {
    Reason.MAXLAG: 5.0,
    Reason.RATELIMITED: 10.0,
    Reason.READONLY: 30.0,
    Reason.TOO_MANY_REQUESTS: 5.0,
    Reason.TIMEOUT: 2.0,
    Reason.SERVER: 2.0,
    Reason.NOT_JSON: 2.0,
    Reason.NETWORK: 1.0,
}

Kind = type[WikiError]
Why = Literal["network", "timeout", "too_large"]


@dataclass(frozen=True)
class _Rule:
    """The exception for error codes and message names. A * at the end matches any rest. No `actions`: for all."""

    kind: Kind
    reason: Reason
    codes: tuple[str, ...]
    actions: tuple[str, ...] = ()

    def matches(self, code: str) -> bool:
        return any(code == known or (known.endswith("*") and code.startswith(known[:-1])) for known in self.codes)


# The order matters: specific rules precede general ones, because one answer carries several of these codes.
_RULES = (
    _Rule(AuthorizationLost, Reason.AUTHORIZATION_LOST, ("mwoauth-invalid-authorization",)),
    _Rule(AuthorizationLost, Reason.CONSUMER_REFUSED, ("mwoauth-invalid-authorization-*",)),
    _Rule(RetryWithNewToken, Reason.TOKEN, ("badtoken",)),
    _Rule(
        StopBatch,
        Reason.WRONG_ACCOUNT,
        ("assertuserfailed", "assertnameduserfailed", "assertbotfailed", "assertanonfailed"),
    ),
    _Rule(Wait, Reason.MAXLAG, ("maxlag",)),
    _Rule(Wait, Reason.READONLY, ("readonly", "readonlytext")),
    _Rule(Wait, Reason.RATELIMITED, ("ratelimited", "actionthrottledtext")),
    _Rule(Reread, Reason.CONFLICT, ("editconflict", "edit-conflict", "nosuchrevid")),
    _Rule(Reread, Reason.CONFLICT, (r"internal_api_error_Wikibase\Lib\Store\BadRevisionException",)),
    _Rule(GiveUp, Reason.BLOCKED_HERE, ("blockedtext-partial",)),
    _Rule(
        StopBatch,
        Reason.BLOCKED,
        ("blocked", "blockedtext*", "autoblocked*", "systemblockedtext", "globalblocking-*", "torblock-*"),
    ),
    _Rule(
        GiveUp,
        Reason.PROTECTED,
        ("protectedpage*", "semiprotectedpagetext", "cascadeprotected", "titleprotected", "protectednamespace*"),
    ),
    _Rule(GiveUp, Reason.ABUSEFILTER_WARNING, ("abusefilter-warning",)),
    _Rule(GiveUp, Reason.ABUSEFILTER, ("abusefilter-*", "spamblacklist", "titleblacklist-*", "captcha*")),
    _Rule(StopBatch, Reason.BAD_TAGS, ("badtags", "tags-*")),
    _Rule(
        StopBatch,
        Reason.NO_RIGHT,
        ("permissiondenied", "badaccess-*", "writeapidenied", "readapidenied", "noedit", "cantcreate"),
    ),
    _Rule(
        Reread, Reason.STATEMENT_GONE, ("invalid-guid", "no-such-claim"), actions=("wbremoveclaims", "wbsetqualifier")
    ),
    _Rule(GiveUp, Reason.NO_SUCH_ITEM, ("wikibase-validator-no-such-entity", "wikibase-validator-no-such-property")),
    # The qualifier may already exist: a request that is repeated after its answer was lost gets this code.
    _Rule(Reread, Reason.CONFLICT, ("modification-failed",), actions=("wbsetqualifier",)),
    _Rule(GiveUp, Reason.NO_SUCH_ENTITY, ("no-such-entity",)),
    _Rule(GiveUp, Reason.MISSING, ("missingtitle", "nosuchpageid")),
    _Rule(GiveUp, Reason.INVALID_TITLE, ("invalidtitle", "invalidcategory")),
    _Rule(GiveUp, Reason.INVALID_VALUE, ("modification-failed", "invalid-snak", "invalid-claim", "invalid-guid")),
    _Rule(
        GiveUp,
        Reason.INVALID_REQUEST,
        ("missingparam", "param-*", "badvalue", "badcontinue", "invalid-json", "toomanyvalues", "mustpostparams"),
    ),
    _Rule(GiveUp, Reason.INVALID_REQUEST, ("no-automatic-entity-id", "cannotlogout", "invalidparammix")),
    _Rule(Wait, Reason.SERVER, ("internal_api_error_*", "unknownerror", "cirrussearch-*")),
    _Rule(GiveUp, Reason.NOT_SAVED, ("failed-save", "permissionserrors", "hookaborted")),
)


def read(answer: Answer, *, write: bool = False, action: str = "") -> JsonObject:
    """Return the JSON of a successful answer; raise the WikiError that any other answer means.

    `write`: the request was a write, so an unclear answer leaves its outcome unknown. `action`: its module of the API.
    """
    content = answer.json_object()
    codes = tuple(_all_codes(answer, content or {}))
    if codes:
        raise _meaning_of_codes(answer, content or {}, codes, write, action)
    if content is not None and answer.status == 200:
        return content
    raise meaning_of_status(answer, write=write)


def failure(why: Why, message: str, *, sent: bool, write: bool) -> WikiError:
    """Return the error for a missing answer. A write that may have left this machine has an unknown outcome."""
    if why == "too_large" and not write:
        return GiveUp(Reason.TOO_LARGE, "too-large", message)
    reason = Reason.TIMEOUT if why == "timeout" else Reason.NETWORK
    wait = _FIRST_WAIT_SECONDS[reason]
    if write and sent:
        return Reread(Reason.OUTCOME_UNKNOWN, f"no-answer-{why}", message, seconds=wait)
    return Wait(reason, why, message, seconds=wait)


def meaning_of_status(answer: Answer, *, write: bool = False) -> WikiError:
    """Return the error for an answer without MediaWiki's codes, such as a page of the servers in front of it."""
    code = f"http-{answer.status}"
    message = answer.content_type
    if answer.status == 429:
        return _wait(Reason.TOO_MANY_REQUESTS, code, message, answer)
    if answer.status >= 500 or answer.status in (200, 408, 425):
        reason = Reason.SERVER if answer.status >= 500 else Reason.NOT_JSON
        return _reread_after_write(_wait(reason, code, message, answer), write)
    if answer.status == 401:
        return AuthorizationLost(Reason.AUTHORIZATION_LOST, code, message)
    if 300 <= answer.status < 400:
        return StopBatch(Reason.REFUSED, code, f"redirected to {answer.headers.get('Location', '')[:200]}")
    return StopBatch(Reason.REFUSED, code, message) if answer.status == 403 else GiveUp(Reason.REFUSED, code, message)


def _all_codes(answer: Answer, content: JsonObject) -> Iterator[str]:
    error = inner(content, "error")
    yield from _codes(error)
    for entry in objects(content, "errors"):
        yield from _codes(entry)
        yield from _codes(inner(entry, "data"))
    yield from (code.strip() for code in answer.headers.get("MediaWiki-API-Error", "").split(",") if code.strip())


def _codes(error: JsonObject) -> Iterator[str]:
    if code := text(error, "code"):
        yield code
    yield from (name for message in objects(error, "messages") if (name := text(message, "name")))


def _meaning_of_codes(
    answer: Answer, content: JsonObject, codes: tuple[str, ...], write: bool, action: str
) -> WikiError:
    message = _message(content)
    for rule in _RULES:
        if rule.actions and action not in rule.actions:
            continue
        for code in codes:
            if rule.matches(code):
                return _error(rule, code, message, answer, content, write)
    if answer.status != 200:
        return meaning_of_status(answer, write=write)
    return GiveUp(Reason.UNKNOWN, codes[0], message)


def _error(rule: _Rule, code: str, message: str, answer: Answer, content: JsonObject, write: bool) -> WikiError:
    if rule.kind is Wait:
        waiting = _wait(rule.reason, code, message, answer, content)
        return _reread_after_write(waiting, write) if rule.reason is Reason.SERVER else waiting
    if rule.kind is AuthorizationLost:
        return AuthorizationLost(rule.reason, code, message, refreshable=rule.reason is Reason.AUTHORIZATION_LOST)
    return rule.kind(rule.reason, code, message)


def _wait(reason: Reason, code: str, message: str, answer: Answer, content: JsonObject | None = None) -> Wait:
    demanded = answer.retry_after()
    seconds = _FIRST_WAIT_SECONDS[reason] if demanded is None else min(demanded, LONGEST_WAIT_SECONDS)
    lag, host = _lag(content or {}) if reason is Reason.MAXLAG else (None, "")
    return Wait(reason, code, message, seconds=seconds, asked=demanded is not None, lag=lag, host=host)


def _reread_after_write(waiting: Wait, write: bool) -> WikiError:
    """Return the Wait of a read; the Reread of a write, which may be stored although its answer is an error."""
    if not write:
        return waiting
    return Reread(Reason.OUTCOME_UNKNOWN, waiting.code, waiting.text, seconds=waiting.seconds)


def _lag(content: JsonObject) -> tuple[float | None, str]:
    """Return the replication lag in seconds and the host that lags, from either format of errors."""
    error: dict[str, Any] = inner(content, "error")
    if "lag" not in error:
        error = next((inner(entry, "data") for entry in objects(content, "errors")), {})
    lag = error.get("lag")
    known = isinstance(lag, int | float) and not isinstance(lag, bool) and 0 <= lag < 1e9
    return (float(lag) if known and lag is not None else None), text(error, "host", 100)


def _message(content: JsonObject) -> str:
    message = text(inner(content, "error"), "info", 300)
    return message or "; ".join(dict.fromkeys(text(entry, "text", 300) for entry in objects(content, "errors")))[:300]
