"""Captions of files, which the wiki stores as labels of their MediaInfo entities. Pure functions."""

import re

from wiki.answers import JsonObject, inner, text

LONGEST = 255  # characters; Commons accepts no longer caption
_MOST_RAW_CHARACTERS = 4 * LONGEST  # read of one label, before white space and control characters are removed
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8}){0,3}")
_WHITE_SPACE_AND_CONTROLS = re.compile("[\\s\x00-\x1f\x7f-\x9f]+")


def read_captions(entity: JsonObject) -> dict[str, str]:
    """Return the captions of an entity by the wiki's language code (`nb`, `en-gb`, `zh-hant`), each on one line.

    Values that are not text and invalid language codes are skipped. Without any, `labels` is an empty object or list.
    """
    labels = inner(entity, "labels")
    found = {
        language: _one_line(text(labels[language], "value", _MOST_RAW_CHARACTERS))
        for language in labels
        if _is_language(language)
    }
    return {language: caption for language, caption in found.items() if caption}


def _is_language(name: str) -> bool:
    return bool(_LANGUAGE.fullmatch(name))


def _one_line(value: str) -> str:
    return _WHITE_SPACE_AND_CONTROLS.sub(" ", value).strip()[:LONGEST].rstrip()
