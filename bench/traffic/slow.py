"""The application with a slower road to it: `gunicorn bench.traffic.slow:app`; every answer takes DELAY seconds longer."""

import time
from collections.abc import Iterable
from typing import Any

from app import create_app

DELAY = 0.05
_inner = create_app()


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """As the application, later."""
    time.sleep(DELAY)
    return _inner.wsgi_app(environ, start_response)
