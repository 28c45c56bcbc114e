"""Statements of ours that somebody took back on the wiki: noticed whenever a file's statements are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from database import Connection, marks
from store import batches


@dataclass(frozen=True)
class Reading:
    """A file's statements as read: the revision, and which item each statement (GUID in capitals) names."""

    page_id: int
    revision: int
    items: Mapping[str, str | None]


def notice(db: Connection, readings: Sequence[Reading]) -> int:
    """Mark additions of ours as reverted that stood and that a newer reading does not show; returns how many.

    They are not sent again unless a human asks. What we are taking back ourselves does not count, nor does a reading
    older than the edit. Running batches of projects where it piles up are paused.
    """
    seen = {reading.page_id: reading for reading in readings}
    rows = db.rows(
        f"""SELECT e.id, e.project_id, e.page_id, e.item, UPPER(e.statement_id) AS guid,
              COALESCE(e.revision_id, e.base_revision, 0) AS revision FROM edits e
            WHERE e.page_id IN ({marks(readings)}) AND e.action = 'add' AND e.state = 'done' AND NOT EXISTS
              (SELECT 1 FROM edits r WHERE r.page_id = e.page_id AND r.item = e.item AND r.action = 'remove'
                 AND r.state IN ('queued', 'sending'))""",
        list(seen),
    )
    gone = [row for row in rows if _taken_back(row["guid"], row["item"], row["revision"], seen[row["page_id"]])]
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


def _taken_back(guid: str, item: str, revision: int, reading: Reading) -> bool:
    return reading.revision >= revision and reading.items.get(guid) != item
