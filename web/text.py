"""flask-babel's gettext, ngettext and lazy_gettext with types. Every text on the screen goes through one of them."""

import flask_babel


def gettext(message: str, /, **values: object) -> str:
    """The translation of `message`, its %(name)s filled in."""
    return str(flask_babel.gettext(message, **values))


def ngettext(singular: str, plural: str, number: int, /, **values: object) -> str:
    """The translation for a number; %(num)s is filled in as the language writes it, %(num)d with bare digits."""
    text = str(flask_babel.get_translations().ungettext(singular, plural, number))
    values["num"] = number if "%(num)d" in text else flask_babel.format_decimal(number)
    return text % values


class Lazy:
    """A message that is translated when it is shown."""

    def __init__(self, message: str) -> None:
        self._message = message

    def __str__(self) -> str:
        return gettext(self._message)


def lazy_gettext(message: str, /) -> Lazy:
    """For messages in module-level tables."""
    return Lazy(message)
