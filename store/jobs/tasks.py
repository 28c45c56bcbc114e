"""Tasks for whole projects or users, and their leases.

A claim writes a random token and the database's time; every later write of that task carries the token (`hold`) and changes
nothing when the token has been replaced. A claim expires when it was not renewed for 15 minutes, when its worker's heartbeat
is 60 s old, or when a worker with the same id starts (store/jobs/workers.py).
"""

import json
import secrets
from dataclasses import dataclass
from typing import Any, Literal, get_args

from database import Connection
from store.errors import LeaseLost
from store.jobs import signals

Kind = Literal["crawl", "bootstrap", "model", "publish", "purge"]
KINDS: tuple[Kind, ...] = get_args(Kind)

EXPIRY = "INTERVAL 15 MINUTE"

# Conditions on the project for each kind of task. The model of a completed project still runs; publishing tasks are per user.
_ELIGIBLE = {
    "crawl": "EXISTS (SELECT 1 FROM projects p WHERE p.id = tasks.subject_id AND p.status = 'active')",
    "bootstrap": "EXISTS (SELECT 1 FROM projects p WHERE p.id = tasks.subject_id AND p.status = 'active')",
    "model": "EXISTS (SELECT 1 FROM projects p WHERE p.id = tasks.subject_id AND p.status IN ('active', 'completed'))",
    "purge": "EXISTS (SELECT 1 FROM projects p WHERE p.id = tasks.subject_id AND p.status = 'deleted')",
    "publish": "TRUE",
}


@dataclass(frozen=True)
class Task:
    """A claimed task; `cursor` is where an interrupted run of it stopped."""

    kind: Kind
    subject_id: int
    wanted: int
    attempts: int
    cursor: dict[str, Any] | None
    token: bytes


def want(db: Connection, kind: Kind, subject_id: int, delay: float = 0.0) -> None:
    """Request a run in `delay` seconds, or when the rest after the last run is over; an earlier due time is kept.

    A request without a delay ignores the rest. A request made during a run causes another run.
    """
    requested_at = "IF(VALUES(hurried), VALUES(due_at), GREATEST(VALUES(due_at), COALESCE(rest_until, VALUES(due_at))))"
    db.execute(
        f"""INSERT INTO tasks (kind, subject_id, due_at, wanted, hurried)
            VALUES (%s, %s, NOW(3) + INTERVAL %s SECOND, 1, %s)
            ON DUPLICATE KEY UPDATE wanted = wanted + 1, due_at = LEAST(COALESCE(due_at, {requested_at}), {requested_at}),
              hurried = hurried OR VALUES(hurried), attempts = 0""",
        (kind, subject_id, delay, delay <= 0),
    )
    signals.wake(db)


def claimable(db: Connection, kind: Kind) -> int:
    """Return how many tasks of a kind `claim` would find now."""
    return int(db.value(f"SELECT COUNT(*) FROM tasks WHERE {_claimable(kind)}", (kind,)))


def _claimable(kind: Kind) -> str:
    """Return the condition of the tasks of a kind that may be claimed now; it takes the kind."""
    return f"""kind = %s AND due_at <= NOW(3) AND (lease_token IS NULL OR leased_at < NOW() - {EXPIRY})
      AND {_ELIGIBLE[kind]}"""


def claim(db: Connection, kind: Kind, worker: str) -> Task | None:
    """Claim the longest due task of a kind; return None if no task is due."""
    found = db.row(
        f"""SELECT subject_id, wanted, attempts, cursor_json FROM tasks WHERE {_claimable(kind)}
            ORDER BY due_at LIMIT 1 {db.for_update}""",
        (kind,),
    )
    if found is None:
        return None
    token = secrets.token_bytes(16)
    db.execute(
        """UPDATE tasks SET lease_token = %s, lease_worker = %s, leased_at = NOW(), hurried = 0
           WHERE kind = %s AND subject_id = %s""",
        (token, worker, kind, found["subject_id"]),
    )
    cursor = json.loads(found["cursor_json"]) if found["cursor_json"] else None
    return Task(kind, found["subject_id"], found["wanted"], found["attempts"], cursor, token)


def due_in(db: Connection, kind: Kind) -> float | None:
    """Return the seconds until the next unclaimed task of a kind is due (0 or less: now), or None without one."""
    found = db.value(
        f"""SELECT TIMESTAMPDIFF(MICROSECOND, NOW(3), due_at) / 1000000 FROM tasks
            WHERE kind = %s AND due_at IS NOT NULL AND lease_token IS NULL AND {_ELIGIBLE[kind]}
            ORDER BY due_at LIMIT 1""",
        (kind,),
    )
    return None if found is None else float(found)


