"""What holds wherever gunicorn is started from here; how many processes and threads stands in Procfile."""

from typing import Any

# The path without its query: that of the sign-in carries a code, those of searches what somebody typed.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s" %(s)s %(b)s %(M)sms'


def on_starting(server: Any) -> None:
    """Refuse a setting that cannot be used once, before there are workers: two that refuse at once make gunicorn trace."""
    from app import from_environment

    from_environment()
