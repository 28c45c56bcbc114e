"""What an answer of the wiki means, as types that carry the decision.

    RetryWithNewToken   at once, with a fresh CSRF token
    Wait                the same again after `seconds`
    Reread              read the entity again before deciding anything; it may even be done already
    GiveUp              this edit or file; the next may well succeed
    StopBatch           everything of this account, until somebody does something about it
    AuthorizationLost   as StopBatch, but a refresh of the tokens (or a new sign-in) cures it

A caller asks for the type, and for `reason`, a stable key that the interface turns into words.
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
    NOT_JSON = "not_json"  # an HTML page or other noise where JSON was due

    CONFLICT = "conflict"  # somebody edited meanwhile, or our own edit is stored already
    OUTCOME_UNKNOWN = "outcome_unknown"  # the write was sent, its answer was lost or makes no sense
    STATEMENT_GONE = "statement_gone"  # the statement meant is not there (any more)

    PROTECTED = "protected"
    ABUSEFILTER = "abusefilter"
    ABUSEFILTER_WARNING = "abusefilter_warning"  # sending it again would override the warning
    BLOCKED_HERE = "blocked_here"  # a partial block that covers this page
    NO_SUCH_ENTITY = "no_such_entity"  # the page has no entity, or there is no such page
    NO_SUCH_ITEM = "no_such_item"  # the item or property that the statement names does not exist
    MISSING = "missing"  # the page or file is not there
    INVALID_TITLE = "invalid_title"
    INVALID_VALUE = "invalid_value"
    INVALID_REQUEST = "invalid_request"  # the wiki did not understand us: a fault of this program
    TOO_LARGE = "too_large"
    HOST_REFUSED = "host_refused"  # a picture's address is not on a host that we trust
    REFUSED = "refused"  # HTTP 4xx without a word we know
    NOT_SAVED = "not_saved"  # the wiki refused to save and gave no cause
    UNKNOWN = "unknown"  # an error code nobody told us about

    BLOCKED = "blocked"
    NO_RIGHT = "no_right"  # the right or the OAuth grant to edit is missing
    WRONG_ACCOUNT = "wrong_account"  # the wiki does not see the account that we meant
    BAD_TAGS = "bad_tags"
    AUTHORIZATION_LOST = "authorization_lost"  # expired, revoked or refreshed away
    CONSUMER_REFUSED = "consumer_refused"  # the tool's own OAuth registration is not accepted
    REFRESH_DEAD = "refresh_dead"  # only a new sign-in helps
    DENIED = "denied"  # the person said no on the wiki's page
    SIGN_IN_STALE = "sign_in_stale"  # the answer belongs to no sign-in that this browser began
    SIGN_IN_REFUSED = "sign_in_refused"  # the wiki does not accept the code (used, too old) or the request
    LOGIN_WANTED = "login_wanted"  # a query service that wants a login of its own


class WikiError(Exception):
    """Base of all meanings. `code` is the wiki's own (or `http-503` and the like), `text` its words."""

    def __init__(self, reason: Reason, code: str = "", text: str = "") -> None:
        super().__init__(": ".join(part for part in (reason.value, code, text) if part))
        self.reason = reason
        self.code = code
        self.text = text


class RetryWithNewToken(WikiError):
    """The CSRF token is out of date: send the request again with a new one."""


class Wait(WikiError):
    """Nothing was stored. `seconds` is what the wiki asks for where `asked`, else where a backoff may begin."""

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
    """It may be stored or not. `seconds`: how long to wait before reading, 0 for at once."""

    def __init__(self, reason: Reason, code: str = "", text: str = "", *, seconds: float = 0.0) -> None:
        super().__init__(reason, code, text)
        self.seconds = seconds


class GiveUp(WikiError):
    """This edit or file cannot succeed; the next one may."""


class StopBatch(WikiError):
    """No edit of this account can succeed until somebody acts."""


class AuthorizationLost(StopBatch):
    """The access token is dead. `refreshable`: the refresh token may still do; else the volunteer signs in again."""

    def __init__(self, reason: Reason, code: str = "", text: str = "", *, refreshable: bool = True) -> None:
        super().__init__(reason, code, text)
        self.refreshable = refreshable


class RefreshDead(AuthorizationLost):
    """The refresh token is used, expired or revoked: the volunteer has to sign in again."""

    def __init__(self, code: str = "", text: str = "") -> None:
        super().__init__(Reason.REFRESH_DEAD, code, text, refreshable=False)


class SignInFailed(GiveUp):
    """No sign-in came of it; the person can try again."""


class EndpointRefuses(GiveUp):
    """The query service does not answer us at all (it wants a login); a search can stand in."""


class NoSuchItem(GiveUp):
    """There is no such item on Wikidata."""

    def __init__(self, item: str) -> None:
        super().__init__(Reason.NO_SUCH_ITEM, "no-such-entity", item)
        self.item = item


class DownloadTooLarge(GiveUp):
    def __init__(self, text: str) -> None:
        super().__init__(Reason.TOO_LARGE, "too-large", text)


class DownloadRefused(GiveUp):
    """The address of a picture leads to a host that is not allowed; nothing was fetched."""

    def __init__(self, text: str) -> None:
        super().__init__(Reason.HOST_REFUSED, "host-refused", text)
