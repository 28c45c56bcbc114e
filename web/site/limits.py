"""Rate limits and request size limits.

Signed-in users are counted by account, all other visitors by IP address. Behind a proxy that does not pass the client's
address on, such as Toolforge's, all visitors have one private address. There each visitor is counted by a random id in
the session cookie, which the sign-in page sets. A client that drops its cookies gets a new id each time; therefore all
visitors of such an address are also counted together, against a generous limit.
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

# Requests per minute for each client and endpoint. Labelling at one answer a second for an hour, with prefetching and a
# few tabs, stays far below.
DEFAULT = 1200
SIGN_IN = 30
LOOK_UP = 120
DOWNLOAD = 10
# Requests per minute for all visitors of one private address together. The participants of an editathon can all sign in
# within a minute, while a program that drops its cookies is still limited.
DEFAULT_TOGETHER = 6000
SIGN_IN_TOGETHER = 600

# Networks of proxies and of this machine. The property `is_private` of ipaddress also includes documentation addresses.
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
# Timeout for connecting and for a response, which usually takes 1 ms. After a timeout each process counts alone.
_REDIS_SECONDS = 0.25

SMALL_BODY = 256 * 1024  # bytes; 1,000 selected faces take 20 kB
LARGE_BODY = 2 * 1024 * 1024  # a list of 9,000 titles, or what was answered during hours without a network
LARGE = {"creation.submit", "classify.save"}


def _client_key() -> str:
    """Return the key under which this client's requests are counted.

    The user id in the signed session cookie is used even if the session has ended, because limits are checked before
    the database is queried.
    """
    user = session.get("user")
    if user:
        return f"user {user}"
    if _is_visitor_at_shared_address() and _has_visitor_id():
        return f"visitor {session['visitor']}"
    return network(get_remote_address())


def _is_visitor_at_shared_address() -> bool:
    """Return whether the visitor is not signed in and has an address that many share."""
    return not session.get("user") and is_shared(get_remote_address())


def _has_visitor_id() -> bool:
    return "visitor" in session


def _is_unidentified() -> bool:
    """Return whether nothing distinguishes the visitor from others at the same shared address."""
    return _is_visitor_at_shared_address() and not _has_visitor_id()


def assign_visitor_id() -> None:
    """Give a visitor at a shared address an id before the sign-in; the id serves only to count requests.

    The OAuth callback is counted by the same id. The OAuth state could not serve as the id, because it is a new one for
    each sign-in that a client begins.
    """
    if _is_unidentified():
        session["visitor"] = secrets.token_hex(8)


def is_shared(address: str) -> bool:
    """Return whether an address belongs to a proxy or to this machine, and so does not identify a client."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return is_shared(str(parsed.ipv4_mapped))
    return any(parsed in network for network in _SHARED)


def network(address: str) -> str:
    """Return the address to count by: for IPv6 the /64 network, because one connection has all of its addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return address


def _address_key() -> str:
    """Return the key under which the requests of all visitors of this address are counted."""
    return f"all of {network(get_remote_address())}"


# The limit per client comes first: requests that it refuses are not counted against the limit of all visitors.
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
    """Limit a view's requests per minute: `each` per client, `together` for all visitors of a shared address."""

    def decorate(view: View) -> View:
        for_client = limiter.limit(f"{per_visitor} per minute", exempt_when=_is_unidentified)
        for_address = limiter.limit(
            f"{per_address} per minute",
            key_func=_address_key,
            exempt_when=lambda: not _is_visitor_at_shared_address(),
        )
        return for_address(for_client(view))  # type: ignore[return-value]  # The innermost limit is checked first.

    return decorate


def configuration(settings: Settings) -> dict[str, object]:
    """Return the configuration of Flask-Limiter, in particular the store of the counters.

    memory:// counts in each process: with two gunicorn workers a limit is up to twice as high, and a restart resets it.
    redis:// and memcached:// count for all processes; while that store is down or hangs, each process counts alone.
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
    """Return options for a short timeout without retries: by default the library blocks each request for seconds."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    once = Retry(NoBackoff(), 0)
    return {"socket_connect_timeout": _REDIS_SECONDS, "socket_timeout": _REDIS_SECONDS, "retry": once}


def _set_body_limit() -> None:
    request.max_content_length = LARGE_BODY if request.endpoint in LARGE else SMALL_BODY
    request.max_form_memory_size = request.max_content_length


def limit_body_size(app: Flask) -> None:
    """Refuse request bodies above the endpoint's maximum size. To be called before anything that reads a form."""
    app.before_request(_set_body_limit)


def init_app(app: Flask) -> None:
    """Apply the rate limits to every view except static files."""
    limiter.init_app(app)
    limiter.exempt(app.view_functions["static"])
