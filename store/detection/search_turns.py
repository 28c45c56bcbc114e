"""Fair scheduling of detection jobs across users and projects: a row for each project, so that a claim reads few rows.

`due_at` is the time from which a file of the project may be due. It may be too early (a claim that finds nothing
postpones it) but never too late: code that makes a file wait calls `wait_for` in the same transaction, after writing
the file.
"""

from collections.abc import Sequence

from database import Connection, marks


def wait_for(db: Connection, page_ids: Sequence[int]) -> None:
    """Schedule the projects that wait for one of the files, at the time when it is due or earlier."""
    if not page_ids:
        return
    # Read separately: a SELECT within the INSERT would lock the rows that it reads.
    rows = db.rows(
        f"""SELECT p.id, p.owner_id, MIN(pf.search_due_at) AS due FROM project_files pf JOIN projects p ON p.id = pf.project_id
            WHERE pf.page_id IN ({marks(page_ids)}) AND pf.search_due_at IS NOT NULL GROUP BY p.id, p.owner_id ORDER BY p.id""",
        list(page_ids),
    )
    db.many(
        """INSERT INTO search_turns (project_id, owner_id, due_at) VALUES (%s, %s, %s)
           ON DUPLICATE KEY UPDATE due_at = LEAST(COALESCE(due_at, VALUES(due_at)), VALUES(due_at))""",
        [(row["id"], row["owner_id"], row["due"]) for row in rows],
    )


def choose(db: Connection) -> int | None:
    """Return the active project whose turn it is, or None: round-robin over owners, then over their projects."""
    found: int | None = db.value(
        """SELECT t.project_id FROM search_turns t JOIN projects p ON p.id = t.project_id AND p.status = 'active'
           WHERE t.due_at <= NOW(3)
           ORDER BY (SELECT MAX(o.served_at) FROM search_turns o WHERE o.owner_id = t.owner_id), t.served_at, t.project_id
           LIMIT 1"""
    )
    return found


def anybody(db: Connection) -> bool:
    """Return whether any active project is due now."""
    return choose(db) is not None


def served(db: Connection, project_id: int) -> None:
    """Record that the project had its turn."""
    db.execute("UPDATE search_turns SET served_at = NOW(3) WHERE project_id = %s", (project_id,))


def put_off(db: Connection, project_id: int) -> None:
    """Postpone a project without due files until its next file is due.

    The row is locked first: a transaction that makes a file of it wait either waits for this one, or its file is
    seen.
    """
    db.value("SELECT 1 FROM search_turns WHERE project_id = %s FOR UPDATE", (project_id,))
    due = db.value("SELECT MIN(search_due_at) FROM project_files WHERE project_id = %s", (project_id,))
    db.execute("UPDATE search_turns SET due_at = %s, served_at = NOW(3) WHERE project_id = %s", (due, project_id))
