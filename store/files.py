"""Commons files, the projects that look at them, and detection leases.

A file is downloaded, searched and encoded once for all projects. `project_files.search_due_at` repeats the file's due time
while it waits, so that a claim reads only what waits, in the order of an index, however many files there are.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from database import Connection, marks
from store import signals
from store.errors import LeaseLost
from store.tasks import EXPIRY

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


@dataclass(frozen=True)
class Seen:
    """What the wiki says of a file today; `sha1` None where it was not asked."""

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


@dataclass(frozen=True)
class SearchLease:
    """Files claimed for detection, on behalf of one project's turn."""

    token: bytes
    project_id: int
    page_ids: tuple[int, ...]


_COLUMNS = """page_id, title, sha1, size_bytes, width, height, thumb_url, description, taken_on, state, error, error_detail,
  searched_width, searched_height, face_count, searched_sha1, detector"""


def add_to_project(
    db: Connection, project_id: int, found: Sequence[tuple[int, str]], origin: Origin, limit: int
) -> int:
    """Let a project look at files (page id, title), up to `limit` files in all; returns how many it did not take.

    Files that other projects have searched already are not searched again.
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
    titles = [row for row in found if row[0] in known] + taken
    db.many(
        """INSERT INTO files (page_id, title, search_due_at) VALUES (%s, %s, NOW())
           ON DUPLICATE KEY UPDATE title = VALUES(title)""",
        titles,
    )
    db.many(
        "INSERT IGNORE INTO project_files (project_id, page_id, origin) VALUES (%s, %s, %s)",
        [(project_id, page_id, origin) for page_id, _ in taken],
    )
    if known and origin == "source":
        db.execute(
            f"UPDATE project_files SET in_source = 1, origin = 'source' WHERE project_id = %s AND origin <> 'portrait' "
            f"AND page_id IN ({marks(list(known))})",
            (project_id, *known),
        )
    if known and origin == "portrait":
        db.execute(
            f"UPDATE project_files SET origin = 'portrait' WHERE project_id = %s AND page_id IN ({marks(list(known))})",
            (project_id, *known),
        )
    want_search(db, [page_id for page_id, _ in taken])
    return len(fresh) - len(taken)


def want_search(db: Connection, page_ids: Sequence[int]) -> None:
    """Queue those of the files that wait to be searched, or whose encodings were dropped, in every project that looks."""
    if not page_ids:
        return
    db.execute(
        f"""UPDATE files SET state = 'waiting', search_due_at = NOW(), attempts = 0 WHERE page_id IN ({marks(page_ids)})
            AND state = 'searched' AND EXISTS (SELECT 1 FROM faces f WHERE f.page_id = files.page_id AND f.state = 'dropped')""",
        page_ids,
    )
    db.execute(
        f"""UPDATE project_files pf JOIN files f ON f.page_id = pf.page_id
            SET pf.search_due_at = IF(f.lease_token IS NULL, f.search_due_at, f.leased_at + {EXPIRY})
            WHERE f.page_id IN ({marks(page_ids)}) AND f.state = 'waiting'""",
        page_ids,
    )
    signals.wake(db)


def want_dropped(db: Connection, page_ids: Sequence[int]) -> None:
    """Queue those of the files whose encodings were dropped: a project looks at them again."""
    want_search(
        db,
        db.column(
            f"""SELECT DISTINCT page_id FROM faces WHERE page_id IN ({marks(page_ids)}) AND state = 'dropped'
                AND project_id IS NULL""",
            page_ids,
        ),
    )


def search_again(db: Connection, page_ids: Sequence[int]) -> None:
    """Queue files anew whatever their state (overwritten, new detector, a person asks for another try)."""
    if page_ids:
        db.execute(
            f"UPDATE files SET state = 'waiting', search_due_at = NOW(), attempts = 0 WHERE page_id IN ({marks(page_ids)})",
            page_ids,
        )
        want_search(db, page_ids)


def claim_search(db: Connection, worker: str, limit: int) -> SearchLease | None:
    """Claim up to `limit` waiting files of the project whose turn it is, or None.

    Turns go round-robin over owners, then over an owner's projects, so that 50 files are not behind 9,000.
    """
    project_id = db.value(
        """SELECT p.id FROM projects p WHERE p.status = 'active'
             AND EXISTS (SELECT 1 FROM project_files pf WHERE pf.project_id = p.id AND pf.search_due_at <= NOW())
           ORDER BY (SELECT MAX(o.served_at) FROM projects o WHERE o.owner_id = p.owner_id), p.served_at LIMIT 1"""
    )
    if project_id is None:
        return None
    due = db.column(
        """SELECT page_id FROM project_files WHERE project_id = %s AND search_due_at <= NOW()
           ORDER BY search_due_at LIMIT %s""",
        (project_id, limit * 4),
    )
    # Few rows locked, in key order: two workers that see the same candidates queue up instead of deadlocking.
    page_ids = db.column(
        f"""SELECT page_id FROM files WHERE page_id IN ({marks(due)}) AND state = 'waiting' AND search_due_at <= NOW()
              AND (lease_token IS NULL OR leased_at < NOW() - {EXPIRY})
            ORDER BY page_id LIMIT %s {db.for_update}""",
        (*due, limit),
    )
    db.execute("UPDATE projects SET served_at = NOW() WHERE id = %s", (project_id,))
    if not page_ids:
        _mend_due(db, project_id, due)
        return None
    token = secrets.token_bytes(16)
    db.execute(
        f"UPDATE files SET lease_token = %s, lease_worker = %s, leased_at = NOW() WHERE page_id IN ({marks(page_ids)})",
        (token, worker, *page_ids),
    )
    db.execute(
        f"UPDATE project_files SET search_due_at = NOW() + {EXPIRY} WHERE page_id IN ({marks(page_ids)}) "
        "AND search_due_at IS NOT NULL",
        page_ids,
    )
    return SearchLease(token, int(project_id), tuple(page_ids))


def _mend_due(db: Connection, project_id: int, page_ids: Sequence[int]) -> None:
    """Copy the due times of files again, so that a copy that was wrong can never hold up a project."""
    db.execute(
        f"""UPDATE project_files pf JOIN files f ON f.page_id = pf.page_id
            SET pf.search_due_at = IF(f.state <> 'waiting', NULL,
              IF(f.lease_token IS NULL OR f.leased_at < NOW() - {EXPIRY}, f.search_due_at, f.leased_at + {EXPIRY}))
            WHERE pf.project_id = %s AND pf.page_id IN ({marks(page_ids)})""",
        (project_id, *page_ids),
    )


def search_is_due(db: Connection) -> bool:
    """Whether any file of an active project waits to be claimed now."""
    return bool(
        db.value(
            """SELECT 1 FROM projects p WHERE p.status = 'active'
                 AND EXISTS (SELECT 1 FROM project_files pf WHERE pf.project_id = p.id AND pf.search_due_at <= NOW()) LIMIT 1"""
        )
    )


def search_is_over(db: Connection, project_id: int) -> bool:
    """Whether no file of the project waits to be searched, now or later."""
    return not db.value(
        "SELECT 1 FROM project_files WHERE project_id = %s AND search_due_at IS NOT NULL LIMIT 1", (project_id,)
    )


def held(db: Connection) -> dict[str, int]:
    """How many files each worker has claimed for detection."""
    rows = db.rows(
        "SELECT lease_worker, COUNT(*) AS held FROM files WHERE lease_worker IS NOT NULL GROUP BY lease_worker"
    )
    return {row["lease_worker"]: int(row["held"]) for row in rows}


def renew_search(db: Connection, lease: SearchLease) -> int:
    """Renew what is still ours of a lease; returns how many files that is."""
    return db.execute(
        f"UPDATE files SET leased_at = NOW() WHERE page_id IN ({marks(lease.page_ids)}) AND lease_token = %s",
        (*lease.page_ids, lease.token),
    )


def hold_file(db: Connection, lease: SearchLease, page_id: int) -> None:
    """Lock one file of the lease until the transaction ends. Raises LeaseLost when it is no longer ours."""
    held = db.value("SELECT 1 FROM files WHERE page_id = %s AND lease_token = %s FOR UPDATE", (page_id, lease.token))
    if not held:
        raise LeaseLost(f"file {page_id}")


def give_back_search(db: Connection, lease: SearchLease) -> None:
    """Return what is still ours and not searched: it is due at once."""
    ours = db.column(
        f"SELECT page_id FROM files WHERE page_id IN ({marks(lease.page_ids)}) AND lease_token = %s",
        (*lease.page_ids, lease.token),
    )
    if ours:
        db.execute(
            f"UPDATE files SET lease_token = NULL, lease_worker = NULL, leased_at = NULL WHERE page_id IN ({marks(ours)})",
            ours,
        )
        db.execute(
            f"UPDATE project_files SET search_due_at = NOW() WHERE page_id IN ({marks(ours)}) AND search_due_at IS NOT NULL",
            ours,
        )


def describe(db: Connection, lease: SearchLease, seen: Seen) -> None:
    """Store what the wiki says of a leased file. Raises LeaseLost."""
    hold_file(db, lease, seen.page_id)
    db.execute(
        """UPDATE files SET title = %s, sha1 = %s, size_bytes = %s, width = %s, height = %s, uploaded_at = %s,
             thumb_url = %s, description = %s, taken_on = %s WHERE page_id = %s""",
        (
            seen.title,
            seen.sha1,
            seen.size_bytes,
            seen.width,
            seen.height,
            seen.uploaded_at,
            seen.thumb_url,
            seen.description,
            (seen.taken_on or "")[:64] or None,
            seen.page_id,
        ),
    )


def searched(
    db: Connection, lease: SearchLease, page_id: int, *, width: int, height: int, detector: str, faces: int
) -> None:
    """Settle a file whose faces were stored in this transaction. Raises LeaseLost."""
    hold_file(db, lease, page_id)
    db.execute(
        """UPDATE files SET state = 'searched', error = NULL, error_detail = NULL, attempts = 0, search_due_at = NULL,
             searched_at = NOW(), searched_sha1 = sha1, searched_width = %s, searched_height = %s, detector = %s,
             face_count = %s, lease_token = NULL, lease_worker = NULL, leased_at = NULL WHERE page_id = %s""",
        (width, height, detector, faces, page_id),
    )
    db.execute("UPDATE project_files SET search_due_at = NULL WHERE page_id = %s", (page_id,))


def failed(
    db: Connection,
    lease: SearchLease,
    page_id: int,
    *,
    error: str,
    detail: str,
    again_in: float | None,
    gone: bool = False,
) -> None:
    """Settle a file that could not be searched; tried again in `again_in` seconds, never where None. Raises LeaseLost."""
    hold_file(db, lease, page_id)
    state = "gone" if gone else "error" if again_in is None else "waiting"
    db.execute(
        """UPDATE files SET state = %s, error = %s, error_detail = %s, attempts = attempts + 1,
             search_due_at = NOW() + INTERVAL %s SECOND, lease_token = NULL, lease_worker = NULL, leased_at = NULL
           WHERE page_id = %s""",
        (state, error[:64], detail[:255], again_in, page_id),
    )
    db.execute(
        "UPDATE project_files SET search_due_at = NOW() + INTERVAL %s SECOND WHERE page_id = %s", (again_in, page_id)
    )


def attempts(db: Connection, page_id: int) -> int:
    """How often the file failed since it was last searched."""
    return int(db.value("SELECT attempts FROM files WHERE page_id = %s", (page_id,)) or 0)


def get(db: Connection, page_ids: Sequence[int]) -> dict[int, File]:
    """Files by page id."""
    rows = db.rows(f"SELECT {_COLUMNS} FROM files WHERE page_id IN ({marks(page_ids)})", page_ids)
    return {row["page_id"]: File(**row) for row in rows}


def projects_of(db: Connection, page_ids: Sequence[int]) -> list[int]:
    """The projects (not deleted) that look at any of the files."""
    return db.column(
        f"""SELECT DISTINCT pf.project_id FROM project_files pf JOIN projects p ON p.id = pf.project_id
            WHERE pf.page_id IN ({marks(page_ids)}) AND p.status <> 'deleted'""",
        page_ids,
    )


def of_project(db: Connection, project_id: int, after: int, limit: int) -> list[int]:
    """The next page ids of a project above `after`, in order."""
    return db.column(
        "SELECT page_id FROM project_files WHERE project_id = %s AND page_id > %s ORDER BY page_id LIMIT %s",
        (project_id, after, limit),
    )


def count(db: Connection, project_id: int) -> int:
    """How many files a project looks at."""
    return int(db.value("SELECT COUNT(*) FROM project_files WHERE project_id = %s", (project_id,)))


def from_source(db: Connection, project_id: int) -> set[int]:
    """The page ids that came from the project's category or list and were in it when it was last looked at."""
    return set(
        db.column(
            "SELECT page_id FROM project_files WHERE project_id = %s AND origin = 'source' AND in_source", (project_id,)
        )
    )


