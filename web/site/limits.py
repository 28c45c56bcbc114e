"""Rate limits and request size limits.

Signed-in people are counted by account, everybody else by address. Behind a proxy that does not pass the address on, as
Toolforge's, all of these have one private address. There each visitor is counted by a random id in the session cookie, which
the sign-in page gives; and as whoever drops cookies gets a new id each time, all visitors of such an address are counted together
as well, against a generous limit.
"""

import hashlib
import secrets
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, TypeVar

from flask import Flask, request, session
from flask_limiter import Limit, Limiter
from flask_limiter.util import get_remote_address

from config import Settings

View = TypeVar("View", bound=Callable[..., Any])

# For each person and page, in a minute. An hour of labelling at one answer a second, with prefetching and a few tabs, stays
# far below.
DEFAULT = 1200
SIGN_IN = 30
LOOK_UP = 120
DOWNLOAD = 10
# For all visitors of one private address together: an editathon signs in within a minute, and a program that drops its
# cookies is bounded.
DEFAULT_TOGETHER = 6000
SIGN_IN_TOGETHER = 600

# Addresses of a proxy or of this machine. (`is_private` of the library has those for documentation too.)
_SHARED = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
            "::1/128", "fc00::/7", "fe80::/10",
        ),
    )
)  # fmt: skip
_REDIS = ("redis", "rediss")
_REDIS_SECONDS = (
    0.25  # to connect and for an answer, which takes a millisecond; beyond that each process counts by itself
)

SMALL_BODY = 256 * 1024  # bytes; 1,000 chosen faces are 20 kB
LARGE_BODY = 2 * 1024 * 1024  # a list of 9,000 titles; what was answered during hours without a network
LARGE = {"creation.submit", "classify.save"}


def _client_key() -> str:
    """Whoever the signed cookie names: limits are checked before the database is asked whether that session still stands."""
    user = session.get("user")
    if user:
        return f"user {user}"
    if _is_visitor_at_shared_address() and _has_visitor_id():
        return f"visitor {session['visitor']}"
    return network(get_remote_address())


def _is_visitor_at_shared_address() -> bool:
    """Whether a visitor is not signed in and has an address that many share."""
    return not session.get("user") and is_shared(get_remote_address())


def _has_visitor_id() -> bool:
    return "visitor" in session


def _is_unidentified() -> bool:
    """Whether nothing tells the visitor from the others of the address."""
    return _is_visitor_at_shared_address() and not _has_visitor_id()


def assign_visitor_id() -> None:
    """Tell a visitor who is about to sign in from the others of a shared address. The id means nothing elsewhere.

    The answer from the wiki is counted by it too. The state of the sign-in would be another one each time, for whoever begins
    many.
    """
    if _is_unidentified():
        session["visitor"] = secrets.token_hex(8)


def is_shared(address: str) -> bool:
    """Whether an address is that of a proxy or of this machine, so that it does not tell people apart."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return is_shared(str(parsed.ipv4_mapped))
    return any(parsed in network for network in _SHARED)


def network(address: str) -> str:
    """The address whose requests are counted: of IPv6 the /64, since one connection has all of it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return address


def _address_key() -> str:
    return f"all of {network(get_remote_address())}"


# The limit of a person stands first: what it refuses is not counted against the others.
limiter = Limiter(
    _client_key,
    default_limits=[
        Limit(f"{DEFAULT} per minute", exempt_when=_is_unidentified),
        Limit(
            f"{DEFAULT_TOGETHER} per minute",
            key_function=_address_key,
            exempt_when=lambda: not _is_visitor_at_shared_address(),
        ),
    ],
)


def rate_limited(per_visitor: int, per_address: int = DEFAULT_TOGETHER) -> Callable[[View], View]:
    """Let a view be asked for so often in a minute: by each person, and by all visitors of a shared address together."""

    def decorate(view: View) -> View:
        for_client = limiter.limit(f"{per_visitor} per minute", exempt_when=_is_unidentified)
        for_address = limiter.limit(
            f"{per_address} per minute",
            key_func=_address_key,
            exempt_when=lambda: not _is_visitor_at_shared_address(),
        )
        return for_address(for_client(view))  # type: ignore[return-value]  # the innermost is counted first

    return decorate


def configuration(settings: Settings) -> dict[str, object]:
    """Where requests are counted.

    memory:// counts in each process: with two of gunicorn's a limit is up to twice as high, and a restart forgets.
    redis:// and memcached:// count for all processes; while that store is away, or hangs, each process counts by itself.
    """
    # Toolforge's Redis is shared with other tools, so the keys need a prefix that is hard to guess.
    mark = hashlib.sha256(settings.secret_key.encode()).hexdigest()[:16]
    kind = settings.limits_uri.partition("://")[0]
    return {
        "RATELIMIT_STORAGE_URI": settings.limits_uri,
        "RATELIMIT_STORAGE_OPTIONS": _redis_options() if kind in _REDIS else {},
        "RATELIMIT_KEY_PREFIX": f"wikivisage-{mark}",
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": kind != "memory",
    }


def _redis_options() -> dict[str, object]:
    """Give up soon, and do not try again: by itself the library waits for seconds, in each request."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    once = Retry(NoBackoff(), 0)
    return {"socket_connect_timeout": _REDIS_SECONDS, "socket_timeout": _REDIS_SECONDS, "retry": once}


def _set_body_limit() -> None:
    request.max_content_length = LARGE_BODY if request.endpoint in LARGE else SMALL_BODY
    request.max_form_memory_size = request.max_content_length


def limit_body_size(app: Flask) -> None:
    """Refuse bodies that are larger than the page can mean; to be called before anything reads a form."""
    app.before_request(_set_body_limit)


def init_app(app: Flask) -> None:
    """Limit every view but static files."""
    limiter.init_app(app)
    limiter.exempt(app.view_functions["static"])
