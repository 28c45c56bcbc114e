"""Batches of edits that a volunteer sends together, with the reasons for which they are paused or wait."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from database import Connection, marks
from store.errors import NotFound
from store.jobs import tasks

Kind = Literal["send", "undo", "removal", "positions"]
State = Literal["running", "paused", "stopped", "done"]


@dataclass(frozen=True)
class Batch:
    """A batch with the number of its edits in each state."""

    id: int
    project_id: int
    user_id: int
    user_name: str
    hex: str
    kind: Kind
    item: str
    label: str
    state: State
    pause_reason: str | None
    waiting_until: datetime | None
    waiting_seconds: int  # left to wait, by the database's clock; 0 if it does not wait
    waiting_why: str | None
    waiting_lag: float | None
    created_at: datetime
    finished_at: datetime | None
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """The number of edits in the batch, without cancelled ones."""
        return sum(count for state, count in self.counts.items() if state != "cancelled")

    @property
    def open(self) -> int:
        """The number of edits that are not settled yet."""
        return self.counts.get("queued", 0) + self.counts.get("sending", 0)

    @property
    def settled(self) -> int:
        """The number of edits that are settled."""
        return self.total - self.open


def create(db: Connection, project_id: int, user_id: int, kind: Kind, item: str, label: str) -> int:
    """Create an empty running batch with a random hex id (below 2^48, as EditGroups requires); return its id."""
    return db.insert(
        "INSERT INTO batches (project_id, user_id, hex, kind, item, label) VALUES (%s, %s, %s, %s, %s, %s)",
        (project_id, user_id, f"{secrets.randbits(44):011x}", kind, item, label),
    )


def get(db: Connection, batch_id: int, project_id: int) -> Batch:
    """Return a batch of the project. Raises NotFound."""
    found = _select(db, "b.id = %s AND b.project_id = %s", (batch_id, project_id))
    if not found:
        raise NotFound(f"batch {batch_id}")
    return found[0]


def of_project(db: Connection, project_id: int, limit: int = 50, before: int = 2**63) -> list[Batch]:
    """Return the project's batches, newest first; `before`: only those older than this batch id."""
    return _select(db, "b.project_id = %s AND b.id < %s ORDER BY b.id DESC LIMIT %s", (project_id, before, limit))


def running(db: Connection, user_id: int) -> list[Batch]:
    """Return the user's running batches, oldest first."""
    return _select(db, "b.user_id = %s AND b.state = 'running' ORDER BY b.id", (user_id,))


def _select(db: Connection, where: str, args: Sequence[object]) -> list[Batch]:
    rows = db.rows(
        f"""SELECT b.id, b.project_id, b.user_id, COALESCE(u.name, '') AS user_name, b.hex, b.kind, b.item, b.label, b.state,
              b.pause_reason, b.waiting_until, GREATEST(0, COALESCE(TIMESTAMPDIFF(SECOND, NOW(), b.waiting_until), 0))
                AS waiting_seconds, b.waiting_why, b.waiting_lag, b.created_at, b.finished_at
            FROM batches b LEFT JOIN users u ON u.id = b.user_id WHERE {where}""",
        args,
    )
    ids = [row["id"] for row in rows]
    counts: dict[int, dict[str, int]] = {batch_id: {} for batch_id in ids}
    for count in db.rows(
        f"SELECT batch_id, state, COUNT(*) AS edits FROM edits WHERE batch_id IN ({marks(ids)}) GROUP BY batch_id, state",
        ids,
    ):
        counts[count["batch_id"]][count["state"]] = count["edits"]
    return [Batch(**row, counts=counts[row["id"]]) for row in rows]


def pause(db: Connection, batch_id: int, reason: str) -> None:
    """Pause a running batch; `reason` is a key: "human", or the problem that has to be solved first."""
    db.execute(
        "UPDATE batches SET state = 'paused', pause_reason = %s, waiting_until = NULL WHERE id = %s AND state = 'running'",
        (reason, batch_id),
    )


