"""Captions of files, which the wiki keeps as labels of their entities. Pure."""

import re

from wiki.answers import JsonObject, inner, text

LONGEST = 255  # characters; Commons takes no longer caption
_READ = 4 * LONGEST  # of what some other wiki may send, blanks and controls included
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8}){0,3}")
_BLANKS = re.compile("[\\s\x00-\x1f\x7f-\x9f]+")


def read_captions(entity: JsonObject) -> dict[str, str]:
    """The captions of an entity by language as the wiki names it (`nb`, `en-gb`, `zh-hant`), each on one line.

    What is no text, or has no language, is passed over. Without any, `labels` is an empty object or an empty list.
    """
    labels = inner(entity, "labels")
    found = {language: _line(text(labels[language], "value", _READ)) for language in labels if _is_language(language)}
    return {language: caption for language, caption in found.items() if caption}


def _is_language(name: str) -> bool:
    return bool(_LANGUAGE.fullmatch(name))


def _line(value: str) -> str:
    return _BLANKS.sub(" ", value).strip()[:LONGEST].rstrip()
