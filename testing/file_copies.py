"""Helpers that change `files` directly and keep the copies in `project_files` in step."""

from collections.abc import Sequence

from database import Connection
from store.detection import files


def change_files(db: Connection, sql: str, args: Sequence[object] = ()) -> None:
    """Run a statement that changes `files`, then copy the changed state to `project_files`."""
    db.execute(sql, args)
    files.copy_to_projects(db, db.column("SELECT page_id FROM files"))


def wrong_copies(db: Connection) -> list[int]:
    """Return the page ids whose copy in `project_files` differs from `files`."""
    return db.column(
        """SELECT f.page_id FROM project_files pf JOIN files f ON f.page_id = pf.page_id
           WHERE NOT (pf.state <=> f.state AND pf.error <=> f.error AND pf.face_count <=> f.face_count
             AND pf.searched_at <=> f.searched_at)"""
    )
