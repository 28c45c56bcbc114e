"""The texts of the reader's language, with types. Every text on the screen goes through gettext, ngettext or lazy_gettext.

flask-babel's own read the catalogue anew for every request, and look the language up for every text.
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
    """The catalogue of this request's language; outside of one every text stays as it is."""
    return _catalogue(get_locale())


def gettext(message: str, /, **values: object) -> str:
    """The translation of `message`, its %(name)s filled in."""
    text = str(translations().gettext(message))
    return text % values if values else text


def ngettext(singular: str, plural: str, number: int, /, **values: object) -> str:
    """The translation for a number; %(num)s is filled in as the language writes it, %(num)d with bare digits."""
    text = str(translations().ngettext(singular, plural, number))
    values["num"] = number if "%(num)d" in text else format_decimal(number)
    return text % values


class LazyText:
    """A message that is translated when it is shown."""

    def __init__(self, message: str) -> None:
        self._message = message

    def __str__(self) -> str:
        return gettext(self._message)


def lazy_gettext(message: str, /) -> LazyText:
    """For messages in module-level tables."""
    return LazyText(message)
