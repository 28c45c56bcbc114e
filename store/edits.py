"""The ledger: each edit on the wiki has its row before the request goes out, and the row says what became of it.

States and transitions stand in schema.sql. A row with action `add` holds the statement id of our own making before anything
is sent, so that the replay of a lost answer cannot write twice; a deliberate new attempt gets a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from database import Connection, Duplicate, marks
from store import tasks
from store.errors import LeaseLost
from store.tasks import EXPIRY, Task

Action = Literal["add", "remove", "qualify"]
State = Literal["queued", "sending", "done", "already", "failed", "skipped", "cancelled", "undone", "reverted"]
Settled = Literal["done", "already", "failed", "skipped", "reverted"]


@dataclass(frozen=True)
class Edit:
    """A row of the ledger."""

    id: int
    batch_id: int
    project_id: int
    user_id: int
    page_id: int
    title: str
    item: str
    action: Action
    face_id: int | None
    probability: float | None
    approved_by: int | None
    approved_sha1: str | None
    statement_id: str | None
    qualifier: str | None
    prominent: bool
    forced: bool
    undoes: int | None
    state: State
    base_revision: int | None
    revision_id: int | None
    attempts: int
    error: str | None
    error_detail: str | None
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None


_COLUMNS = """e.id, e.batch_id, e.project_id, e.user_id, e.page_id, e.title, e.item, e.action, e.face_id, e.probability,
  e.approved_by, e.approved_sha1, e.statement_id, e.qualifier, e.prominent, e.forced, e.undoes, e.state, e.base_revision,
  e.revision_id, e.attempts, e.error, e.error_detail, e.created_at, e.sent_at, e.finished_at"""


def select(db: Connection, where: str, args: Sequence[object]) -> list[Edit]:
    """Rows of the ledger, called `e` in the condition; for the modules of the store."""
    rows = db.rows(f"SELECT {_COLUMNS} FROM edits e WHERE {where}", args)
    return [Edit(**{**row, "prominent": bool(row["prominent"]), "forced": bool(row["forced"])}) for row in rows]


def next_open(db: Connection, user_id: int, limit: int) -> list[Edit]:
    """The user's edits to work on now: those that may be out first, then what is queued in running batches."""
    unclear = select(db, "e.user_id = %s AND e.state = 'sending' ORDER BY e.id LIMIT %s", (user_id, limit))
    queued = select(
        db,
        """e.user_id = %s AND e.state = 'queued' AND e.due_at <= NOW()
           AND EXISTS (SELECT 1 FROM batches b WHERE b.id = e.batch_id AND b.state = 'running')
           ORDER BY e.batch_id, e.id LIMIT %s""",
        (user_id, limit - len(unclear)),
    )
    return unclear + queued


def due_in(db: Connection, user_id: int) -> float | None:
    """Seconds until the user's next queued edit is due; None where none waits in a running batch."""
    seconds = db.value(
        """SELECT MIN(TIMESTAMPDIFF(MICROSECOND, NOW(3), e.due_at)) / 1e6 AS seconds FROM edits e
           WHERE e.user_id = %s AND e.state = 'queued'
             AND EXISTS (SELECT 1 FROM batches b WHERE b.id = e.batch_id AND b.state = 'running')""",
        (user_id,),
    )
    return None if seconds is None else max(0.0, float(seconds))


def still_wanted(db: Connection, edit: Edit) -> str:
    """'yes', or why an edit must not be sent now: stopped, paused, cancelled, not_approved, overwritten."""
    row = db.row(
        """SELECT e.state, b.state AS batch_state, a.suspended, a.sha1 FROM edits e JOIN batches b ON b.id = e.batch_id
           LEFT JOIN approvals a ON a.project_id = e.project_id AND a.page_id = e.page_id WHERE e.id = %s""",
        (edit.id,),
    )
    if row is None or row["state"] in {"cancelled"}:
        return "cancelled"
    if row["batch_state"] != "running":
        return str(row["batch_state"])
    if edit.action == "add":
        if row["suspended"] is None:
            return "not_approved"
        if row["suspended"] or row["sha1"] != edit.approved_sha1:
            return "overwritten"
    return "yes"


def begin(db: Connection, task: Task, edit: Edit, worker: str) -> bool:
    """Take the file's lock and write down what is about to be sent (statement id and base revision of `edit`).

    False where another edit of the file is out. Committed before the request goes out. Raises LeaseLost when the claim,
    or the row, is somebody else's.
    """
    tasks.hold(db, task)
    if not _lock_file(db, task, edit, worker):
        return False
    begun = db.execute(
        """UPDATE edits SET state = 'sending', statement_id = %s, base_revision = %s, attempts = attempts + 1, sent_at = NOW(),
             error = NULL, error_detail = NULL WHERE id = %s AND state IN ('queued', 'sending')""",
        (edit.statement_id, edit.base_revision, edit.id),
    )
    if not begun:
        raise LeaseLost(f"edit {edit.id}")
    return True


def _lock_file(db: Connection, task: Task, edit: Edit, worker: str) -> bool:
    db.execute(
        f"DELETE FROM file_locks WHERE page_id = %s AND (lease_token = %s OR leased_at < NOW() - {EXPIRY})",
        (edit.page_id, task.token),
    )
    try:
        db.insert(
            "INSERT INTO file_locks (page_id, edit_id, lease_token, lease_worker, leased_at) VALUES (%s, %s, %s, %s, NOW())",
            (edit.page_id, edit.id, task.token, worker),
        )
    except Duplicate:
        return False
    return True


