"""The ledger: states of its rows, the lock per file, the claim that every write needs, and batches."""

from typing import Any

import pytest

from database import Connection
from store.errors import LeaseLost, NotFound
from store.jobs import tasks
from store.jobs.tasks import Task
from store.publishing import batches, edits, plans, reverts
from store.publishing.edits import Edit
from store.publishing.reverts import Reading
from tests.store import support

GUID = "M{}$11111111-2222-4333-8444-555555555555"


class Ledger:
    """A project with three approved files, a batch of their edits, and the claim of the publishing task."""

    def __init__(self, db: Connection, pages: range = range(1, 4), owner: str = "Ada") -> None:
        self.db = db
        self.project = support.project(db, owner, source=owner, pages=pages)
        self.user = db.value("SELECT owner_id FROM projects WHERE id = %s", (self.project,))
        for page in pages:
            known = db.column("SELECT id FROM faces WHERE page_id = %s", (page,))
            (face,) = known or support.search(db, page, support.LEFT)
            support.record_answer(db, self.project, self.user, page, face, "target")
        self.batch = plans.send(db, self.project, self.user) or 0
        self.task = self.claim()

    def claim(self) -> Task:
        self.db.execute(
            "UPDATE tasks SET lease_token = NULL, due_at = IF(kind = 'publish' AND subject_id = %s, NOW(3), NULL)",
            (self.user,),
        )
        found = tasks.claim(self.db, "publish", "one")
        assert found is not None
        return found

    def open(self) -> list[Edit]:
        return edits.next_open(self.db, self.user, 50)

    def begin(self, edit: Edit) -> str:
        ready = Edit(**{**vars(edit), "statement_id": GUID.format(edit.page_id), "base_revision": 5})
        return edits.begin(self.db, self.task, ready, "one")

    def row(self, edit: Edit) -> dict[str, Any]:
        found = self.db.row("SELECT * FROM edits WHERE id = %s", (edit.id,))
        assert found is not None
        return found

    def counts(self) -> dict[str, int]:
        return batches.get(self.db, self.batch, self.project).counts


@pytest.fixture
def ledger(db: Connection) -> Ledger:
    return Ledger(db)


def test_begin_records_the_edit_before_it_is_sent(ledger: Ledger):
    first, second, _ = ledger.open()
    assert ledger.begin(first) == "yes"
    row = ledger.row(first)
    assert (row["state"], row["attempts"], row["base_revision"]) == ("sending", 1, 5)
    assert row["statement_id"] == GUID.format(first.page_id)
    assert ledger.db.rows("SELECT page_id, edit_id FROM file_locks") == [
        {"page_id": first.page_id, "edit_id": first.id}
    ]
    assert ledger.begin(first) == "yes", "a repeat takes its own lock over"
    assert [edit.id for edit in ledger.open()][:2] == [first.id, second.id], "what may be out comes first"


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ("UPDATE edits SET state = 'cancelled'", "cancelled"),
        ("UPDATE batches SET state = 'paused'", "paused"),
        ("UPDATE batches SET state = 'stopped'", "stopped"),
        ("DELETE FROM approvals", "not_approved"),
        ("UPDATE approvals SET suspended = 1", "overwritten"),
        ("UPDATE approvals SET sha1 = REPEAT('b', 40)", "overwritten"),
        ("INSERT INTO file_locks SELECT page_id, 99, 'other-worker-tok', 'two', NOW() FROM files", "busy"),
        (
            "INSERT INTO file_locks SELECT page_id, 99, 'other-worker-tok', 'two', NOW() - INTERVAL 16 MINUTE FROM files",
            "yes",
        ),
    ],
)
def test_begin_checks_the_approval_again(ledger: Ledger, change: str, answer: str):
    edit = ledger.open()[0]
    ledger.db.execute(change)
    assert ledger.begin(edit) == answer
    assert (ledger.row(edit)["state"] == "sending") == (answer == "yes")


