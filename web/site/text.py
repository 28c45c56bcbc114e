"""Typed translation functions. Every text on the screen goes through gettext, ngettext or lazy_gettext.

They replace those of flask-babel, which read the catalogue again for every request and look up the language for every
text.
"""

from functools import cache
from pathlib import Path

from babel import Locale
from babel.support import NullTranslations, Translations
from flask_babel import format_decimal, get_locale

DIRECTORY = Path(__file__).resolve().parents[2] / "translations"


@cache
def _catalogue(locale: Locale | None) -> NullTranslations:
    return Translations.load(str(DIRECTORY), [locale]) if locale else NullTranslations()


def translations() -> NullTranslations:
    """Return the catalogue of the request's language; outside of a request, one that leaves texts unchanged."""
    return _catalogue(get_locale())


def gettext(message: str, /, **values: object) -> str:
    """Return the translation of `message` with the values inserted for %(name)s."""
    text = str(translations().gettext(message))
    return text % values if values else text


def ngettext(singular: str, plural: str, number: int, /, **values: object) -> str:
    """Return the plural form for `number`; %(num)s inserts it as formatted in the language, %(num)d as plain digits."""
    text = str(translations().ngettext(singular, plural, number))
    values["num"] = number if "%(num)d" in text else format_decimal(number)
    return text % values


class LazyText:
    """A message that is translated when it is displayed."""

    def __init__(self, message: str) -> None:
        self._message = message

    def __str__(self) -> str:
        return gettext(self._message)


def lazy_gettext(message: str, /) -> LazyText:
    """Return a message that is translated on display; for messages in module-level tables."""
    return LazyText(message)
