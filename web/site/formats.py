"""Template filters that format numbers and times in the user's language."""

from datetime import UTC, datetime
from functools import lru_cache

from babel import Locale
from flask import Flask
from flask_babel import format_datetime, format_decimal, format_percent, format_timedelta, get_locale

from web.site import urls


def number(value: float) -> str:
    """Format a number, for example 9000 as "9,000"."""
    return _number(value, get_locale())


# A page repeats few numbers often, and formatting one takes longer than rendering a line of HTML.
@lru_cache(4096)
def _number(value: float, _locale: Locale | None) -> str:
    return str(format_decimal(value))


def decimal(value: float, digits: int = 2) -> str:
    """Format a number with a fixed number of decimals, for example 0.6 as "0.60"."""
    return _decimal(round(value, digits), digits, get_locale())


@lru_cache(4096)
def _decimal(value: float, digits: int, _locale: Locale | None) -> str:
    return str(format_decimal(value, format="0." + "0" * digits))


def percent(value: float) -> str:
    """Format a fraction as a whole percentage, for example 0.123 as "12%"."""
    return str(format_percent(value))


def moment(value: datetime) -> str:
    """Format a UTC time from the database as date and time."""
    return _moment(value, get_locale())


@lru_cache(4096)
def _moment(value: datetime, _locale: Locale | None) -> str:
    return str(format_datetime(value, "medium"))


def ago(value: datetime, now: datetime | None = None) -> str:
    """Format the time that has passed since a UTC time from the database, for example "3 minutes ago"."""
    elapsed = (now or datetime.now(UTC)).replace(tzinfo=None) - value
    return str(format_timedelta(-elapsed, add_direction=True))


def span(seconds: float) -> str:
    """Format a duration in seconds, rounded to one unit, for example "4 minutes"."""
    return str(format_timedelta(max(1, round(seconds)), threshold=1.2))


def size(value: int) -> str:
    """Format a size in bytes as kB (1,000 bytes), for example "34 kB"."""
    return f"{number(round(value / 1000))} kB"


def init_app(app: Flask) -> None:
    """Register the filters, and the functions of urls.py that templates call."""
    for filter_ in (number, decimal, percent, moment, ago, span, size):
        app.add_template_filter(filter_)
    for function in (urls.file_page, urls.category_page, urls.user_page, urls.item_page, urls.page_url):
        app.add_template_global(function)
