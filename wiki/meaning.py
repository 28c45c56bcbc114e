"""The one place that decides what an answer of MediaWiki means.

Most errors come with HTTP 200, and Wikibase hides the cause behind `failed-save`: the words that tell are spread over
`error.code`, `errors[].code`, `error.messages[].name` and the header MediaWiki-API-Error. All are collected, and the
first rule that knows one of them decides; the words for people (`info`, `html`) are never looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from wiki.answers import Answer, JsonObject, inner, objects, text
from wiki.errors import AuthorizationLost, GiveUp, Reason, Reread, RetryWithNewToken, StopBatch, Wait, WikiError

LONGEST_WAIT_SECONDS = 3600.0

# What to begin with where no Retry-After is given; the caller doubles it.
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
    """`words` are codes and message names; one that ends in * stands for all that begin so. No `actions`: any."""

    kind: Kind
    reason: Reason
    words: tuple[str, ...]
    actions: tuple[str, ...] = ()

    def matches(self, word: str) -> bool:
        return any(word == known or (known.endswith("*") and word.startswith(known[:-1])) for known in self.words)


# In this order: the special before the general, for one answer carries several of these words.
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
    # The qualifier may be there already: what a replay after a lost answer gets.
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
    """The JSON of a good answer; raises the WikiError that a bad one means. `write`: a lost outcome matters."""
    content = answer.json_object()
    words = tuple(_words(answer, content or {}))
    if words:
        raise _meaning_of_words(answer, content or {}, words, write, action)
    if content is not None and answer.status == 200:
        return content
    raise meaning_of_status(answer, write=write)


def failure(why: Why, words: str, *, sent: bool, write: bool) -> WikiError:
    """What it means that no answer came. A write that may have left this machine has an unknown outcome."""
    if why == "too_large" and not write:
        return GiveUp(Reason.TOO_LARGE, "too-large", words)
    reason = Reason.TIMEOUT if why == "timeout" else Reason.NETWORK
    wait = _FIRST_WAIT_SECONDS[reason]
    if write and sent:
        return Reread(Reason.OUTCOME_UNKNOWN, f"no-answer-{why}", words, seconds=wait)
    return Wait(reason, why, words, seconds=wait)


def meaning_of_status(answer: Answer, *, write: bool = False) -> WikiError:
    """For an answer without a word of MediaWiki: an error page of the servers in front of it, or noise."""
    code = f"http-{answer.status}"
    words = answer.content_type
    if answer.status == 429:
        return _wait(Reason.TOO_MANY_REQUESTS, code, words, answer)
    if answer.status >= 500 or answer.status in (200, 408, 425):
        reason = Reason.SERVER if answer.status >= 500 else Reason.NOT_JSON
        return _passing(_wait(reason, code, words, answer), write)
    if answer.status == 401:
        return AuthorizationLost(Reason.AUTHORIZATION_LOST, code, words)
    if 300 <= answer.status < 400:
        return StopBatch(Reason.REFUSED, code, f"redirected to {answer.headers.get('Location', '')[:200]}")
    return StopBatch(Reason.REFUSED, code, words) if answer.status == 403 else GiveUp(Reason.REFUSED, code, words)


def _words(answer: Answer, content: JsonObject) -> Iterator[str]:
    error = inner(content, "error")
    yield from _codes(error)
    for entry in objects(content, "errors"):
        yield from _codes(entry)
        yield from _codes(inner(entry, "data"))
    yield from (word.strip() for word in answer.headers.get("MediaWiki-API-Error", "").split(",") if word.strip())


def _codes(error: JsonObject) -> Iterator[str]:
    if code := text(error, "code"):
        yield code
    yield from (name for message in objects(error, "messages") if (name := text(message, "name")))


def _meaning_of_words(
    answer: Answer, content: JsonObject, words: tuple[str, ...], write: bool, action: str
) -> WikiError:
    said = _said(content)
    for rule in _RULES:
        if rule.actions and action not in rule.actions:
            continue
        for word in words:
            if rule.matches(word):
                return _error(rule, word, said, answer, content, write)
    if answer.status != 200:
        return meaning_of_status(answer, write=write)
    return GiveUp(Reason.UNKNOWN, words[0], said)


def _error(rule: _Rule, word: str, said: str, answer: Answer, content: JsonObject, write: bool) -> WikiError:
    if rule.kind is Wait:
        waiting = _wait(rule.reason, word, said, answer, content)
        return _passing(waiting, write) if rule.reason is Reason.SERVER else waiting
    if rule.kind is AuthorizationLost:
        return AuthorizationLost(rule.reason, word, said, refreshable=rule.reason is Reason.AUTHORIZATION_LOST)
    return rule.kind(rule.reason, word, said)


def _wait(reason: Reason, code: str, words: str, answer: Answer, content: JsonObject | None = None) -> Wait:
    asked = answer.retry_after()
    seconds = _FIRST_WAIT_SECONDS[reason] if asked is None else min(asked, LONGEST_WAIT_SECONDS)
    lag, host = _lag(content or {}) if reason is Reason.MAXLAG else (None, "")
    return Wait(reason, code, words, seconds=seconds, asked=asked is not None, lag=lag, host=host)


def _passing(waiting: Wait, write: bool) -> WikiError:
    if not write:
        return waiting
    return Reread(Reason.OUTCOME_UNKNOWN, waiting.code, waiting.text, seconds=waiting.seconds)


def _lag(content: JsonObject) -> tuple[float | None, str]:
    error: dict[str, Any] = inner(content, "error")
    if "lag" not in error:
        error = next((inner(entry, "data") for entry in objects(content, "errors")), {})
    lag = error.get("lag")
    known = isinstance(lag, int | float) and not isinstance(lag, bool) and 0 <= lag < 1e9
    return (float(lag) if known and lag is not None else None), text(error, "host", 100)


def _said(content: JsonObject) -> str:
    said = text(inner(content, "error"), "info", 300)
    return said or "; ".join(dict.fromkeys(text(entry, "text", 300) for entry in objects(content, "errors")))[:300]
