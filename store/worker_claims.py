"""Registration of workers, and release of what they have claimed: files, drawn faces, tasks and file locks."""

from collections.abc import Mapping

from database import Connection, marks
from store.detection import files, search_turns
from store.jobs import workers

_FREE = "lease_token = NULL, lease_worker = NULL, leased_at = NULL"


def register(db: Connection, worker: str, host: str, pid: int, networks: Mapping[str, str] | None = None) -> None:
    """Register a starting worker, and release the claims of an earlier worker with this id."""
    release(db, [worker])
    workers.add(db, worker, host, pid, networks)


def unregister(db: Connection, worker: str) -> None:
    """Unregister a worker that shuts down normally, and release its claims."""
    release(db, [worker])
    workers.remove(db, worker)


def release_dead_workers(db: Connection) -> list[str]:
    """Release the claims of workers whose last heartbeat is 60 s old; return their ids."""
    dead = workers.dead(db)
    release(db, dead)
    workers.forget_silent(db)
    return dead


def release(db: Connection, workers: list[str]) -> None:
    """Release every claim of these workers."""
    for worker in workers:
        _free_files(db, worker)
        # No index leads from a worker to its drawn faces, but waiting ones are few.
        drawn = db.column(
            "SELECT id FROM faces WHERE project_id IS NOT NULL AND state = 'waiting' AND lease_worker = %s", (worker,)
        )
        db.execute(f"UPDATE faces SET {_FREE} WHERE id IN ({marks(drawn)}) AND lease_worker = %s", (*drawn, worker))
        db.execute(f"UPDATE tasks SET {_FREE} WHERE lease_worker = %s", (worker,))
        db.execute("DELETE FROM file_locks WHERE lease_worker = %s", (worker,))


def _free_files(db: Connection, worker: str) -> None:
    """Release files by primary key, in the lock order of all transactions (files.lock)."""
    claimed = db.column("SELECT page_id FROM files WHERE lease_worker = %s", (worker,))
    ours = db.column(
        f"""SELECT page_id FROM files FORCE INDEX (PRIMARY) WHERE page_id IN ({marks(claimed)}) AND lease_worker = %s
            ORDER BY page_id FOR UPDATE""",
        (*claimed, worker),
    )
    if ours:
        db.execute(f"UPDATE files FORCE INDEX (PRIMARY) SET {_FREE} WHERE page_id IN ({marks(ours)})", ours)
        files.copy_to_projects(db, ours)
        search_turns.wait_for(db, ours)
