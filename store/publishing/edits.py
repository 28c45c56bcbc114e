"""The ledger of edits: each edit has its row before the request is sent, and the row records its outcome.

States and their transitions are defined in schema.sql. A row with action `add` stores a statement id of our own before
anything is sent, so that repeating a request whose response was lost cannot write twice; a deliberate new attempt gets
a new id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from database import Connection, Duplicate, marks
from store.jobs import tasks
from store.jobs.tasks import EXPIRY, Task
from store.labelling import labels

# The age at which an addition is first read again; then ever more rarely (store/publishing/reverts.py).
FIRST_LOOK_SECONDS = 3600

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
    """Return the rows of the ledger for a condition on `e`; only for modules of the store."""
    rows = db.rows(f"SELECT {_COLUMNS} FROM edits e WHERE {where}", args)
    return [Edit(**{**row, "prominent": bool(row["prominent"]), "forced": bool(row["forced"])}) for row in rows]


def next_open(db: Connection, user_id: int, limit: int) -> list[Edit]:
    """Return the user's due edits: first those that may have been sent, then queued ones.

    Queued edits are taken from each running batch in turn.
    """
    unclear = select(
        db, "e.user_id = %s AND e.state = 'sending' AND e.due_at <= NOW() ORDER BY e.id LIMIT %s", (user_id, limit)
    )
    queued = select(
        db,
        """e.user_id = %s AND e.state = 'queued' AND e.due_at <= NOW()
           AND EXISTS (SELECT 1 FROM batches b WHERE b.id = e.batch_id AND b.state = 'running')
           ORDER BY ROW_NUMBER() OVER (PARTITION BY e.batch_id ORDER BY e.id), e.batch_id LIMIT %s""",
        (user_id, limit - len(unclear)),
    )
    return unclear + queued


def due_in(db: Connection, user_id: int) -> float | None:
    """Return the seconds until the user's next edit is due, or None if there is none.

    Counted are edits that may have been sent, and edits queued in a running batch.
    """
    seconds = db.value(
        """SELECT MIN(TIMESTAMPDIFF(MICROSECOND, NOW(3), e.due_at)) / 1e6 AS seconds FROM edits e
           WHERE e.user_id = %s AND (e.state = 'sending' OR (e.state = 'queued'
             AND EXISTS (SELECT 1 FROM batches b WHERE b.id = e.batch_id AND b.state = 'running')))""",
        (user_id,),
    )
    return None if seconds is None else max(0.0, float(seconds))


def sent_lately(db: Connection, user_id: int, seconds: float) -> list[float]:
    """Return how many seconds ago the user's requests of the last `seconds` were sent, oldest first."""
    ages = db.column(
        """SELECT TIMESTAMPDIFF(SECOND, sent_at, NOW()) FROM edits WHERE user_id = %s
             AND sent_at > NOW() - INTERVAL %s SECOND ORDER BY sent_at""",
        (user_id, seconds),
    )
    return [float(age) for age in ages]


def begin(db: Connection, task: Task, edit: Edit, worker: str) -> str:
    """Lock the file and record what is about to be sent (item, statement id, base revision of `edit`); return 'yes'.

    Return the reason if it must not be sent now: busy (another edit of the file is in flight), cancelled, paused,
    stopped, done (the batch), not_approved, overwritten. The caller commits before it sends the request. Raises
    LeaseLost.
    """
    tasks.hold(db, task)
    allowed = _may_send(db, edit)
    if allowed != "yes":
        return allowed
    if not _lock_file(db, task, edit, worker):
        return "busy"
    db.execute(
        """UPDATE edits SET state = 'sending', item = %s, statement_id = %s, base_revision = %s, attempts = attempts + 1,
             sent_at = NOW(), error = NULL, error_detail = NULL WHERE id = %s""",
        (edit.item, edit.statement_id, edit.base_revision, edit.id),
    )
    return "yes"


def lock(db: Connection, task: Task, edit: Edit, worker: str) -> bool:
    """Lock the file of an edit that is already on the wiki; return False if another is in flight. Raises LeaseLost."""
    tasks.hold(db, task)
    return _lock_file(db, task, edit, worker)


def later(db: Connection, task: Task, edit: Edit, seconds: float) -> None:
    """Release the file of an edit that may be on the wiki, and check it again in `seconds`. Raises LeaseLost."""
    tasks.hold(db, task)
    db.execute("UPDATE edits SET due_at = NOW() + INTERVAL %s SECOND WHERE id = %s", (seconds, edit.id))
    _unlock(db, edit)


def _may_send(db: Connection, edit: Edit) -> str:
    """Lock the edit's row; return 'yes', or why the edit must not be sent now."""
    row = db.row(
        f"""SELECT e.state, (SELECT b.state FROM batches b WHERE b.id = e.batch_id) AS batch,
             (SELECT IF(a.suspended, 'suspended', COALESCE(a.sha1, '')) FROM approvals a
              WHERE a.project_id = e.project_id AND a.page_id = e.page_id AND NOT {labels.REFUSED}) AS approval
           FROM edits e WHERE e.id = %s FOR UPDATE""",
        (edit.id,),
    )
    if row is None or row["state"] not in {"queued", "sending"}:
        return "cancelled"
    return _check_approval(edit, row["approval"]) if row["batch"] == "running" else str(row["batch"])


