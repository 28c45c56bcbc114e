"""Detection leases: files claimed in batches, and the outcome of each search.

`project_files.search_due_at` is a copy of the due time of a waiting file (files.copy_to_projects), so that a claim
reads waiting files only, in the order of an index, however many files there are.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from database import Connection, marks
from store.detection import files, search_turns
from store.detection.files import FileMetadata
from store.errors import LeaseLost
from store.jobs import workers
from store.jobs.tasks import EXPIRY

LEAST_PORTION = 4


@dataclass(frozen=True)
class SearchLease:
    """Files claimed for detection, in the turn of one project."""

    token: bytes
    project_id: int
    page_ids: tuple[int, ...]


def claim(db: Connection, worker: str, limit: int) -> SearchLease | None:
    """Claim up to `limit` waiting files of the project whose turn it is; return None if there are none.

    Turns are round-robin over owners, then over an owner's projects, so that 50 files do not wait behind 9,000.
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
    # Lock few rows, in key order: two workers with the same candidates wait for each other instead of deadlocking.
    page_ids = db.column(
        f"""SELECT page_id FROM files FORCE INDEX (PRIMARY) WHERE page_id IN ({marks(due)}) AND state = 'waiting'
              AND search_due_at <= NOW()
              AND (lease_token IS NULL OR leased_at < NOW() - {EXPIRY})
            ORDER BY page_id LIMIT %s {db.for_update}""",
        (*due, limit),
    )
    if not page_ids:
        _refresh_due_times(db, due)
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
    """Return how many files to claim: near the end, half of this worker's share, so that all workers end together."""
    alive = workers.count_alive(db)
    if alive < 2:
        return limit
    left = db.value(
        """SELECT COUNT(*) FROM (SELECT 1 FROM project_files WHERE project_id = %s AND search_due_at <= NOW() LIMIT %s) w""",
        (project_id, limit * 2 * alive),
    )
    return min(limit, max(LEAST_PORTION, -(-int(left) // (2 * alive))))


def _refresh_due_times(db: Connection, page_ids: Sequence[int]) -> None:
    """Copy the due times of files again, so that a wrong copy can never block a project."""
    still = db.column(
        "SELECT page_id FROM files FORCE INDEX (PRIMARY) "
        f"WHERE page_id IN ({marks(page_ids)}) ORDER BY page_id {db.for_update}",
        page_ids,
    )
    files.copy_to_projects(db, still)


def any_due(db: Connection) -> bool:
    """Return whether a file of an active project may be due now."""
    return search_turns.anybody(db)


def over(db: Connection, project_id: int) -> bool:
    """Return whether no file of the project waits to be searched, now or later."""
    return not db.value(
        "SELECT 1 FROM project_files WHERE project_id = %s AND search_due_at IS NOT NULL LIMIT 1", (project_id,)
    )


def held(db: Connection) -> dict[str, int]:
    """Return how many files each worker has claimed for detection."""
    rows = db.rows(
        "SELECT lease_worker, COUNT(*) AS held FROM files WHERE lease_worker IS NOT NULL GROUP BY lease_worker"
    )
    return {row["lease_worker"]: int(row["held"]) for row in rows}


def renew(db: Connection, lease: SearchLease) -> int:
    """Renew a lease for the files that it still holds; return how many those are."""
    return db.execute(
        f"UPDATE files SET leased_at = NOW() WHERE page_id IN ({marks(lease.page_ids)}) AND lease_token = %s",
        (*lease.page_ids, lease.token),
    )


def give_back(db: Connection, lease: SearchLease) -> None:
    """Release the files that a lease still holds and that were not searched; they are due at once."""
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
    """Store the wiki's metadata of a leased file and lock the file until the transaction ends. Raises LeaseLost."""
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
    _check_lease(ours, seen.page_id)
    # Lock project_files before the faces, as all transactions do (files.lock).
    db.rows("SELECT 1 FROM project_files FORCE INDEX (by_page) WHERE page_id = %s FOR UPDATE", (seen.page_id,))


def _check_lease(changed: int, page_id: int) -> None:
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
    _check_lease(ours, page_id)
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
    """Settle a file that could not be searched; retried in `again_in` seconds, never if None. Raises LeaseLost."""
    state = "gone" if gone else "error" if again_in is None else "waiting"
    ours = db.execute(
        """UPDATE files SET state = %s, error = %s, error_detail = %s, attempts = attempts + 1,
             search_due_at = NOW() + INTERVAL %s SECOND, lease_token = NULL, lease_worker = NULL, leased_at = NULL
           WHERE page_id = %s AND lease_token = %s""",
        (state, error[:64], detail[:255], again_in, page_id, lease.token),
    )
    _check_lease(ours, page_id)
    files.copy_to_projects(db, [page_id])
    search_turns.wait_for(db, [page_id])


def attempts(db: Connection, page_id: int) -> int:
    """Return how often the file failed since it was last searched."""
    return int(db.value("SELECT attempts FROM files WHERE page_id = %s", (page_id,)) or 0)
