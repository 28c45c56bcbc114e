"""Numbers and times as the reader's language writes them, for templates."""

from datetime import UTC, datetime
from functools import lru_cache

from babel import Locale
from flask import Flask
from flask_babel import format_datetime, format_decimal, format_percent, format_timedelta, get_locale

from web.site import urls


def number(value: float) -> str:
    """9000 -> 9,000."""
    return _number(value, get_locale())


@lru_cache(4096)  # a page repeats few numbers often, and writing one takes longer than a line of HTML
def _number(value: float, _locale: Locale | None) -> str:
    return str(format_decimal(value))


def decimal(value: float, digits: int = 2) -> str:
    """0.6 -> 0.60."""
    return _decimal(round(value, digits), digits, get_locale())


@lru_cache(4096)
def _decimal(value: float, digits: int, _locale: Locale | None) -> str:
    return str(format_decimal(value, format="0." + "0" * digits))


def percent(value: float) -> str:
    """0.123 -> 12%."""
    return str(format_percent(value))


def moment(value: datetime) -> str:
    """A UTC time of the database, in words."""
    return _moment(value, get_locale())


@lru_cache(4096)
def _moment(value: datetime, _locale: Locale | None) -> str:
    return str(format_datetime(value, "medium"))


def ago(value: datetime, now: datetime | None = None) -> str:
    """How long a UTC time of the database lies back: 3 minutes ago."""
    elapsed = (now or datetime.now(UTC)).replace(tzinfo=None) - value
    return str(format_timedelta(-elapsed, add_direction=True))


def span(seconds: float) -> str:
    """A length of time, roughly: 4 minutes."""
    return str(format_timedelta(max(1, round(seconds)), threshold=1.2))


def size(value: int) -> str:
    """Bytes: 34 kB."""
    return f"{number(round(value / 1000))} kB"


def init_app(app: Flask) -> None:
    """Let templates use them as filters, and the addresses of urls.py as functions."""
    for filter_ in (number, decimal, percent, moment, ago, span, size):
        app.add_template_filter(filter_)
    for function in (urls.file_page, urls.category_page, urls.user_page, urls.item_page, urls.page_url):
        app.add_template_global(function)
