"""Commons files and the projects that contain them. Each is downloaded, searched and encoded once for all projects."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from database import Connection, marks
from store.detection import search_turns
from store.jobs import signals
from store.jobs.tasks import EXPIRY

Origin = Literal["source", "bootstrap", "portrait"]


@dataclass(frozen=True)
class File:
    """A file as stored; see schema.sql."""

    page_id: int
    title: str
    sha1: str | None
    size_bytes: int | None
    width: int | None
    height: int | None
    thumb_url: str | None
    description: str | None
    taken_on: str | None
    state: Literal["waiting", "searched", "error", "gone"]
    error: str | None
    error_detail: str | None
    searched_width: int | None
    searched_height: int | None
    face_count: int | None
    searched_sha1: str | None
    detector: str | None
    depicts: str | None
    captions: str | None


@dataclass(frozen=True)
class FileMetadata:
    """Current metadata of a file on the wiki; `sha1` is None if it was not requested."""

    page_id: int
    title: str
    sha1: str | None = None
    size_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    uploaded_at: datetime | None = None
    thumb_url: str | None = None
    description: str | None = None
    taken_on: str | None = None


_COLUMNS = """page_id, title, sha1, size_bytes, width, height, thumb_url, description, taken_on, state, error, error_detail,
  searched_width, searched_height, face_count, searched_sha1, detector, depicts, captions"""


def add_to_project(
    db: Connection, project_id: int, found: Sequence[tuple[int, str]], origin: Origin, limit: int
) -> int:
    """Add files (page id, title) to a project, up to `limit` files in all; return how many were not added.

    Files that were searched for other projects are not searched again.
    """
    have = int(db.value("SELECT COUNT(*) FROM project_files WHERE project_id = %s", (project_id,)))
    page_ids = [page_id for page_id, _ in found]
    known = set(
        db.column(
            f"SELECT page_id FROM project_files WHERE project_id = %s AND page_id IN ({marks(page_ids)})",
            (project_id, *page_ids),
        )
    )
    fresh = [row for row in found if row[0] not in known]
    taken = fresh[: max(0, limit - have)]
    titles = sorted([row for row in found if row[0] in known] + taken)  # all transactions lock files in this order
    db.many(
        """INSERT INTO files (page_id, title, search_due_at) VALUES (%s, %s, NOW())
           ON DUPLICATE KEY UPDATE title = VALUES(title)""",
        titles,
    )
    db.many(
        "INSERT IGNORE INTO project_files (project_id, page_id, origin) VALUES (%s, %s, %s)",
        [(project_id, page_id, origin) for page_id, _ in taken],
    )
    _update_origin(db, project_id, list(known), origin)
    want_search(db, [page_id for page_id, _ in taken])
    return len(fresh) - len(taken)


def _update_origin(db: Connection, project_id: int, page_ids: Sequence[int], origin: Origin) -> None:
    """Update the origin of files that the project contains already; the portrait keeps its origin."""
    if page_ids and origin == "source":
        db.execute(
            "UPDATE project_files FORCE INDEX (PRIMARY) SET in_source = 1, origin = 'source' "
            f"WHERE project_id = %s AND origin <> 'portrait' AND page_id IN ({marks(page_ids)})",
            (project_id, *page_ids),
        )
    if page_ids and origin == "portrait":
        db.execute(
            "UPDATE project_files FORCE INDEX (PRIMARY) SET origin = 'portrait' "
            f"WHERE project_id = %s AND page_id IN ({marks(page_ids)})",
            (project_id, *page_ids),
        )


def want_search(db: Connection, page_ids: Sequence[int]) -> None:
    """Queue files that wait to be searched, or whose encodings were dropped, in all projects that contain them."""
    if not page_ids:
        return
    db.execute(
        f"""UPDATE files FORCE INDEX (PRIMARY) SET state = 'waiting', search_due_at = NOW(), attempts = 0
            WHERE page_id IN ({marks(page_ids)}) AND state = 'searched'
              AND EXISTS (SELECT 1 FROM faces f WHERE f.page_id = files.page_id AND f.state = 'dropped')""",
        page_ids,
    )
    copy_to_projects(db, page_ids)
    search_turns.wait_for(db, page_ids)
    signals.wake(db)


def copy_to_projects(db: Connection, page_ids: Sequence[int]) -> None:
    """Copy the search state of files to their rows in all projects.

    Must be called after every change of `files.state`, its error, face count, due time or lease.
    """
    db.execute(
        f"""UPDATE files f FORCE INDEX (PRIMARY) STRAIGHT_JOIN project_files pf FORCE INDEX (by_page) ON pf.page_id = f.page_id
            SET pf.state = f.state, pf.error = f.error, pf.face_count = f.face_count, pf.searched_at = f.searched_at,
              pf.search_due_at = IF(f.state <> 'waiting', NULL,
                IF(f.lease_token IS NULL OR f.leased_at < NOW() - {EXPIRY}, f.search_due_at, f.leased_at + {EXPIRY}))
            WHERE f.page_id IN ({marks(page_ids)})""",
        page_ids,
    )


def want_dropped(db: Connection, page_ids: Sequence[int]) -> None:
    """Request the dropped encodings of these files again, because a project uses the files."""
    db.execute(
        f"""UPDATE faces SET state = 'waiting' WHERE page_id IN ({marks(page_ids)}) AND state = 'dropped'
            AND project_id IS NOT NULL""",
        page_ids,
    )
    want_search(
        db,
        db.column(
            f"""SELECT DISTINCT page_id FROM faces WHERE page_id IN ({marks(page_ids)}) AND state = 'dropped'
                AND project_id IS NULL""",
            page_ids,
        ),
    )


def search_again(db: Connection, page_ids: Sequence[int]) -> None:
    """Queue files again in any state (overwritten file, new detector, retry requested by a user).

    A search in progress loses its lease: its result would fulfil the request with the old bytes.
    """
    if page_ids:
        db.execute(
            "UPDATE files FORCE INDEX (PRIMARY) SET state = 'waiting', search_due_at = NOW(), attempts = 0, "
            f"lease_token = NULL, lease_worker = NULL, leased_at = NULL WHERE page_id IN ({marks(page_ids)})",
            page_ids,
        )
        want_search(db, page_ids)


def get(db: Connection, page_ids: Sequence[int]) -> dict[int, File]:
    """Return files by page id."""
    rows = db.rows(f"SELECT {_COLUMNS} FROM files WHERE page_id IN ({marks(page_ids)})", page_ids)
    return {row["page_id"]: File(**row) for row in rows}


def lock(db: Connection, page_ids: Sequence[int]) -> None:
    """Lock files until the transaction ends; the caller is about to write their rows in project_files first.

    All transactions lock in this order: files, project_files, faces and the tables derived from them, tasks, the
    signal. Rows of project_files are locked by primary key if the project is known, because locks of another index
    are different locks.
    """
    db.rows(
        f"SELECT page_id FROM files FORCE INDEX (PRIMARY) WHERE page_id IN ({marks(page_ids)}) ORDER BY page_id FOR UPDATE",
        page_ids,
    )


def projects_of(db: Connection, page_ids: Sequence[int]) -> list[int]:
    """Return the projects (not deleted) that contain any of the files."""
    return db.column(
        f"""SELECT DISTINCT pf.project_id FROM project_files pf JOIN projects p ON p.id = pf.project_id
            WHERE pf.page_id IN ({marks(page_ids)}) AND p.status <> 'deleted'""",
        page_ids,
    )


def unread(db: Connection, project_id: int, after: int, limit: int, days: float) -> list[int]:
    """Return the next page ids of a project above `after`, in order, whose statements are to be read again.

    These are the files whose statements were not read for `days` days, or never. If we wrote to a file in the last
    30 days, half a day is enough, so that a revert is noticed soon.
    """
    return db.column(
        """SELECT page_id FROM project_files pf WHERE project_id = %s AND page_id > %s
             AND (stated_at IS NULL OR stated_at < NOW() - INTERVAL %s SECOND
               OR (stated_at < NOW() - INTERVAL 12 HOUR AND EXISTS (SELECT 1 FROM edits e WHERE e.page_id = pf.page_id
                 AND e.project_id = pf.project_id AND e.action = 'add' AND e.state = 'done'
                 AND e.finished_at > NOW() - INTERVAL 30 DAY))) ORDER BY page_id LIMIT %s""",
        (project_id, after, days * 86400, limit),
    )


def outdated(db: Connection, page_ids: Sequence[int], detector: str, encoder: str) -> list[int]:
    """Return those of the files that were searched with another version of the detector or encoder."""
    return db.column(
        f"""SELECT page_id FROM files WHERE page_id IN ({marks(page_ids)}) AND state = 'searched' AND (detector <> %s
              OR EXISTS (SELECT 1 FROM faces f WHERE f.page_id = files.page_id AND f.state = 'encoded' AND f.encoder <> %s
                         AND (f.project_id IS NULL OR EXISTS (SELECT 1 FROM face_chips c WHERE c.face_id = f.id))))""",
        (*page_ids, detector, encoder),
    )


def retitle(db: Connection, titles: Sequence[tuple[int, str]]) -> None:
    """Store the new titles of moved files (page id, title); the page id stays the same."""
    db.many("UPDATE files SET title = %s WHERE page_id = %s", [(title, page_id) for page_id, title in titles])


def vanished(db: Connection, page_id: int, reason: str) -> None:
    """Mark a file as gone from the wiki; a file that a worker has claimed is left to that worker."""
    gone = db.execute(
        """UPDATE files SET state = 'gone', error = %s, error_detail = NULL, search_due_at = NULL
           WHERE page_id = %s AND lease_token IS NULL""",
        (reason, page_id),
    )
    if gone:
        copy_to_projects(db, [page_id])


def count(db: Connection, project_id: int) -> int:
    """Return how many files a project contains."""
    return int(db.value("SELECT COUNT(*) FROM project_files WHERE project_id = %s", (project_id,)))


def from_source(db: Connection, project_id: int) -> set[int]:
    """Return the page ids from the project's category or list that were in it when it was last read."""
    return set(
        db.column(
            "SELECT page_id FROM project_files WHERE project_id = %s AND origin = 'source' AND in_source", (project_id,)
        )
    )


