"""How often a person or an address may ask, and how much may be sent at once."""

import hashlib
from ipaddress import IPv6Address, ip_address

from flask import Flask, request, session
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from config import Settings

# An hour of labelling at one answer a second, with prefetching and a few tabs, stays far below.
DEFAULT = "1200 per minute"
SIGN_IN = "30 per minute"
LOOK_UP = "120 per minute"
DOWNLOAD = "10 per minute"

SMALL_BODY = 256 * 1024  # bytes; 1,000 chosen faces are 20 kB
LARGE_BODY = 2 * 1024 * 1024  # a list of 9,000 titles; what was answered during hours without a network
LARGE = {"creation.submit", "classify.save"}


def _who() -> str:
    """Whoever the signed cookie names: limits are checked before the database is asked whether that session still stands."""
    user = session.get("user")
    return f"user {user}" if user else network(get_remote_address())


def network(address: str) -> str:
    """The address whose requests are counted: of IPv6 the /64, since one connection has all of it."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(IPv6Address(int(found) >> 64 << 64))
    return address


limiter = Limiter(_who, default_limits=[DEFAULT])


def configuration(settings: Settings) -> dict[str, object]:
    """Where requests are counted.

    memory:// counts in each process: with two of gunicorn's a limit is up to twice as high, and a restart forgets.
    redis:// and memcached:// count for all processes; while that store is away each process counts by itself.
    """
    mark = hashlib.sha256(settings.secret_key.encode()).hexdigest()[:16]  # Toolforge's Redis is shared with other tools
    return {
        "RATELIMIT_STORAGE_URI": settings.limits_storage,
        "RATELIMIT_KEY_PREFIX": f"wikivisage-{mark}",
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": not settings.limits_storage.startswith("memory://"),
    }


def _bound_body() -> None:
    request.max_content_length = LARGE_BODY if request.endpoint in LARGE else SMALL_BODY
    request.max_form_memory_size = request.max_content_length


def bound_bodies(app: Flask) -> None:
    """Refuse bodies that are larger than the page can mean; to be called before anything reads a form."""
    app.before_request(_bound_body)


def init_app(app: Flask) -> None:
    """Limit every view but static files."""
    limiter.init_app(app)
    limiter.exempt(app.view_functions["static"])
