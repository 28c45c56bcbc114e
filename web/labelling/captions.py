"""The caption and description of a file, with the caption in the user's language if it exists."""

import re
from collections.abc import Iterable
from typing import TypedDict

from flask_babel import get_locale

from store.detection import captions
from store.detection.files import File
from web.site import i18n


class FileTexts(TypedDict):
    """Texts about a file as displayed.

    `caption_lang`: the caption's language code, empty if it is the language of the page.
    `description`: empty if the caption already contains it.
    """

    caption: str
    caption_lang: str
    description: str


def file_texts(file: File) -> FileTexts:
    """Return a file's texts in the language of the current request."""
    by_language, page_language = captions.read(file.captions), str(get_locale()).replace("_", "-").lower()
    language = _nearest_language(by_language, page_language)
    caption, description = by_language.get(language, ""), file.description or ""
    return {
        "caption": caption,
        "caption_lang": "" if language == page_language else language,
        "description": "" if caption and _contains_words(caption, description) else description,
    }


def _nearest_language(languages: Iterable[str], wanted: str) -> str:
    """Return the available language closest to `wanted`, or "" if there is none.

    The order is: the language itself, its base language, another variant of the base, English, any other.
    """
    base = i18n.base(wanted)

    def rank(language: str) -> tuple[int, str]:
        matches = (language == wanted, language == base, i18n.base(language) == base, i18n.base(language) == "en")
        return next((place for place, matched in enumerate(matches) if matched), len(matches)), language

    return min(languages, key=rank, default="")


def _contains_words(caption: str, description: str) -> bool:
    """Return whether the caption contains the words of the description as one consecutive sequence.

    A description without words counts as contained.
    """
    words = _normalised_words(description)
    return not words or f" {words} " in f" {_normalised_words(caption)} "


def _normalised_words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
