"""How files stand, changed from outside, with the copies of it that the store keeps."""

from collections.abc import Sequence

from database import Connection
from store.detection import files


def change_files(db: Connection, sql: str, args: Sequence[object] = ()) -> None:
    """Run a statement that changes `files`, and repeat how they stand in the rows of the projects that look at them."""
    db.execute(sql, args)
    files.copy_to_projects(db, db.column("SELECT page_id FROM files"))


def wrong_copies(db: Connection) -> list[int]:
    """The files of which a project's row says something else than their own."""
    return db.column(
        """SELECT f.page_id FROM project_files pf JOIN files f ON f.page_id = pf.page_id
           WHERE NOT (pf.state <=> f.state AND pf.error <=> f.error AND pf.face_count <=> f.face_count
             AND pf.searched_at <=> f.searched_at)"""
    )
