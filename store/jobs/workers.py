"""Workers and their heartbeats."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from database import Connection

# Before what a worker reports in `doing` instead of its activity when lanes of it make no progress.
_STUCK = "stuck: "

DEAD_AFTER_SECONDS = 60  # without a heartbeat; then the other workers release its claims


@dataclass(frozen=True)
class Worker:
    """A worker as last seen; `age` is the seconds since its last heartbeat, by the database's clock.

    `networks` maps the name of each required network to why it is missing, or to an empty text when it is ready; None while
    that is not known.
    """

    id: str
    host: str
    pid: int
    started_at: datetime
    heartbeat_at: datetime
    doing: str
    networks: Mapping[str, str] | None
    age: int

    @property
    def stuck(self) -> str:
        """Which lanes of the worker make no progress, as it says itself; empty if all do."""
        return self.doing.removeprefix(_STUCK) if self.doing.startswith(_STUCK) else ""


def add(db: Connection, worker: str, host: str, pid: int, networks: Mapping[str, str] | None = None) -> None:
    """Insert a worker, or replace an earlier one with this id."""
    db.execute(
        """INSERT INTO workers (id, host, pid, started_at, heartbeat_at, networks_json) VALUES (%s, %s, %s, NOW(), NOW(), %s)
           ON DUPLICATE KEY UPDATE host = VALUES(host), pid = VALUES(pid), started_at = NOW(), heartbeat_at = NOW(),
             doing = '', networks_json = VALUES(networks_json)""",
        (worker, host, pid, None if networks is None else json.dumps(dict(networks))),
    )


def set_networks(db: Connection, worker: str, networks: Mapping[str, str]) -> None:
    """Store which networks of a worker are ready."""
    db.execute("UPDATE workers SET networks_json = %s WHERE id = %s", (json.dumps(dict(networks)), worker))


def beat(db: Connection, worker: str, doing: str, stuck: str = "") -> bool:
    """Store a heartbeat and what the worker is doing; return False if it is not (or no longer) registered.

    `stuck`: which lanes make no progress, if there are any; it is stored instead.
    """
    if stuck:
        doing = _STUCK + stuck
    return bool(db.execute("UPDATE workers SET heartbeat_at = NOW(), doing = %s WHERE id = %s", (doing[:255], worker)))


def remove(db: Connection, worker: str) -> None:
    """Delete a worker that shuts down normally."""
    db.execute("DELETE FROM workers WHERE id = %s", (worker,))


def dead(db: Connection) -> list[str]:
    """Return the ids of workers whose last heartbeat is older than DEAD_AFTER_SECONDS."""
    return db.column("SELECT id FROM workers WHERE heartbeat_at < NOW() - INTERVAL %s SECOND", (DEAD_AFTER_SECONDS,))


def count_alive(db: Connection) -> int:
    """Return how many workers sent a heartbeat in the last DEAD_AFTER_SECONDS."""
    return int(
        db.value("SELECT COUNT(*) FROM workers WHERE heartbeat_at > NOW() - INTERVAL %s SECOND", (DEAD_AFTER_SECONDS,))
    )


def forget_silent(db: Connection) -> None:
    """Delete workers that have been silent for a day."""
    db.execute("DELETE FROM workers WHERE heartbeat_at < NOW() - INTERVAL 1 DAY")


def all_seen(db: Connection) -> list[Worker]:
    """Return the workers of the last day, the latest heartbeat first."""
    rows = db.rows(
        """SELECT id, host, pid, started_at, heartbeat_at, doing, networks_json,
             TIMESTAMPDIFF(SECOND, heartbeat_at, NOW()) AS age
           FROM workers ORDER BY heartbeat_at DESC"""
    )
    return [Worker(networks=json.loads(row.pop("networks_json") or "null"), **row) for row in rows]
