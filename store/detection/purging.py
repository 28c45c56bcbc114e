"""Deleting in small pieces: what a deleted project alone kept, files that nobody looks at, encodings that nobody uses."""

from collections.abc import Sequence

from database import Connection, marks
from store.detection import faces, files

# What belongs to a project alone and hangs on nothing else, in the order in which it goes, with the rest of its primary key.
_OF_PROJECT = (
    ("questions", "position"),
    ("predictions", "face_id"),
    ("labels", "face_id"),
    ("approvals", "page_id"),
    ("answers", "id"),
    ("project_members", "user_id"),
)


def rows_of_project(db: Connection, project_id: int, limit: int) -> int:
    """Delete up to `limit` rows of one table; returns how many, 0 when all these tables are done.

    Looked up first, without a lock, and deleted by their primary key: no row of another project is locked on the way.
    """
    for table, key in _OF_PROJECT:
        found = db.column(f"SELECT {key} FROM {table} WHERE project_id = %s LIMIT %s", (project_id, limit))
        if found:
            # Row by row: given a list, the server may think that reading all is quicker, and lock it.
            return db.many(
                f"DELETE FROM {table} WHERE project_id = %s AND {key} = %s",
                [(project_id, row) for row in sorted(found)],
            )
    return 0


def drawn_of_project(db: Connection, project_id: int, limit: int) -> int:
    """Delete up to `limit` faces that were drawn by hand in the project, with their chips; returns how many."""
    found = db.column("SELECT id FROM faces WHERE project_id = %s LIMIT %s", (project_id, limit))
    faces.remove(db, found, [project_id])
    return len(found)


def files_of_project(db: Connection, project_id: int, limit: int) -> int:
    """Let the project look away from up to `limit` files; those nobody else looks at go with their faces. Returns how many."""
    page_ids = db.column(
        "SELECT page_id FROM project_files WHERE project_id = %s ORDER BY page_id LIMIT %s", (project_id, limit)
    )
    # Whoever begins to look at a file writes its row first, and so waits here, or is seen by `_collect`.
    files.lock(db, page_ids)
    db.many(
        "DELETE FROM project_files WHERE project_id = %s AND page_id = %s", [(project_id, page) for page in page_ids]
    )
    _collect(db, project_id, page_ids)
    return len(page_ids)


def _collect(db: Connection, project_id: int, page_ids: Sequence[int]) -> None:
    """Delete those of the locked files that no project looks at now that this one does not."""
    lonely = db.column(
        f"""SELECT page_id FROM files f WHERE page_id IN ({marks(page_ids)})
            AND NOT EXISTS (SELECT 1 FROM project_files pf WHERE pf.page_id = f.page_id)""",
        page_ids,
    )
    faces.remove(db, db.column(f"SELECT id FROM faces WHERE page_id IN ({marks(lonely)})", lonely), [project_id])
    db.many("DELETE FROM files WHERE page_id = %s", [(page,) for page in sorted(lonely)])


def project(db: Connection, project_id: int) -> None:
    """Delete the project itself, once nothing of it is left; its edits and batches stay in the ledger."""
    db.execute("DELETE FROM search_turns WHERE project_id = %s", (project_id,))
    db.execute("DELETE FROM projects WHERE id = %s AND status = 'deleted'", (project_id,))


def drop_encodings(db: Connection, days: float, after: int, limit: int) -> tuple[int, int]:
    """Drop encodings and chips of faces in the next `limit` files above `after` that no project has used for `days`.

    A project uses its files while it is active, and for `days` after its last crawl or model run. Boxes and answers stay.
    Returns the last page id looked at (0 at the end), and how many faces were dropped.
    """
    page_ids = db.column("SELECT page_id FROM files WHERE page_id > %s ORDER BY page_id LIMIT %s", (after, limit))
    unused = db.column(
        f"""SELECT f.page_id FROM files f WHERE f.page_id IN ({marks(page_ids)}) AND f.state <> 'waiting' AND NOT EXISTS
              (SELECT 1 FROM project_files pf JOIN projects p ON p.id = pf.project_id WHERE pf.page_id = f.page_id
                 AND (p.status = 'active' OR GREATEST(p.created_at, COALESCE(p.crawled_at, p.created_at),
                      COALESCE(p.model_at, p.created_at)) > NOW() - INTERVAL %s SECOND))
            ORDER BY f.page_id FOR UPDATE""",
        (*page_ids, days * 86400),
    )
    found = db.column(f"SELECT id FROM faces WHERE page_id IN ({marks(unused)}) AND state = 'encoded'", unused)
    db.execute(f"DELETE FROM face_chips WHERE face_id IN ({marks(found)})", found)
    db.execute(f"UPDATE faces SET state = 'dropped', encoding = NULL WHERE id IN ({marks(found)})", found)
    return (page_ids[-1] if len(page_ids) == limit else 0), len(found)
