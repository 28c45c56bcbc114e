"""Queue lengths over all projects, for monitoring."""

from database import Connection

# Each query reads only waiting rows, through an index; none reads all files.
_QUEUED = "SELECT COUNT(*) FROM batches b JOIN edits e ON e.batch_id = b.id AND e.state = 'queued' WHERE b.state = "
_LENGTHS = {
    "files": """SELECT COUNT(*) FROM search_turns t JOIN projects p ON p.id = t.project_id AND p.status = 'active'
                JOIN project_files pf ON pf.project_id = t.project_id AND pf.search_due_at IS NOT NULL
                WHERE t.due_at IS NOT NULL""",
    "drawn_faces": "SELECT COUNT(*) FROM faces WHERE project_id IS NOT NULL AND state = 'waiting'",
    "edits": _QUEUED + "'running'",
    "edits_paused": _QUEUED + "'paused'",
}


def lengths(db: Connection) -> dict[str, int]:
    """Return queue lengths by name: files, drawn faces, edits, and the due and unclaimed tasks of each kind."""
    found = {name: int(db.value(sql) or 0) for name, sql in _LENGTHS.items()}
    due = {
        row["kind"]: row["n"]
        for row in db.rows(
            "SELECT kind, COUNT(*) AS n FROM tasks WHERE due_at <= NOW(3) AND lease_token IS NULL GROUP BY kind"
        )
    }
    return found | {kind: int(due.get(kind, 0)) for kind in ("crawl", "bootstrap", "model", "publish", "purge")}
