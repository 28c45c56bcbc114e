"""Configuration of gunicorn; the numbers of processes and threads are set in Procfile."""

from typing import Any

# Paths are logged without the query, which contains a code at sign-in and the user's input in searches.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s" %(s)s %(b)s %(M)sms'


def on_starting(server: Any) -> None:
    """Refuse a setting that cannot be used once, before there are workers: two that refuse at once make gunicorn trace."""
    from app import from_environment

    from_environment()
