"""Captions of files as Commons had them when last read: by language, kept once for all projects and readers."""

import json
from collections.abc import Mapping

from database import Connection, marks
from store.detection.depicted_items import LANGUAGES

# A page shows one caption of a file, but reads all that are kept; some photographs have them in two hundred languages. Those of
# the pages' languages and of their variants go first, so that what is left out is only what nobody would be shown.
# Ten of at most 255 characters are 11 kB at worst, and rarely one.
MOST = 10
_SAME = {"no": "nb", "nn": "nb"}  # read by the same people


def keep(db: Connection, found: Mapping[int, Mapping[str, str]]) -> None:
    """Note the captions of files, by page id and language; a file that nobody looks at is passed over.

    Whoever writes other tables of these files in the same transaction locks them first (files.lock).
    """
    wanted = {page_id: _written(captions) for page_id, captions in found.items()}
    rows = db.rows(f"SELECT page_id, captions FROM files WHERE page_id IN ({marks(list(wanted))})", list(wanted))
    changed = sorted(row["page_id"] for row in rows if row["captions"] != wanted[row["page_id"]])
    db.many("UPDATE files SET captions = %s WHERE page_id = %s", [(wanted[page_id], page_id) for page_id in changed])


def read(stored: str | None) -> dict[str, str]:
    """What `files.captions` holds, by language; those of the pages' languages come first."""
    found: dict[str, str] = json.loads(stored) if stored else {}
    return found


def _written(captions: Mapping[str, str]) -> str | None:
    kept = {language: captions[language] for language in sorted(captions, key=_rank)[:MOST]}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else None


def _rank(language: str) -> tuple[bool, bool, str]:
    base = language.partition("-")[0]
    return language not in LANGUAGES, _SAME.get(base, base) not in LANGUAGES, language