def stated(db: Connection, project_id: int, page_ids: Sequence[int]) -> set[int]:
    """Those of the files in which Commons states the person, as far as known."""
    return set(
        db.column(
            f"SELECT page_id FROM project_files WHERE project_id = %s AND stated AND page_id IN ({marks(page_ids)})",
            (project_id, *page_ids),
        )
    )


def mark_stated(db: Connection, project_id: int, stated: Sequence[tuple[int, str | None]]) -> None:
    """Note that Commons states the person in these files (page id, statement GUID where known)."""
    db.many(
        """UPDATE project_files SET stated = 1, stated_id = COALESCE(%s, stated_id), stated_at = NOW()
           WHERE project_id = %s AND page_id = %s""",
        [(statement, project_id, page_id) for page_id, statement in stated],
    )


def mark_unstated(db: Connection, project_id: int, page_ids: Sequence[int]) -> None:
    """Note that Commons does not state the person in these files."""
    db.execute(
        f"""UPDATE project_files SET stated = 0, stated_id = NULL, stated_at = NOW()
            WHERE project_id = %s AND page_id IN ({marks(page_ids)})""",
        (project_id, *page_ids),
    )


def left_source(db: Connection, project_id: int, page_ids: Sequence[int]) -> None:
    """Note files that are no longer in the category."""
    db.execute(
        f"UPDATE project_files SET in_source = 0 WHERE project_id = %s AND origin = 'source' AND page_id IN ({marks(page_ids)})",
        (project_id, *page_ids),
    )