def pause_all(db: Connection, user_id: int, reason: str) -> None:
    """Pause every running batch of a user."""
    db.execute(
        """UPDATE batches SET state = 'paused', pause_reason = %s, waiting_until = NULL
           WHERE user_id = %s AND state = 'running'""",
        (reason, user_id),
    )


def pause_for_sign_in(db: Connection, user_id: int, version: int | None) -> bool:
    """Pause all running batches until the user signs in; return False if the user has already done so.

    `version`: the version of the tokens that were found invalid; a newer one is stored after a sign-in.
    """
    if version is not None:
        now = db.value("SELECT token_version FROM users WHERE id = %s FOR UPDATE", (user_id,))
        if now is not None and now != version:
            return False
    pause_all(db, user_id, "sign_in")
    return True


def pause_reverted(db: Connection, project_id: int) -> None:
    """Pause the project's running batches if at least three, and one in twenty, of its statements were reverted.

    Called only when another revert is noticed, so that a user who knows of the reverts can resume the batches.
    """
    reverted = "SUM(state = 'reverted')"
    many = db.value(
        f"""SELECT {reverted} >= 3 AND {reverted} * 20 >= SUM(state IN ('done', 'reverted')) FROM edits
            WHERE project_id = %s AND action = 'add'""",
        (project_id,),
    )
    if many:
        db.execute(
            """UPDATE batches SET state = 'paused', pause_reason = 'reverted', waiting_until = NULL
               WHERE project_id = %s AND state = 'running' AND kind IN ('send', 'positions')""",
            (project_id,),
        )


def resume(db: Connection, batch_id: int) -> None:
    """Resume a paused batch."""
    user_id = db.value("SELECT user_id FROM batches WHERE id = %s", (batch_id,))
    db.execute(
        "UPDATE batches SET state = 'running', pause_reason = NULL WHERE id = %s AND state = 'paused'", (batch_id,)
    )
    tasks.want(db, "publish", user_id)


def resume_after_sign_in(db: Connection, user_id: int) -> None:
    """Resume the batches paused for a sign-in, and check edits that were in flight when it ended."""
    resumed = db.execute(
        """UPDATE batches SET state = 'running', pause_reason = NULL
           WHERE user_id = %s AND state = 'paused' AND pause_reason = 'sign_in'""",
        (user_id,),
    )
    if resumed or db.value("SELECT 1 FROM edits WHERE user_id = %s AND state = 'sending' LIMIT 1", (user_id,)):
        tasks.want(db, "publish", user_id)


def stop(db: Connection, batch_id: int) -> None:
    """Stop a batch for good: queued edits are cancelled, edits that may have been sent are still settled."""
    db.execute(
        "UPDATE edits SET state = 'cancelled', finished_at = NOW() WHERE batch_id = %s AND state = 'queued'",
        (batch_id,),
    )
    db.execute(
        """UPDATE batches SET state = 'stopped', finished_at = NOW(), waiting_until = NULL
           WHERE id = %s AND state IN ('running', 'paused')""",
        (batch_id,),
    )


def finish_empty(db: Connection, user_id: int) -> None:
    """Mark the user's running batches without open edits as done."""
    db.execute(
        """UPDATE batches SET state = 'done', finished_at = NOW(), waiting_until = NULL WHERE user_id = %s AND state = 'running'
           AND NOT EXISTS (SELECT 1 FROM edits e WHERE e.batch_id = batches.id AND e.state IN ('queued', 'sending'))""",
        (user_id,),
    )


def waiting(
    db: Connection, user_id: int, seconds: float | None, why: str | None = None, lag: float | None = None
) -> None:
    """Record what the user's running batches wait for on the wiki; `seconds` None: they no longer wait."""
    db.execute(
        """UPDATE batches SET waiting_until = NOW() + INTERVAL %s SECOND, waiting_why = %s, waiting_lag = %s
           WHERE user_id = %s AND state = 'running'""",
        (seconds, why, lag, user_id),
    )
