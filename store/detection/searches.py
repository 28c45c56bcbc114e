"""Detection leases: files claimed in batches, and what becomes of each.

`project_files.search_due_at` repeats the file's due time while it waits (files.copy_to_projects), so that a claim reads only
what waits, in the order of an index, however many files there are.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from database import Connection, marks
from store.detection import files, search_turns
from store.detection.files import FileMetadata
from store.errors import LeaseLost
from store.jobs.tasks import EXPIRY
from store.jobs.workers import DEAD_AFTER

LEAST_PORTION = 4


@dataclass(frozen=True)
class SearchLease:
    """Files claimed for detection, on behalf of one project's turn."""

    token: bytes
    project_id: int
    page_ids: tuple[int, ...]


def claim(db: Connection, worker: str, limit: int) -> SearchLease | None:
    """Claim up to `limit` waiting files of the project whose turn it is, or None.

    Turns go round-robin over owners, then over an owner's projects, so that 50 files are not behind 9,000.
    """
    project_id = search_turns.choose(db)
    if project_id is None:
        return None
    due = db.column(
        """SELECT page_id FROM project_files WHERE project_id = %s AND search_due_at <= NOW()
           ORDER BY search_due_at LIMIT %s""",
        (project_id, limit * 4),
    )
    limit = _portion(db, project_id, limit)
    # Few rows locked, in key order: two workers that see the same candidates queue up instead of deadlocking.
    page_ids = db.column(
        f"""SELECT page_id FROM files FORCE INDEX (PRIMARY) WHERE page_id IN ({marks(due)}) AND state = 'waiting'
              AND search_due_at <= NOW()
              AND (lease_token IS NULL OR leased_at < NOW() - {EXPIRY})
            ORDER BY page_id LIMIT %s {db.for_update}""",
        (*due, limit),
    )
    if not page_ids:
        _mend_due(db, due)
        if not due:
            search_turns.put_off(db, project_id)
        else:
            search_turns.served(db, project_id)
        return None
    token = secrets.token_bytes(16)
    db.execute(
        f"UPDATE files FORCE INDEX (PRIMARY) SET lease_token = %s, lease_worker = %s, leased_at = NOW() "
        f"WHERE page_id IN ({marks(page_ids)})",
        (token, worker, *page_ids),
    )
    files.copy_to_projects(db, page_ids)
    search_turns.served(db, project_id)
    return SearchLease(token, project_id, tuple(page_ids))


def _portion(db: Connection, project_id: int, limit: int) -> int:
    """How many to take where few are left: half of this worker's share, so that all workers end at the same time."""
    alive = int(db.value(f"SELECT COUNT(*) FROM workers WHERE heartbeat_at > NOW() - {DEAD_AFTER}") or 1)
    if alive < 2:
        return limit
    left = db.value(
        """SELECT COUNT(*) FROM (SELECT 1 FROM project_files WHERE project_id = %s AND search_due_at <= NOW() LIMIT %s) w""",
        (project_id, limit * 2 * alive),
    )
    return min(limit, max(LEAST_PORTION, -(-int(left) // (2 * alive))))


def _mend_due(db: Connection, page_ids: Sequence[int]) -> None:
    """Copy the due times of files again, so that a copy that was wrong can never hold up a project."""
    still = db.column(
        "SELECT page_id FROM files FORCE INDEX (PRIMARY) "
        f"WHERE page_id IN ({marks(page_ids)}) ORDER BY page_id {db.for_update}",
        page_ids,
    )
    files.copy_to_projects(db, still)


def any_due(db: Connection) -> bool:
    """Whether any file of an active project may wait to be claimed now."""
    return search_turns.anybody(db)


def over(db: Connection, project_id: int) -> bool:
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


def renew(db: Connection, lease: SearchLease) -> int:
    """Renew what is still ours of a lease; returns how many files that is."""
    return db.execute(
        f"UPDATE files SET leased_at = NOW() WHERE page_id IN ({marks(lease.page_ids)}) AND lease_token = %s",
        (*lease.page_ids, lease.token),
    )


def give_back(db: Connection, lease: SearchLease) -> None:
    """Return what is still ours and not searched: it is due at once."""
    ours = db.column(
        f"SELECT page_id FROM files WHERE page_id IN ({marks(lease.page_ids)}) AND lease_token = %s",
        (*lease.page_ids, lease.token),
    )
    if ours:
        db.execute(
            "UPDATE files FORCE INDEX (PRIMARY) SET lease_token = NULL, lease_worker = NULL, leased_at = NULL "
            f"WHERE page_id IN ({marks(ours)})",
            ours,
        )
        files.copy_to_projects(db, ours)
        search_turns.wait_for(db, ours)


def describe(db: Connection, lease: SearchLease, seen: FileMetadata) -> None:
    """Store what the wiki says of a leased file, which stays locked until the transaction ends. Raises LeaseLost."""
    ours = db.execute(
        """UPDATE files SET title = %s, sha1 = %s, size_bytes = %s, width = %s, height = %s, uploaded_at = %s,
             thumb_url = %s, description = %s, taken_on = %s WHERE page_id = %s AND lease_token = %s""",
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
            lease.token,
        ),
    )
    _still_ours(ours, seen.page_id)
    # Before its faces, as everybody does (files.lock).
    db.rows("SELECT 1 FROM project_files FORCE INDEX (by_page) WHERE page_id = %s FOR UPDATE", (seen.page_id,))


def _still_ours(changed: int, page_id: int) -> None:
    if not changed:
        raise LeaseLost(f"file {page_id}")


def searched(
    db: Connection, lease: SearchLease, page_id: int, *, width: int, height: int, detector: str, faces: int
) -> None:
    """Settle a file whose faces were stored in this transaction. Raises LeaseLost."""
    ours = db.execute(
        """UPDATE files SET state = 'searched', error = NULL, error_detail = NULL, attempts = 0, search_due_at = NULL,
             searched_at = NOW(), searched_sha1 = sha1, searched_width = %s, searched_height = %s, detector = %s,
             face_count = %s, lease_token = NULL, lease_worker = NULL, leased_at = NULL
           WHERE page_id = %s AND lease_token = %s""",
        (width, height, detector, faces, page_id, lease.token),
    )
    _still_ours(ours, page_id)
    files.copy_to_projects(db, [page_id])


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
    state = "gone" if gone else "error" if again_in is None else "waiting"
    ours = db.execute(
        """UPDATE files SET state = %s, error = %s, error_detail = %s, attempts = attempts + 1,
             search_due_at = NOW() + INTERVAL %s SECOND, lease_token = NULL, lease_worker = NULL, leased_at = NULL
           WHERE page_id = %s AND lease_token = %s""",
        (state, error[:64], detail[:255], again_in, page_id, lease.token),
    )
    _still_ours(ours, page_id)
    files.copy_to_projects(db, [page_id])
    search_turns.wait_for(db, [page_id])


def attempts(db: Connection, page_id: int) -> int:
    """How often the file failed since it was last searched."""
    return int(db.value("SELECT attempts FROM files WHERE page_id = %s", (page_id,)) or 0)
