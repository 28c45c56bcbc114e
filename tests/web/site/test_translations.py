"""Checks that every message is translated into every language, with the same placeholders, and compiled."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[3]
LANGUAGES = ("nb", "es", "fr")
PLACEHOLDER = re.compile(r"%\((\w+)\)([sd])|%%")
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2), "plurals": (1, 2)}


def catalogue(language: str) -> Catalog:
    with (ROOT / "translations" / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, language)


def messages(language: str) -> Iterator[Message]:
    return (message for message in catalogue(language) if message.id)


def forms(text: object) -> tuple[str, ...]:
    return tuple(text) if isinstance(text, list | tuple) else (str(text),)


@pytest.fixture(scope="module")
def wanted() -> set[str]:
    """Return the first form of every message in the code and the templates."""
    methods = [("app.py", "python"), ("web/**.py", "python"), ("templates/**.html", "jinja2")]
    places = [ROOT / "web", ROOT / "templates"]
    found = set()
    for place in places:
        relative = [(pattern.split("/", 1)[-1], method) for pattern, method in methods]
        for _name, _line, text, _comments, _context in extract_from_dir(
            str(place), relative, keywords=KEYWORDS, directory_filter=lambda _: True
        ):
            found.add(forms(text)[0])
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_is_missing(language: str, wanted: set[str]):
    known = {forms(message.id)[0]: message for message in messages(language)}
    assert wanted - set(known) == set(), "run script/i18n"
    empty = [text for text in wanted if not all(forms(known[text].string)) or known[text].fuzzy]
    assert empty == [], "translate these, then run script/i18n"


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_have_the_same_placeholders(language: str):
    wrong = []
    for message in messages(language):
        sources = [set(PLACEHOLDER.findall(form)) for form in forms(message.id)]
        for form in forms(message.string):
            if form and set(PLACEHOLDER.findall(form)) not in sources:
                wrong.append((message.id, form))
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled_catalogues_are_up_to_date(language: str):
    with (ROOT / "translations" / language / "LC_MESSAGES" / "messages.mo").open("rb") as file:
        compiled = {forms(message.id)[0]: forms(message.string) for message in read_mo(file) if message.id}
    written = {
        forms(message.id)[0]: forms(message.string) for message in messages(language) if all(forms(message.string))
    }
    assert {text: compiled.get(text) for text in written} == written, "run script/i18n"
