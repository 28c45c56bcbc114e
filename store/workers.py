"""Workers: their heartbeats, and freeing what a dead one had claimed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from database import Connection, marks
from store import files, turns

DEAD_AFTER = "INTERVAL 60 SECOND"
_FREE = "lease_token = NULL, lease_worker = NULL, leased_at = NULL"


@dataclass(frozen=True)
class Worker:
    """A worker as last seen; `age` is the seconds since its last heartbeat, by the database's clock.

    `networks`: by the name of each that it wants, why it is missing, or nothing where it is ready; None while that is not known.
    """

    id: str
    host: str
    pid: int
    started_at: datetime
    heartbeat_at: datetime
    doing: str
    networks: Mapping[str, str] | None
    age: int


def start(db: Connection, worker: str, host: str, pid: int, networks: Mapping[str, str] | None = None) -> None:
    """Register a worker; whatever an earlier one with this id had claimed is free again."""
    release(db, [worker])
    db.execute(
        """INSERT INTO workers (id, host, pid, started_at, heartbeat_at, networks_json) VALUES (%s, %s, %s, NOW(), NOW(), %s)
           ON DUPLICATE KEY UPDATE host = VALUES(host), pid = VALUES(pid), started_at = NOW(), heartbeat_at = NOW(),
             doing = '', networks_json = VALUES(networks_json)""",
        (worker, host, pid, None if networks is None else json.dumps(dict(networks))),
    )


def set_networks(db: Connection, worker: str, networks: Mapping[str, str]) -> None:
    """Say which networks a worker has."""
    db.execute("UPDATE workers SET networks_json = %s WHERE id = %s", (json.dumps(dict(networks)), worker))


def beat(db: Connection, worker: str, doing: str) -> bool:
    """Say that a worker lives, and what it does; False where it is not (or no longer) registered."""
    return bool(db.execute("UPDATE workers SET heartbeat_at = NOW(), doing = %s WHERE id = %s", (doing[:255], worker)))


def stop(db: Connection, worker: str) -> None:
    """Unregister a worker that ends in order; its claims are free."""
    release(db, [worker])
    db.execute("DELETE FROM workers WHERE id = %s", (worker,))


def bury(db: Connection) -> list[str]:
    """Free the claims of workers whose last heartbeat is 60 s old, forget those silent for a day; returns the dead."""
    dead = db.column(f"SELECT id FROM workers WHERE heartbeat_at < NOW() - {DEAD_AFTER}")
    release(db, dead)
    db.execute("DELETE FROM workers WHERE heartbeat_at < NOW() - INTERVAL 1 DAY")
    return dead


def release(db: Connection, workers: list[str]) -> None:
    """Free every claim of these workers."""
    for worker in workers:
        _free_files(db, worker)
        # Through the few drawn faces that wait: there is no index for all the others.
        drawn = db.column(
            "SELECT id FROM faces WHERE project_id IS NOT NULL AND state = 'waiting' AND lease_worker = %s", (worker,)
        )
        db.execute(f"UPDATE faces SET {_FREE} WHERE id IN ({marks(drawn)}) AND lease_worker = %s", (*drawn, worker))
        db.execute(f"UPDATE tasks SET {_FREE} WHERE lease_worker = %s", (worker,))
        db.execute("DELETE FROM file_locks WHERE lease_worker = %s", (worker,))


def _free_files(db: Connection, worker: str) -> None:
    """By the primary key, in the order in which everybody locks (files.lock)."""
    claimed = db.column("SELECT page_id FROM files WHERE lease_worker = %s", (worker,))
    ours = db.column(
        f"""SELECT page_id FROM files FORCE INDEX (PRIMARY) WHERE page_id IN ({marks(claimed)}) AND lease_worker = %s
            ORDER BY page_id FOR UPDATE""",
        (*claimed, worker),
    )
    if ours:
        db.execute(f"UPDATE files FORCE INDEX (PRIMARY) SET {_FREE} WHERE page_id IN ({marks(ours)})", ours)
        files.copy_to_projects(db, ours)
        turns.wait_for(db, ours)


def all_seen(db: Connection) -> list[Worker]:
    """Every worker heard of in the last day, the last heard first."""
    rows = db.rows(
        """SELECT id, host, pid, started_at, heartbeat_at, doing, networks_json,
             TIMESTAMPDIFF(SECOND, heartbeat_at, NOW()) AS age
           FROM workers ORDER BY heartbeat_at DESC"""
    )
    return [Worker(networks=json.loads(row.pop("networks_json") or "null"), **row) for row in rows]
