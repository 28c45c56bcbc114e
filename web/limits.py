"""How often a person or an address may ask. Counted in this process; a shared store comes with its setting."""

from flask import Flask, g
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

# An hour of labelling at one answer a second, with prefetching and a few tabs, stays far below.
DEFAULT = "1200 per minute"
SIGN_IN = "30 per minute"
LOOK_UP = "120 per minute"


def _who() -> str:
    user = g.get("user")
    return f"user {user.id}" if user else get_remote_address()


limiter = Limiter(_who, default_limits=[DEFAULT], storage_uri="memory://")


def init_app(app: Flask) -> None:
    """Limit every view but static files."""
    limiter.init_app(app)
    limiter.exempt(app.view_functions["static"])
