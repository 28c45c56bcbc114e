"""Items for which projects are not allowed; a project about one of them is blocked: paused, and cannot be resumed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from database import Connection, marks

Why = Literal["blocked_item", "minor"]


@dataclass(frozen=True)
class BlockedItem:
    """An item as an administrator blocked it; `added_by` is empty for an account that was deleted."""

    item: str
    reason: str
    added_by: str
    added_at: datetime
    projects: int


def all_of_them(db: Connection) -> list[BlockedItem]:
    """Return the blocked items, newest first, each with the number of projects that it blocks."""
    rows = db.rows(
        """SELECT b.item, b.reason, COALESCE(u.name, '') AS added_by, b.added_at,
             (SELECT COUNT(*) FROM projects p WHERE p.item = b.item AND p.status <> 'deleted') AS projects
           FROM blocked_items b LEFT JOIN users u ON u.id = b.added_by ORDER BY b.added_at DESC, b.item"""
    )
    return [BlockedItem(**row) for row in rows]


def is_blocked(db: Connection, item: str) -> bool:
    """Return whether an administrator blocked the item."""
    return bool(db.value("SELECT 1 FROM blocked_items WHERE item = %s", (item,)))


def add(db: Connection, item: str, reason: str, user_id: int) -> int:
    """Block an item; return how many projects were blocked by this."""
    db.execute(
        """INSERT INTO blocked_items (item, reason, added_by) VALUES (%s, %s, %s)
           ON DUPLICATE KEY UPDATE reason = VALUES(reason)""",
        (item, reason, user_id),
    )
    return block_projects(db, [item])


def remove(db: Connection, item: str) -> bool:
    """Unblock an item; its projects stay paused until their owners resume them."""
    removed = db.execute("DELETE FROM blocked_items WHERE item = %s", (item,))
    if removed:
        db.execute("UPDATE projects SET barred = NULL WHERE item = %s AND barred = 'blocked_item'", (item,))
    return bool(removed)


def block_projects(db: Connection, items: Sequence[str]) -> int:
    """Block every project about one of these items; return how many were not blocked before."""
    found = db.column(
        f"SELECT id FROM projects WHERE item IN ({marks(items)}) AND status <> 'deleted' AND barred IS NULL", items
    )
    for project_id in found:
        block_project(db, project_id, "blocked_item")
    return len(found)


def block_project(db: Connection, project_id: int, why: Why) -> None:
    """Pause a project without a way to resume it. Queued edits are cancelled; sent edits can still be undone."""
    db.execute(
        "UPDATE projects SET status = 'paused', barred = %s WHERE id = %s AND status <> 'deleted'", (why, project_id)
    )
    db.execute(
        """UPDATE edits SET state = 'cancelled', finished_at = NOW(), error = 'barred'
           WHERE project_id = %s AND state = 'queued' AND action <> 'remove'""",
        (project_id,),
    )
    db.execute("DELETE FROM questions WHERE project_id = %s", (project_id,))
