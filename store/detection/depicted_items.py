"""Items depicted in files: stated on Commons or named in answers, with stored Wikidata labels."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from database import Connection, marks
from store.detection.files import File

LANGUAGES = ("en", "nb", "es", "fr")  # of the interface
FRESH_DAYS = 90  # a label older than this is read again
MOST = 8  # items shown per file
_MAX_CHARACTERS = 1000  # size of the column files.depicts


@dataclass(frozen=True)
class Named:
    """A depicted item.

    `stated`: Commons states it in the file; otherwise an answer in this project names it. `labels`: by language,
    may be empty.
    """

    item: str
    stated: bool
    labels: Mapping[str, str]


def keep_stated(db: Connection, stated: Mapping[int, Collection[str]]) -> None:
    """Store which items Commons states in files, by page id; page ids without a row in `files` are ignored."""
    wanted = {page_id: _joined(items) for page_id, items in stated.items()}
    rows = db.rows(f"SELECT page_id, depicts FROM files WHERE page_id IN ({marks(list(wanted))})", list(wanted))
    db.many(
        "UPDATE files SET depicts = %s WHERE page_id = %s",
        sorted(
            ((wanted[row["page_id"]], row["page_id"]) for row in rows if row["depicts"] != wanted[row["page_id"]]),
            key=lambda change: change[1],
        ),
    )


def _joined(items: Collection[str]) -> str:
    found = ",".join(sorted(set(items), key=lambda item: (len(item), item)))
    return found if len(found) <= _MAX_CHARACTERS else found[:_MAX_CHARACTERS].rpartition(",")[0]


def nameless(db: Connection, project_id: int, page_ids: Sequence[int]) -> list[str]:
    """Return the items of these files whose labels were not read within FRESH_DAYS.

    These are the items that Commons states in the files, and those that valid answers in this project name.
    """
    stated = db.column(f"SELECT depicts FROM files WHERE page_id IN ({marks(page_ids)}) AND depicts <> ''", page_ids)
    named = db.column(
        f"""SELECT DISTINCT other_item FROM answers WHERE project_id = %s AND page_id IN ({marks(page_ids)})
            AND other_item IS NOT NULL AND withdrawn_at IS NULL""",
        (project_id, *page_ids),
    )
    items = sorted({item for listed in stated for item in listed.split(",")} | set(named))
    known = db.column(
        f"SELECT item FROM item_labels WHERE item IN ({marks(items)}) AND language = '' AND read_at > NOW() - INTERVAL %s DAY",
        (*items, FRESH_DAYS),
    )
    return sorted(set(items) - set(known))


def keep_labels(db: Connection, labels: Mapping[str, Mapping[str, str]], *, complete: bool) -> None:
    """Store labels by item and language.

    `complete`: these are all labels of the items; an item without labels is then not requested again within
    FRESH_DAYS.
    """
    more = {"": ""} if complete else {}
    db.many(
        """INSERT INTO item_labels (item, language, label) VALUES (%s, %s, %s)
           ON DUPLICATE KEY UPDATE label = VALUES(label), read_at = NOW()""",
        [
            (item, language, label[:255])
            for item in sorted(labels)
            for language, label in sorted({**more, **labels[item]}.items())
        ],
    )


def others(
    db: Connection, files: Mapping[int, File], named: Mapping[int, Collection[str]], target: str
) -> dict[int, tuple[Named, ...]]:
    """Return the items depicted in each file, by page id, without the project's own item `target`.

    `named`: items that answers name, by page id; they come before those that Commons states.
    """
    listed = {page_id: _items(file, named.get(page_id, ()), target) for page_id, file in files.items()}
    labels = _labels(db, sorted({item for items in listed.values() for item in items}))
    return {
        page_id: tuple(Named(item, item not in named.get(page_id, ()), labels.get(item, {})) for item in items)
        for page_id, items in listed.items()
    }


def _items(file: File, named: Collection[str], target: str) -> list[str]:
    every = dict.fromkeys([*named, *(file.depicts or "").split(",")])
    return [item for item in every if item and item != target][:MOST]


def _labels(db: Connection, items: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    if items:
        rows = db.rows(
            f"SELECT item, language, label FROM item_labels WHERE item IN ({marks(items)}) AND label <> ''", items
        )
        for row in rows:
            found.setdefault(row["item"], {})[row["language"]] = row["label"]
    return found
