"""Captions of Commons files by language, as last read; stored once per file for all projects."""

import json
from collections.abc import Mapping

from database import Connection, marks
from store.detection.depicted_items import LANGUAGES

# A page reads all stored captions of a file but shows one, and some files have captions in two hundred languages. Those
# in the interface languages and their variants come first, so that only captions that no page would show are left out.
# Ten captions of at most 255 characters take 11 kB at worst, and rarely 1 kB.
MOST = 10
_VARIANTS = {"no": "nb", "nn": "nb"}  # readers of `nb` understand these, too


def keep(db: Connection, found: Mapping[int, Mapping[str, str]]) -> None:
    """Store captions by page id and language; page ids without a row in `files` are ignored.

    A caller that writes other tables of these files in the same transaction locks the files first (files.lock).
    """
    wanted = {page_id: _written(captions) for page_id, captions in found.items()}
    rows = db.rows(f"SELECT page_id, captions FROM files WHERE page_id IN ({marks(list(wanted))})", list(wanted))
    changed = sorted(row["page_id"] for row in rows if row["captions"] != wanted[row["page_id"]])
    db.many("UPDATE files SET captions = %s WHERE page_id = %s", [(wanted[page_id], page_id) for page_id in changed])


def read(stored: str | None) -> dict[str, str]:
    """Parse the JSON of `files.captions` into captions by language; those in the interface languages come first."""
    found: dict[str, str] = json.loads(stored) if stored else {}
    return found


def _written(captions: Mapping[str, str]) -> str | None:
    kept = {language: captions[language] for language in sorted(captions, key=_rank)[:MOST]}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else None


def _rank(language: str) -> tuple[bool, bool, str]:
    base = language.partition("-")[0]
    return language not in LANGUAGES, _VARIANTS.get(base, base) not in LANGUAGES, language
