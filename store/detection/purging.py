"""Deletion in small portions: data of deleted projects, files without a project, and unused encodings."""

from collections.abc import Sequence

from database import Connection, marks
from store.detection import faces, files

# Tables of which each row belongs to one project, in the order of deletion, with the rest of their primary key.
_OF_PROJECT = (
    ("questions", "position"),
    ("predictions", "face_id"),
    ("labels", "face_id"),
    ("approvals", "page_id"),
    ("answers", "id"),
    ("project_members", "user_id"),
)


def rows_of_project(db: Connection, project_id: int, limit: int) -> int:
    """Delete up to `limit` rows of one of the project's tables; return how many, 0 when all these tables are empty.

    The rows are looked up without a lock and deleted by primary key, so that no row of another project is locked.
    """
    for table, key in _OF_PROJECT:
        found = db.column(f"SELECT {key} FROM {table} WHERE project_id = %s LIMIT %s", (project_id, limit))
        if found:
            # Row by row: with a list of keys the server may prefer a full scan, which locks every row.
            return db.many(
                f"DELETE FROM {table} WHERE project_id = %s AND {key} = %s",
                [(project_id, row) for row in sorted(found)],
            )
    return 0


def drawn_of_project(db: Connection, project_id: int, limit: int) -> int:
    """Delete up to `limit` faces that were drawn by hand in the project, with their chips; return how many."""
    found = db.column("SELECT id FROM faces WHERE project_id = %s LIMIT %s", (project_id, limit))
    faces.remove(db, found, [project_id])
    return len(found)


def files_of_project(db: Connection, project_id: int, limit: int) -> int:
    """Remove up to `limit` files from the project, and delete those in no other project; return how many."""
    page_ids = db.column(
        "SELECT page_id FROM project_files WHERE project_id = %s ORDER BY page_id LIMIT %s", (project_id, limit)
    )
    # A transaction that adds a file to a project writes its row in `files` first: either it waits for this lock, or
    # `_delete_unused` sees that the file is used.
    files.lock(db, page_ids)
    db.many(
        "DELETE FROM project_files WHERE project_id = %s AND page_id = %s", [(project_id, page) for page in page_ids]
    )
    _delete_unused(db, project_id, page_ids)
    return len(page_ids)


def _delete_unused(db: Connection, project_id: int, page_ids: Sequence[int]) -> None:
    """Delete those of the locked files that no project contains any more, with their faces."""
    unused = db.column(
        f"""SELECT page_id FROM files f WHERE page_id IN ({marks(page_ids)})
            AND NOT EXISTS (SELECT 1 FROM project_files pf WHERE pf.page_id = f.page_id)""",
        page_ids,
    )
    faces.remove(db, db.column(f"SELECT id FROM faces WHERE page_id IN ({marks(unused)})", unused), [project_id])
    db.many("DELETE FROM files WHERE page_id = %s", [(page,) for page in sorted(unused)])


def project(db: Connection, project_id: int) -> None:
    """Delete the project itself when nothing else of it is left; its edits and batches stay in the ledger."""
    db.execute("DELETE FROM search_turns WHERE project_id = %s", (project_id,))
    db.execute("DELETE FROM projects WHERE id = %s AND status = 'deleted'", (project_id,))


def drop_encodings(db: Connection, days: float, after: int, limit: int) -> tuple[int, int]:
    """Drop encodings and chips of faces in the next `limit` files above `after` that no project has used for `days`.

    A project uses its files while it is active, and for `days` after its creation, last crawl and last model run.
    Boxes and answers are kept. Returns the last page id examined (0 at the end) and how many faces were dropped.
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
