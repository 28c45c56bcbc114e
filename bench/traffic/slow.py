"""The application with DELAY seconds added to every response: `gunicorn bench.traffic.slow:app`."""

import time
from collections.abc import Iterable
from typing import Any

from app import create_app

DELAY = 0.05
_inner = create_app()


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Call the application after the delay."""
    time.sleep(DELAY)
    return _inner.wsgi_app(environ, start_response)