def _check_approval(edit: Edit, approval: str | None) -> str:
    """Return 'yes', or why the file's approval does not allow the edit.

    An addition requires the approval that it was created from, for the same bytes; a removal, that nobody has
    approved the file since. `approval`: the approved sha1, 'suspended', or None, also if an answer contradicts it.
    """
    if edit.action == "qualify" or edit.undoes is not None:
        return "yes"
    if edit.action == "remove":
        return "yes" if approval in {None, "suspended"} else "not_approved"
    if approval is None:
        return "not_approved"
    return "yes" if approval == (edit.approved_sha1 or "") else "overwritten"


def _lock_file(db: Connection, task: Task, edit: Edit, worker: str) -> bool:
    """Insert the lock of the edit's file; return False if another edit holds it.

    A lock left by an earlier attempt of the same edit is replaced: only the holder of the user's claim works on the
    edit.
    """
    db.execute(
        f"DELETE FROM file_locks WHERE page_id = %s AND (edit_id = %s OR leased_at < NOW() - {EXPIRY})",
        (edit.page_id, edit.id),
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
    states: str | None = None,
    error: str | None = None,
    detail: str = "",
) -> None:
    """Record the outcome of an edit and release its file. Raises LeaseLost.

    `statement_id`: the statement that the edit is about; `states`: the one that names the item afterwards, None:
    none does.
    """
    tasks.hold(db, task)
    added = state == "done" and edit.action == "add"
    changed = db.execute(
        """UPDATE edits SET state = %s, revision_id = %s, statement_id = COALESCE(%s, statement_id), error = %s,
             error_detail = %s, finished_at = NOW(), look_at = NOW() + INTERVAL %s SECOND
           WHERE id = %s AND state IN ('queued', 'sending')""",
        (state, revision, statement_id, error, detail[:255] or None, FIRST_LOOK_SECONDS if added else None, edit.id),
    )
    _unlock(db, edit)
    if changed and state in {"done", "already"}:
        _after_success(db, edit, statement_id or edit.statement_id, states, counted=state == "done")


def _unlock(db: Connection, edit: Edit) -> None:
    db.execute("DELETE FROM file_locks WHERE page_id = %s AND edit_id = %s", (edit.page_id, edit.id))


def _after_success(db: Connection, edit: Edit, statement_id: str | None, states: str | None, *, counted: bool) -> None:
    db.execute(
        """UPDATE project_files SET stated = %s, stated_id = %s, stated_at = NOW() WHERE page_id = %s
           AND EXISTS (SELECT 1 FROM projects p WHERE p.id = project_files.project_id AND (p.id = %s OR p.item = %s))""",
        (states is not None, states, edit.page_id, edit.project_id, edit.item),
    )
    if edit.action == "remove":
        db.execute(
            """UPDATE edits SET state = 'undone' WHERE page_id = %s AND statement_id = %s AND action = 'add'
                 AND state = 'done'""",
            (edit.page_id, statement_id),
        )
    if edit.action == "qualify":  # an undo compares the statement with what we wrote, which now includes this
        db.execute(
            "UPDATE edits SET qualifier = %s WHERE page_id = %s AND statement_id = %s AND action = 'add'",
            (edit.qualifier, edit.page_id, statement_id),
        )
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
    _unlock(db, edit)


def cancel(db: Connection, task: Task, edit: Edit, reason: str) -> None:
    """Cancel an edit that is no longer wanted and is known not to be written. Raises LeaseLost."""
    tasks.hold(db, task)
    db.execute(
        """UPDATE edits SET state = 'cancelled', error = %s, finished_at = NOW()
           WHERE id = %s AND state IN ('queued', 'sending')""",
        (reason, edit.id),
    )
    _unlock(db, edit)


def retry_failed(db: Connection, batch_id: int) -> int:
    """Queue a batch's failed edits again, each as a new attempt with a new statement id; return how many."""
    count = db.execute(
        """UPDATE edits SET state = 'queued', statement_id = IF(action = 'add', NULL, statement_id), base_revision = NULL,
             due_at = NOW(), attempts = 0, error = NULL, error_detail = NULL, finished_at = NULL
           WHERE batch_id = %s AND state = 'failed'""",
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
    """Return a batch's edits in any of the states, newest first."""
    return select(
        db,
        f"e.batch_id = %s AND e.state IN ({marks(states)}) ORDER BY e.finished_at DESC, e.id DESC LIMIT %s OFFSET %s",
        (batch_id, *states, limit, offset),
    )


def standing_of_batch(db: Connection, batch_id: int) -> list[int]:
    """Return the ids of a batch's additions that were written and, as far as known, not removed since."""
    return db.column(
        "SELECT id FROM edits WHERE batch_id = %s AND action = 'add' AND state = 'done' ORDER BY id", (batch_id,)
    )
