"""The caption and description of a file, with the caption in the user's language if it exists."""

import re
from collections.abc import Iterable
from typing import TypedDict

from flask_babel import get_locale

from store.detection import captions
from store.detection.files import File
from web.site import i18n


class Told(TypedDict):
    """Texts about a file as displayed.

    `caption_lang`: the caption's language code, empty if it is the language of the page.
    `description`: empty if the caption already contains it.
    """

    caption: str
    caption_lang: str
    description: str


def told(file: File) -> Told:
    """Return a file's texts in the language of the current request."""
    found, page = captions.read(file.captions), str(get_locale()).replace("_", "-").lower()
    language = _nearest(found, page)
    caption, description = found.get(language, ""), file.description or ""
    return {
        "caption": caption,
        "caption_lang": "" if language == page else language,
        "description": "" if caption and _says(caption, description) else description,
    }


def _nearest(languages: Iterable[str], wanted: str) -> str:
    """Return the available language closest to `wanted`, or "" if there is none.

    The order is: the language itself, its base language, another variant of the base, English, any other.
    """
    base = i18n.base(wanted)

    def distance(language: str) -> tuple[int, str]:
        tests = (language == wanted, language == base, i18n.base(language) == base, i18n.base(language) == "en")
        return next((place for place, holds in enumerate(tests) if holds), len(tests)), language

    return min(languages, key=distance, default="")


def _says(caption: str, description: str) -> bool:
    """Return whether the caption contains the words of the description as one consecutive sequence.

    A description without words counts as contained.
    """
    words = _words(description)
    return not words or f" {words} " in f" {_words(caption)} "


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