def settle(
    db: Connection,
    task: Task,
    edit: Edit,
    state: Settled,
    *,
    revision: int | None = None,
    statement_id: str | None = None,
    error: str | None = None,
    detail: str = "",
) -> None:
    """Write down what became of an edit and let go of its file. Raises LeaseLost."""
    tasks.hold(db, task)
    db.execute(
        """UPDATE edits SET state = %s, revision_id = %s, statement_id = COALESCE(%s, statement_id), error = %s,
             error_detail = %s, finished_at = NOW() WHERE id = %s AND state IN ('queued', 'sending')""",
        (state, revision, statement_id, error, detail[:255] or None, edit.id),
    )
    db.execute("DELETE FROM file_locks WHERE page_id = %s AND lease_token = %s", (edit.page_id, task.token))
    if state in {"done", "already"}:
        _after_success(db, edit, statement_id or edit.statement_id, counted=state == "done")


def _after_success(db: Connection, edit: Edit, statement_id: str | None, *, counted: bool) -> None:
    stated = edit.action != "remove"
    db.execute(
        """UPDATE project_files SET stated = %s, stated_id = %s, stated_at = NOW() WHERE page_id = %s
           AND EXISTS (SELECT 1 FROM projects p WHERE p.id = project_files.project_id AND p.item = %s)""",
        (stated, statement_id if stated else None, edit.page_id, edit.item),
    )
    if edit.undoes is not None:
        db.execute("UPDATE edits SET state = 'undone' WHERE id = %s AND state = 'done'", (edit.undoes,))
    if counted and edit.action == "add":
        db.execute(
            """INSERT INTO user_stats (user_id, statements) VALUES (%s, 1)
               ON DUPLICATE KEY UPDATE statements = statements + 1""",
            (edit.user_id,),
        )


def put_back(
    db: Connection, task: Task, edit: Edit, seconds: float, *, error: str | None = None, detail: str = ""
) -> None:
    """Queue an edit again that is known not to be written; due in `seconds`. Raises LeaseLost."""
    tasks.hold(db, task)
    db.execute(
        """UPDATE edits SET state = 'queued', due_at = NOW() + INTERVAL %s SECOND, error = %s, error_detail = %s
           WHERE id = %s AND state IN ('queued', 'sending')""",
        (seconds, error, detail[:255] or None, edit.id),
    )
    db.execute("DELETE FROM file_locks WHERE page_id = %s AND lease_token = %s", (edit.page_id, task.token))


def cancel(db: Connection, task: Task, edit: Edit, reason: str) -> None:
    """Settle an edit that nobody wants any more and that is known not to be written. Raises LeaseLost."""
    tasks.hold(db, task)
    db.execute(
        """UPDATE edits SET state = 'cancelled', error = %s, finished_at = NOW()
           WHERE id = %s AND state IN ('queued', 'sending')""",
        (reason, edit.id),
    )
    db.execute("DELETE FROM file_locks WHERE page_id = %s AND lease_token = %s", (edit.page_id, task.token))


def retry_failed(db: Connection, batch_id: int) -> int:
    """Queue a batch's failed edits again, each with a new statement id; returns how many."""
    count = db.execute(
        """UPDATE edits SET state = 'queued', statement_id = IF(action = 'add', NULL, statement_id), due_at = NOW(),
             attempts = 0, error = NULL, error_detail = NULL, finished_at = NULL WHERE batch_id = %s AND state = 'failed'""",
        (batch_id,),
    )
    if count:
        user_id = db.value("SELECT user_id FROM batches WHERE id = %s", (batch_id,))
        db.execute(
            """UPDATE batches SET state = 'running', pause_reason = NULL, finished_at = NULL
               WHERE id = %s AND state IN ('done', 'stopped', 'paused')""",
            (batch_id,),
        )
        tasks.want(db, "publish", user_id)
    return count


def of_batch(db: Connection, batch_id: int, states: Sequence[str], limit: int, offset: int = 0) -> list[Edit]:
    """A batch's edits in one of the states, newest first."""
    return select(
        db,
        f"e.batch_id = %s AND e.state IN ({marks(states)}) ORDER BY e.finished_at DESC, e.id DESC LIMIT %s OFFSET %s",
        (batch_id, *states, limit, offset),
    )


def standing(db: Connection, project_id: int, limit: int, after_id: int = 0) -> list[Edit]:
    """Statements of ours that stand as far as we know, by id; for looking whether somebody reverted them."""
    return select(
        db,
        "e.project_id = %s AND e.action = 'add' AND e.state = 'done' AND e.id > %s ORDER BY e.id LIMIT %s",
        (project_id, after_id, limit),
    )


def reverted(db: Connection, edit_ids: Sequence[int]) -> None:
    """Note that somebody took our statements back on the wiki: not sent again unless a human asks."""
    db.execute(f"UPDATE edits SET state = 'reverted' WHERE id IN ({marks(edit_ids)}) AND state = 'done'", edit_ids)


def standing_of_batch(db: Connection, batch_id: int) -> list[int]:
    """The ids of a batch's additions that were written and stand as far as we know: those that can be undone."""
    return db.column(
        "SELECT id FROM edits WHERE batch_id = %s AND action = 'add' AND state = 'done' ORDER BY id", (batch_id,)
    )