def test_ledger_is_not_changed_without_the_claim(ledger: Ledger):
    edit = ledger.open()[0]
    ledger.db.execute("UPDATE tasks SET lease_token = 'somebody--else!!'")
    before = ledger.row(edit)
    for write in (
        lambda: ledger.begin(edit),
        lambda: edits.lock(ledger.db, ledger.task, edit, "one"),
        lambda: edits.later(ledger.db, ledger.task, edit, 5),
        lambda: edits.settle(ledger.db, ledger.task, edit, "done"),
        lambda: edits.put_back(ledger.db, ledger.task, edit, 5),
        lambda: edits.cancel(ledger.db, ledger.task, edit, "not_approved"),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert ledger.row(edit) == before
    assert ledger.db.rows("SELECT * FROM file_locks") == []


def test_edit_is_settled_and_counted_once(ledger: Ledger):
    edit = ledger.open()[0]
    ledger.begin(edit)
    guid = GUID.format(edit.page_id)
    for _ in range(2):
        edits.settle(ledger.db, ledger.task, edit, "done", revision=9, statement_id=guid, states=guid)
    row = ledger.row(edit)
    assert (row["state"], row["revision_id"], row["statement_id"]) == ("done", 9, guid)
    assert row["finished_at"] is not None
    assert ledger.db.rows("SELECT * FROM file_locks") == []
    stated = ledger.db.row("SELECT stated, stated_id FROM project_files WHERE page_id = %s", (edit.page_id,))
    assert stated == {"stated": 1, "stated_id": guid}
    assert ledger.db.value("SELECT statements FROM user_stats WHERE user_id = %s", (ledger.user,)) == 1


def test_postponed_edit_is_due_later_and_is_distinguished_from_an_unclear_one(ledger: Ledger):
    first, second, third = ledger.open()
    ledger.begin(first)
    edits.put_back(ledger.db, ledger.task, first, 60, error="file_busy")
    ledger.begin(second)
    edits.later(ledger.db, ledger.task, second, 60)
    assert [edit.id for edit in ledger.open()] == [third.id]
    assert (ledger.row(first)["state"], ledger.row(second)["state"]) == ("queued", "sending")
    assert edits.due_in(ledger.db, ledger.user) == 0
    edits.settle(ledger.db, ledger.task, third, "already", states="x")
    due = edits.due_in(ledger.db, ledger.user)
    assert due is not None
    assert 50 < due <= 60


def test_running_batches_take_turns(db: Connection):
    ledger = Ledger(db, range(1, 6))
    db.execute("UPDATE approvals SET suspended = 0")
    other = batches.create(db, ledger.project, ledger.user, "undo", "Q42", "Somebody")
    db.execute("UPDATE edits SET batch_id = %s WHERE page_id IN (4, 5)", (other,))
    assert [edit.page_id for edit in ledger.open()] == [1, 4, 2, 5, 3]
    batches.pause(db, other, "human")
    assert [edit.page_id for edit in ledger.open()] == [1, 2, 3]


def test_retry_is_a_new_attempt(ledger: Ledger):
    edit = ledger.open()[0]
    ledger.begin(edit)
    edits.settle(ledger.db, ledger.task, edit, "failed", error="protected", detail="x" * 300)
    assert len(ledger.row(edit)["error_detail"]) == 255
    batches.pause(ledger.db, ledger.batch, "wiki_says_no")
    assert edits.retry_failed(ledger.db, ledger.batch) == 1
    row = ledger.row(edit)
    assert (row["state"], row["statement_id"], row["base_revision"], row["attempts"], row["error"]) == (
        "queued",
        None,
        None,
        0,
        None,
    )
    assert batches.get(ledger.db, ledger.batch, ledger.project).state == "running"
    assert edits.retry_failed(ledger.db, ledger.batch) == 0


def test_ages_of_recently_sent_edits_are_returned(ledger: Ledger):
    first, second, third = ledger.open()
    for edit, age in ((first, 90), (second, 40), (third, 10)):
        ledger.db.execute("UPDATE edits SET sent_at = NOW() - INTERVAL %s SECOND WHERE id = %s", (age, edit.id))
    assert edits.sent_lately(ledger.db, ledger.user, 60) == [pytest.approx(40, abs=1), pytest.approx(10, abs=1)]


def test_removal_changes_the_state_of_its_addition(ledger: Ledger):
    edit = ledger.open()[0]
    ledger.begin(edit)
    guid = GUID.format(edit.page_id)
    edits.settle(ledger.db, ledger.task, edit, "done", revision=9, statement_id=guid, states=guid)
    assert plans.undo(ledger.db, ledger.project, ledger.user, [edit.id]) is not None
    assert plans.undo(ledger.db, ledger.project, ledger.user, [edit.id]) is None, "an undo that is under way is enough"
    removal = next(one for one in ledger.open() if one.action == "remove")
    assert (removal.statement_id, removal.undoes) == (guid, edit.id)
    edits.settle(ledger.db, ledger.task, removal, "done", revision=10, states=None)
    assert ledger.row(edit)["state"] == "undone"
    assert ledger.db.value("SELECT stated FROM project_files WHERE page_id = %s", (edit.page_id,)) == 0


def done(ledger: Ledger, revision: int = 9) -> list[Edit]:
    while found := ledger.open():
        for edit in found:
            guid = GUID.format(edit.page_id)
            ledger.begin(edit)
            edits.settle(ledger.db, ledger.task, edit, "done", revision=revision, statement_id=guid, states=guid)
    return edits.of_batch(ledger.db, ledger.batch, ["done"], 50)


@pytest.mark.parametrize(
    ("items", "revision", "noticed"),
    [
        ({GUID.format(1): "Q42"}, 12, 0),
        ({}, 12, 1),
        ({}, 9, 1),
        ({}, 8, 0),  # The reading is from an outdated replica of the wiki.
        ({GUID.format(1): "Q5"}, 12, 1),
        ({GUID.format(1).replace("1", "2"): "Q42"}, 12, 1),
    ],
)
def test_reverts_are_recorded(ledger: Ledger, items: dict[str, str | None], revision: int, noticed: int):
    done(ledger)
    assert reverts.notice(ledger.db, [Reading(1, revision, items)]) == noticed
    assert ledger.counts().get("reverted", 0) == noticed
    assert reverts.notice(ledger.db, [Reading(1, revision, items)]) == 0, "once"


@pytest.mark.parametrize(
    ("written", "taken_back", "paused"), [(3, 2, False), (3, 3, True), (59, 3, True), (61, 3, False)]
)
def test_many_reverts_pause_the_batches_of_the_project(db: Connection, written: int, taken_back: int, paused: bool):
    ledger = Ledger(db, range(1, written + 1))
    done(ledger)
    running = batches.create(db, ledger.project, ledger.user, "send", "Q42", "Somebody")
    reverts.notice(db, [Reading(page, 12, {}) for page in range(1, taken_back + 1)])
    found = batches.get(db, running, ledger.project)
    assert (found.state, found.pause_reason) == (("paused", "reverted") if paused else ("running", None))


def test_reverts_of_another_project_do_not_pause_a_batch(db: Connection):
    ledger = Ledger(db)
    done(ledger)
    other = support.project(db, "Bob", source="Bob")
    running = batches.create(db, other, ledger.user, "send", "Q42", "Somebody")
    reverts.notice(db, [Reading(page, 12, {}) for page in (1, 2, 3)])
    assert batches.get(db, running, other).state == "running"


def test_batch_can_be_paused_resumed_and_stopped(ledger: Ledger):
    db, batch = ledger.db, ledger.batch
    batches.pause(db, batch, "human")
    assert ledger.open() == []
    batches.resume(db, batch)
    first = ledger.open()[0]
    ledger.begin(first)
    batches.stop(db, batch)
    assert ledger.counts() == {"sending": 1, "cancelled": 2}
    batches.resume(db, batch)
    batches.pause(db, batch, "human")
    assert batches.get(db, batch, ledger.project).state == "stopped", "stopped is for good"
    with pytest.raises(NotFound):
        batches.get(db, batch, ledger.project + 1)


def test_reason_to_wait_is_set_and_cleared(ledger: Ledger):
    batches.waiting(ledger.db, ledger.user, 30, "maxlag", 7.5)
    found = batches.get(ledger.db, ledger.batch, ledger.project)
    assert (found.waiting_why, found.waiting_lag) == ("maxlag", 7.5)
    assert 28 <= found.waiting_seconds <= 30
    batches.waiting(ledger.db, ledger.user, None)
    found = batches.get(ledger.db, ledger.batch, ledger.project)
    assert (found.waiting_seconds, found.waiting_why) == (0, None)


def test_batch_is_done_when_no_edit_is_open(ledger: Ledger):
    batches.finish_empty(ledger.db, ledger.user)
    assert batches.get(ledger.db, ledger.batch, ledger.project).state == "running"
    done(ledger)
    batches.finish_empty(ledger.db, ledger.user)
    assert batches.get(ledger.db, ledger.batch, ledger.project).state == "done"
