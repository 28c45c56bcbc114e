"""Configuration of gunicorn; the numbers of processes and threads are set in Procfile."""

from typing import Any

# Paths are logged without the query, which contains a code at sign-in and the user's input in searches.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s" %(s)s %(b)s %(M)sms'


def on_starting(server: Any) -> None:
    """Create the application before there are workers, so that an invalid setting ends gunicorn with one message.

    Two workers that end at the same time would make it print a traceback.
    """
    from app import from_environment

    from_environment()
