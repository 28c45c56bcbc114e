"""Exceptions for errors of the wiki; the class tells the caller what to do.

    RetryWithNewToken   repeat at once, with a new CSRF token
    Wait                repeat after `seconds`
    Reread              read the entity again before any decision; the edit may already be stored
    GiveUp              give up this edit or file; the next one may succeed
    StopBatch           stop all edits of this account until a person resolves the cause
    AuthorizationLost   as StopBatch, but resolved by refreshing the tokens or signing in again

`reason` is a stable key that the interface translates.
"""

from enum import StrEnum


class Reason(StrEnum):
    TOKEN = "token"  # noqa: S105 - the CSRF token is out of date

    MAXLAG = "maxlag"  # the wiki's databases lag behind
    RATELIMITED = "ratelimited"  # this account edits faster than it may
    READONLY = "readonly"  # the wiki is read-only for now
    TOO_MANY_REQUESTS = "too_many_requests"  # 429 from the servers in front of the wiki
    SERVER = "server"  # 5xx, or an exception inside the wiki
    NETWORK = "network"  # no connection, or one that broke
    TIMEOUT = "timeout"  # the answer took too long
    NOT_JSON = "not_json"  # an HTML page or another body where JSON was expected

    CONFLICT = "conflict"  # another user edited meanwhile, or this edit is already stored
    OUTCOME_UNKNOWN = "outcome_unknown"  # the write was sent, but its answer was lost or is unreadable
    STATEMENT_GONE = "statement_gone"  # the statement does not exist (any more)

    PROTECTED = "protected"
    ABUSEFILTER = "abusefilter"
    ABUSEFILTER_WARNING = "abusefilter_warning"  # sending it again would override the warning
    BLOCKED_HERE = "blocked_here"  # a partial block that covers this page
    NO_SUCH_ENTITY = "no_such_entity"  # the page has no entity, or there is no such page
    NO_SUCH_ITEM = "no_such_item"  # the item or property that the statement names does not exist
    MISSING = "missing"  # the page or file does not exist
    INVALID_TITLE = "invalid_title"
    INVALID_VALUE = "invalid_value"
    INVALID_REQUEST = "invalid_request"  # the wiki rejected the request: a bug in this program
    TOO_LARGE = "too_large"
    HOST_REFUSED = "host_refused"  # a picture's URL is on a host that is not trusted
    REFUSED = "refused"  # HTTP 4xx without a known error code
    NOT_SAVED = "not_saved"  # the wiki refused to save and gave no cause
    UNKNOWN = "unknown"  # an undocumented error code

    BLOCKED = "blocked"
    NO_RIGHT = "no_right"  # the right or the OAuth grant to edit is missing
    WRONG_ACCOUNT = "wrong_account"  # the wiki sees another account than the expected one
    BAD_TAGS = "bad_tags"
    AUTHORIZATION_LOST = "authorization_lost"  # expired, revoked or refreshed away
    CONSUMER_REFUSED = "consumer_refused"  # the tool's own OAuth registration is not accepted
    REFRESH_DEAD = "refresh_dead"  # only a new sign-in helps
    DENIED = "denied"  # the user declined on the wiki's page
    SIGN_IN_STALE = "sign_in_stale"  # the callback belongs to no sign-in that this browser began
    SIGN_IN_REFUSED = "sign_in_refused"  # the wiki does not accept the code (used, too old) or the request
    LOGIN_WANTED = "login_wanted"  # a query service that requires a login of its own


class WikiError(Exception):
    """Base class. `code` is the wiki's error code (or one like `http-503`), `text` its message."""

    def __init__(self, reason: Reason, code: str = "", text: str = "") -> None:
        super().__init__(": ".join(part for part in (reason.value, code, text) if part))
        self.reason = reason
        self.code = code
        self.text = text


class RetryWithNewToken(WikiError):
    """The CSRF token is out of date: send the request again with a new one."""


class Wait(WikiError):
    """Nothing was stored. `seconds`: the wait that the wiki demands if `asked`, else the first delay of a backoff."""

    def __init__(
        self,
        reason: Reason,
        code: str = "",
        text: str = "",
        *,
        seconds: float = 1.0,
        asked: bool = False,
        lag: float | None = None,
        host: str = "",
    ) -> None:
        super().__init__(reason, code, text)
        self.seconds = seconds
        self.asked = asked
        self.lag = lag
        self.host = host


class Reread(WikiError):
    """The edit may be stored or not. `seconds`: delay before reading again, 0 for none."""

    def __init__(self, reason: Reason, code: str = "", text: str = "", *, seconds: float = 0.0) -> None:
        super().__init__(reason, code, text)
        self.seconds = seconds


class GiveUp(WikiError):
    """This edit or file cannot succeed; the next one may."""


class StopBatch(WikiError):
    """No edit of this account can succeed until a person resolves the cause."""


class AuthorizationLost(StopBatch):
    """The access token is invalid. `refreshable`: the refresh token may still work; else the user signs in again."""

    def __init__(self, reason: Reason, code: str = "", text: str = "", *, refreshable: bool = True) -> None:
        super().__init__(reason, code, text)
        self.refreshable = refreshable


class RefreshDead(AuthorizationLost):
    """The refresh token is used, expired or revoked: the user has to sign in again."""

    def __init__(self, code: str = "", text: str = "") -> None:
        super().__init__(Reason.REFRESH_DEAD, code, text, refreshable=False)


class SignInFailed(GiveUp):
    """The sign-in failed; the user can try again."""


class EndpointRefuses(GiveUp):
    """The query service refuses requests (it requires a login); a search can replace the query."""


class NoSuchItem(GiveUp):
    """There is no such item on Wikidata."""

    def __init__(self, item: str) -> None:
        super().__init__(Reason.NO_SUCH_ITEM, "no-such-entity", item)
        self.item = item


class DownloadTooLarge(GiveUp):
    """The file is larger than the limit of the download."""

    def __init__(self, text: str) -> None:
        super().__init__(Reason.TOO_LARGE, "too-large", text)


class DownloadRefused(GiveUp):
    """The URL of a picture leads to a host that is not allowed; nothing was fetched."""

    def __init__(self, text: str) -> None:
        super().__init__(Reason.HOST_REFUSED, "host-refused", text)
