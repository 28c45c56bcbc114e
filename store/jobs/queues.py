"""Queue lengths over all projects, for monitoring: what a worker could claim now, under the conditions of each claim.

What is paused, due later, or claimed already is not counted: an alarm about a queue that nobody empties would be false.
"""

from database import Connection
from store.jobs import tasks
from store.jobs.tasks import EXPIRY

# Each query reads only waiting rows, through an index; none reads all files.
_QUEUED = "SELECT COUNT(*) FROM batches b JOIN edits e ON e.batch_id = b.id AND e.state = 'queued' WHERE b.state = "
_LENGTHS = {
    # A file is searched once for all its projects (searches.claim, search_turns.choose).
    "files": """SELECT COUNT(DISTINCT pf.page_id) FROM search_turns t
                JOIN projects p ON p.id = t.project_id AND p.status = 'active'
                JOIN project_files pf ON pf.project_id = t.project_id AND pf.search_due_at <= NOW()
                WHERE t.due_at <= NOW(3)""",
    # As faces.claim_drawn.
    "drawn_faces": f"""SELECT COUNT(*) FROM faces f WHERE f.project_id IS NOT NULL AND f.state = 'waiting'
                       AND (f.lease_token IS NULL OR f.leased_at < NOW() - {EXPIRY})
                       AND EXISTS (SELECT 1 FROM projects p WHERE p.id = f.project_id AND p.status <> 'deleted')""",
    # As edits.next_open, whether or not the task of their user is due: a user without a task would wait for ever.
    "edits": _QUEUED + "'running' AND e.due_at <= NOW()",
    "edits_paused": _QUEUED + "'paused'",
}


def lengths(db: Connection) -> dict[str, int]:
    """Return queue lengths by name: files, drawn faces, edits, and tasks of each kind; and the edits that are paused."""
    found = {name: int(db.value(sql) or 0) for name, sql in _LENGTHS.items()}
    return found | {kind: tasks.claimable(db, kind) for kind in tasks.KINDS}
