"""What a file is said to show: its caption, in the reader's language where there is one, and its description."""

import re
from collections.abc import Iterable
from typing import TypedDict

from flask_babel import get_locale

from store.detection import captions
from store.detection.files import File
from web.site import i18n


class Told(TypedDict):
    """`caption_lang`: the caption's language, empty where it is the page's. `description`: empty where the caption says it all."""

    caption: str
    caption_lang: str
    description: str


def told(file: File) -> Told:
    """What is shown of a file in the language of this request."""
    found, page = captions.read(file.captions), str(get_locale()).replace("_", "-").lower()
    language = _nearest(found, page)
    caption, description = found.get(language, ""), file.description or ""
    return {
        "caption": caption,
        "caption_lang": "" if language == page else language,
        "description": "" if caption and _says(caption, description) else description,
    }


def _nearest(languages: Iterable[str], wanted: str) -> str:
    """The reader's own language, the one it is a variant of, another variant of that, English, any; empty where there is none."""
    base = i18n.base(wanted)

    def distance(language: str) -> tuple[int, str]:
        tests = (language == wanted, language == base, i18n.base(language) == base, i18n.base(language) == "en")
        return next((place for place, holds in enumerate(tests) if holds), len(tests)), language

    return min(languages, key=distance, default="")


def _says(caption: str, description: str) -> bool:
    """Whether all words of the description, if it has any, are in the caption, one after the other."""
    words = _words(description)
    return not words or f" {words} " in f" {_words(caption)} "


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