def stated(db: Connection, project_id: int, page_ids: Sequence[int]) -> set[int]:
    """Return those of the files in which Commons states the person, as last read."""
    return set(
        db.column(
            f"SELECT page_id FROM project_files WHERE project_id = %s AND stated AND page_id IN ({marks(page_ids)})",
            (project_id, *page_ids),
        )
    )


def mark_stated(db: Connection, project_id: int, stated: Sequence[tuple[int, str | None]]) -> None:
    """Record that Commons states the person in these files (page id, statement GUID or None)."""
    db.many(
        """UPDATE project_files FORCE INDEX (PRIMARY) SET stated = 1, stated_id = COALESCE(%s, stated_id), stated_at = NOW()
           WHERE project_id = %s AND page_id = %s""",
        [(statement, project_id, page_id) for page_id, statement in stated],
    )


def mark_unstated(db: Connection, project_id: int, page_ids: Sequence[int]) -> None:
    """Record that Commons does not state the person in these files."""
    db.execute(
        f"""UPDATE project_files FORCE INDEX (PRIMARY) SET stated = 0, stated_id = NULL, stated_at = NOW()
            WHERE project_id = %s AND page_id IN ({marks(page_ids)})""",
        (project_id, *page_ids),
    )


def mark_protected(db: Connection, project_id: int, page_ids: Sequence[int], protected: Collection[int]) -> None:
    """Record which of these files most accounts may not edit."""
    for value in (0, 1):
        changed = [page_id for page_id in page_ids if (page_id in protected) == bool(value)]
        db.execute(
            f"""UPDATE project_files FORCE INDEX (PRIMARY) SET protected = %s
                WHERE project_id = %s AND page_id IN ({marks(changed)}) AND protected <> %s""",
            (value, project_id, *changed, value),
        )


def left_source(db: Connection, project_id: int, page_ids: Sequence[int]) -> None:
    """Record that files are no longer in the category."""
    db.execute(
        "UPDATE project_files FORCE INDEX (PRIMARY) SET in_source = 0 "
        f"WHERE project_id = %s AND origin = 'source' AND page_id IN ({marks(page_ids)})",
        (project_id, *page_ids),
    )