def hold(db: Connection, task: Task) -> None:
    """Renew the claim and lock it until the transaction ends. Raises LeaseLost when another worker holds it."""
    held = db.execute(
        "UPDATE tasks SET leased_at = NOW() WHERE kind = %s AND subject_id = %s AND lease_token = %s",
        (task.kind, task.subject_id, task.token),
    )
    if not held:
        raise LeaseLost(f"{task.kind} of {task.subject_id}")


def keep_cursor(db: Connection, task: Task, cursor: dict[str, Any] | None) -> None:
    """Store the position of the run, from which an interrupted run continues. Raises LeaseLost."""
    hold(db, task)
    db.execute(
        "UPDATE tasks SET cursor_json = %s WHERE kind = %s AND subject_id = %s",
        (None if cursor is None else json.dumps(cursor), task.kind, task.subject_id),
    )


def settle(db: Connection, task: Task, again_in: float | None = None, rest: float = 0.0) -> None:
    """End a successful run; the next is due in `again_in` seconds, or after the rest if it was requested meanwhile.

    `rest`: seconds during which no run begins that was requested with a delay. Raises LeaseLost.
    """
    hold(db, task)
    db.execute(
        """UPDATE tasks SET rest_until = NOW(3) + INTERVAL %s SECOND,
             due_at = IF(wanted = %s, NOW(3) + INTERVAL %s SECOND, IF(hurried, NOW(3), rest_until)), attempts = 0, error = NULL,
             error_detail = NULL, cursor_json = NULL, lease_token = NULL, lease_worker = NULL, leased_at = NULL
           WHERE kind = %s AND subject_id = %s""",
        (rest, task.wanted, again_in, task.kind, task.subject_id),
    )


def put_off(db: Connection, task: Task, seconds: float | None, error: str, detail: str = "") -> None:
    """End a failed run; it is retried in `seconds`, never if None. Raises LeaseLost.

    A request made during the run is kept: one without a delay is due at once, another one with the retry, or, if there
    is none, after the rest.
    """
    hold(db, task)
    db.execute(
        """UPDATE tasks SET due_at = CASE
               WHEN wanted = %(wanted)s THEN NOW(3) + INTERVAL %(seconds)s SECOND
               WHEN hurried THEN NOW(3)
               ELSE COALESCE(NOW(3) + INTERVAL %(seconds)s SECOND, GREATEST(NOW(3), COALESCE(rest_until, NOW(3)))) END,
             attempts = attempts + 1, error = %(error)s, error_detail = %(detail)s,
             lease_token = NULL, lease_worker = NULL, leased_at = NULL
           WHERE kind = %(kind)s AND subject_id = %(subject_id)s""",
        {
            "wanted": task.wanted,
            "seconds": seconds,
            "error": error,
            "detail": detail[:255],
            "kind": task.kind,
            "subject_id": task.subject_id,
        },
    )


def give_back(db: Connection, task: Task) -> None:
    """Release an unfinished run when the worker stops: the task is due at once. Do nothing if the lease is lost."""
    db.execute(
        """UPDATE tasks SET lease_token = NULL, lease_worker = NULL, leased_at = NULL
           WHERE kind = %s AND subject_id = %s AND lease_token = %s""",
        (task.kind, task.subject_id, task.token),
    )


def finish(db: Connection, task: Task) -> None:
    """Delete a task that will never be due again (of a purged project). Raises LeaseLost."""
    hold(db, task)
    db.execute("DELETE FROM tasks WHERE kind = %s AND subject_id = %s", (task.kind, task.subject_id))


@dataclass(frozen=True)
class Held:
    """A claimed task; `seconds` since it was claimed or renewed."""

    kind: Kind
    subject_id: int
    worker: str
    seconds: int


def held(db: Connection) -> list[Held]:
    """Return all claimed tasks, ordered by worker."""
    rows = db.rows(
        """SELECT kind, subject_id, lease_worker AS worker, TIMESTAMPDIFF(SECOND, leased_at, NOW()) AS seconds FROM tasks
           WHERE lease_worker IS NOT NULL ORDER BY lease_worker, kind, subject_id"""
    )
    return [Held(**row) for row in rows]


def drop(db: Connection, subject_id: int) -> None:
    """Delete all tasks of a project except its purge."""
    db.execute("DELETE FROM tasks WHERE subject_id = %s AND kind IN ('crawl', 'bootstrap', 'model')", (subject_id,))


def is_wanted(db: Connection, kind: Kind, subject_id: int) -> bool:
    """Return whether a task of this kind is due, scheduled or running."""
    return bool(
        db.value("SELECT 1 FROM tasks WHERE kind = %s AND subject_id = %s AND due_at IS NOT NULL", (kind, subject_id))
    )
