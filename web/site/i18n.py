"""Selection of language and theme, text direction, and plural forms for scripts."""

from functools import cache

from babel import Locale
from flask import Flask, g, request
from flask_babel import Babel, get_locale
from markupsafe import Markup

from web.site import text

# Each language under its own name, in the order of the menu. Besides its entry a language needs only translations/CODE.
LANGUAGES = {"en": "English", "nb": "norsk bokmål", "es": "español", "fr": "français"}
COOKIE = "language"
THEMES = ("auto", "light", "dark")
_READ_AS = {"no": "nb", "nn": "nb"}  # A reader of these languages gets the texts in Bokmål.
# Numbers that together cover every plural category of a language.
_SAMPLES = [*range(201), 1_000, 1_000_000]


def chosen_language() -> str:
    """Return the language chosen by the user (cookie, then account), else the browser's preference, else English."""
    user = g.get("user")
    for choice in (request.cookies.get(COOKIE), user.language if user else None):
        if choice in LANGUAGES:
            return choice
    for wanted, _ in request.accept_languages:
        if base(wanted) in LANGUAGES:
            return base(wanted)
    return "en"


def base(language: str) -> str:
    """Return the language that a variant belongs to or is read as: `en` for `en-GB`, `nb` for `no` and `nn`."""
    name = language.lower().split("-")[0]
    return _READ_AS.get(name, name)


def direction() -> str:
    """Return the direction of the current language, `ltr` or `rtl`."""
    return str(get_locale().text_direction)


def theme() -> str:
    """Return the theme chosen by the user; the default, `auto`, follows the operating system."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in THEMES else "auto"


def plurals(singular: str, plural: str) -> dict[str, str]:
    """Return the plural forms of a message by category of Intl.PluralRules, for scripts: {"one": ..., "other": ...}."""
    translate = text.translations().ngettext
    return {category: translate(singular, plural, number) for category, number in _plural_examples(str(get_locale()))}


@cache
def _plural_examples(language: str) -> tuple[tuple[str, int], ...]:
    """Return one number of each plural category of a language; `other` is included even if only fractions have it."""
    rule = Locale.parse(language).plural_form
    number_by_category = {"other": 2} | {rule(number): number for number in reversed(_SAMPLES)}
    return tuple(number_by_category.items())


def _html_text(message: str, /, **values: object) -> Markup:
    """Return a translated text as HTML."""
    markup = Markup(text.translations().gettext(message))  # noqa: S704 - the text is ours, the values are escaped
    return markup % values if "%" in markup else markup


def _plural_text(singular: str, plural: str, number: int) -> str:
    return str(text.translations().ngettext(singular, plural, number))


def init_app(app: Flask) -> None:
    """Select the language of every request, and make translations available to templates."""
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
