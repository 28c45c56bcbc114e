"""Detection of statements of ours that others removed on the wiki, whenever a file's statements are read.

Each addition is read again, whatever happened to its project: an hour after it was written, then whenever its age has
doubled, for three months. Files that are due are read together with files that soon will be, to save requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from database import Connection, marks
from store.projects import merges
from store.publishing import batches
from store.publishing.edits import FIRST_LOOK_SECONDS

LOOKED_AFTER_DAYS = 90
TOGETHER = "INTERVAL 15 MINUTE"  # additions due within this time are read with those due now
CLAIMED = "INTERVAL 30 MINUTE"  # a claimed addition is due again after this time unless it was read


@dataclass(frozen=True)
class Reading:
    """A file's statements as read: the revision, and the item that each statement (GUID in capitals) names.

    Deprecated statements are left out.
    """

    page_id: int
    revision: int
    items: Mapping[str, str | None]


def claim(db: Connection, limit: int) -> dict[int, int]:
    """Claim additions to read now (edit id -> page id), for half an hour; empty if none is due."""
    db.execute("UPDATE edits SET look_at = NULL WHERE look_at <= NOW() AND state <> 'done'")
    due = due_in(db)
    if due is None or due > 0:
        return {}
    rows = db.rows(
        f"""SELECT id, page_id FROM edits WHERE look_at <= NOW() + {TOGETHER} AND state = 'done'
            ORDER BY look_at LIMIT %s {db.for_update}""",
        (limit,),
    )
    found = {row["id"]: row["page_id"] for row in rows}
    db.execute(f"UPDATE edits SET look_at = NOW() + {CLAIMED} WHERE id IN ({marks(rows)})", list(found))
    return found


def due_in(db: Connection) -> float | None:
    """Return the seconds until the next addition is to be read (0 or less: now), or None if there is none."""
    found = db.value("SELECT TIMESTAMPDIFF(SECOND, NOW(), MIN(look_at)) FROM edits WHERE look_at IS NOT NULL")
    return None if found is None else float(found)


def looked(db: Connection, edit_ids: Sequence[int]) -> None:
    """Record that additions were read: they are due when twice as old, unless they are older than 90 days."""
    age = "TIMESTAMPDIFF(SECOND, finished_at, NOW())"
    db.execute(
        f"""UPDATE edits SET look_at = IF({age} > %s * 86400, NULL, NOW() + INTERVAL GREATEST(%s, {age}) SECOND)
            WHERE id IN ({marks(edit_ids)}) AND state = 'done'""",
        (LOOKED_AFTER_DAYS, FIRST_LOOK_SECONDS, *edit_ids),
    )


def notice(db: Connection, readings: Sequence[Reading]) -> int:
    """Mark our written additions that a newer reading does not show as reverted; return how many.

    They are not sent again unless a user asks. Statements that we are removing ourselves are ignored, and so are
    readings older than the edit. Running batches of projects with many reverts are paused.
    """
    seen = {reading.page_id: reading for reading in readings}
    rows = db.rows(
        f"""SELECT e.id, e.project_id, e.page_id, e.item, UPPER(e.statement_id) AS guid,
              COALESCE(e.revision_id, e.base_revision, 0) AS revision FROM edits e
            WHERE e.page_id IN ({marks(readings)}) AND e.action = 'add' AND e.state = 'done' AND NOT EXISTS
              (SELECT 1 FROM edits r WHERE r.page_id = e.page_id AND r.action = 'remove'
                 AND r.state IN ('queued', 'sending'))""",
        list(seen),
    )
    same = merges.same(db, {row["item"] for row in rows})
    gone = [row for row in rows if _taken_back(row["guid"], same[row["item"]], row["revision"], seen[row["page_id"]])]
    if not gone:
        return 0
    ids = [row["id"] for row in gone]
    count = db.execute(f"UPDATE edits SET state = 'reverted' WHERE id IN ({marks(ids)}) AND state = 'done'", ids)
    db.many(
        "UPDATE project_files SET stated = 0, stated_id = NULL WHERE page_id = %s AND UPPER(stated_id) = %s",
        [(row["page_id"], row["guid"]) for row in gone],
    )
    for project_id in sorted({row["project_id"] for row in gone}):
        batches.pause_reverted(db, project_id)
    return count


def _taken_back(guid: str, items: frozenset[str], revision: int, reading: Reading) -> bool:
    return reading.revision >= revision and reading.items.get(guid) not in items
