"""Languages: which one a person reads, its direction, and the plurals that scripts need."""

from functools import cache

from babel import Locale
from flask import Flask, g, request
from flask_babel import Babel, get_locale
from markupsafe import Markup

from web.site import text

# Each in its own words, in the order of the switch. A language needs translations/CODE, nothing else.
LANGUAGES = {"en": "English", "nb": "norsk bokmål", "es": "español", "fr": "français"}
COOKIE = "language"
THEMES = ("auto", "light", "dark")
_READ_AS = {"no": "nb", "nn": "nb"}
# Numbers that between them meet every plural category of a language.
_SAMPLES = [*range(201), 1_000, 1_000_000]


def chosen_language() -> str:
    """The person's choice (cookie, then account), else what the browser prefers, else English."""
    user = g.get("user")
    for choice in (request.cookies.get(COOKIE), user.language if user else None):
        if choice in LANGUAGES:
            return choice
    for wanted, _ in request.accept_languages:
        if base(wanted) in LANGUAGES:
            return base(wanted)
    return "en"


def base(language: str) -> str:
    """The language that one is a variant of, or is read as: `en` for `en-GB`, `nb` for `no` and `nn`."""
    name = language.lower().split("-")[0]
    return _READ_AS.get(name, name)


def direction() -> str:
    """`ltr` or `rtl`."""
    return str(get_locale().text_direction)


def theme() -> str:
    """The person's choice: `auto` follows the system."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in THEMES else "auto"


def plurals(singular: str, plural: str) -> dict[str, str]:
    """The translation of a plural message by the categories of Intl.PluralRules, for scripts: {"one": ..., "other": ...}."""
    translate = text.translations().ngettext
    return {category: translate(singular, plural, number) for category, number in _plural_examples(str(get_locale()))}


@cache
def _plural_examples(language: str) -> tuple[tuple[str, int], ...]:
    """A number of each plural category of a language; `other` also where only fractions are."""
    rule = Locale.parse(language).plural_form
    number_by_category = {"other": 2} | {rule(number): number for number in reversed(_SAMPLES)}
    return tuple(number_by_category.items())


def _html_text(message: str, /, **values: object) -> Markup:
    """A text as HTML."""
    markup = Markup(text.translations().gettext(message))  # noqa: S704 - our own texts; what is filled in is escaped
    return markup % values if "%" in markup else markup


def _plural_text(singular: str, plural: str, number: int) -> str:
    return str(text.translations().ngettext(singular, plural, number))


def init_app(app: Flask) -> None:
    """Choose the language of every request."""
    Babel(app, default_locale="en", default_translation_directories="translations", locale_selector=chosen_language)
    app.jinja_env.install_gettext_callables(text.gettext, _plural_text, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.globals["_"] = _html_text
    app.add_template_global(plurals)
    app.jinja_env.globals["languages"] = LANGUAGES

    @app.context_processor
    def language() -> dict[str, str]:
        locale = get_locale()
        return {
            "lang": str(locale).replace("_", "-"),
            "direction": direction(),
            "theme": theme(),
        }
