"""Statements are written exactly once whatever happens in between, and only if approved."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pipeline.jobs.outcome import Done, Retry, Waiting
from store.jobs import tasks
from store.labelling import answers, approvals, labels
from store.publishing import batches
from testing.publishing import ITEM
from tests.pipeline.publishing.support import Job, Killed, raising

Hook = Callable[[Any], None]


def test_each_file_takes_one_write_and_the_ledger_records_the_result(job: Job):
    batch = job.send()
    assert job.run() == Done()
    assert job.states(batch) == {"done": 3}
    assert job.batch(batch)["state"] == "done"
    state = {page["id"]: page for page in job.wiki.state()["files"]}
    for page_id in job.page_ids:
        row = job.row(page_id)
        assert job.guids(page_id) == [row["statement_id"]]
        assert (row["revision_id"], row["attempts"]) == (state[page_id]["lastrevid"], 1)
    assert len(job.writes) == 3
    for sent in job.writes:
        assert (sent["action"], sent["assert"]) == ("wbeditentity", "user")
        assert sent["baserevid"]
        assert "bot" not in sent
        assert f"b/CB/{job.batch(batch)['hex']}" in sent["summary"]
    stated = job.rows("SELECT stated, stated_id FROM project_files ORDER BY page_id")
    assert stated == [{"stated": 1, "stated_id": job.row(page)["statement_id"]} for page in sorted(job.page_ids)]


def test_ledger_row_is_committed_before_the_request(job: Job):
    """Another connection sees the row, committed, before the request is sent."""
    seen = []

    def look(params: Any) -> None:
        (claim,) = json.loads(params["data"])["claims"]
        page_id = int(params["id"][1:])
        row = job.row(page_id)
        lock = job.rows("SELECT edit_id FROM file_locks WHERE page_id = %s", page_id)
        seen.append(
            (row["state"], row["statement_id"] == claim["id"], row["base_revision"] == params["baserevid"], lock)
        )
        assert lock == [{"edit_id": row["id"]}]

    job.before[0] = look
    job.send()
    job.run()
    assert [part[:3] for part in seen] == [("sending", True, True)]
    assert job.rows("SELECT * FROM file_locks") == []


@pytest.mark.parametrize(
    "kind", ["drop_before", "drop_after", "corrupt", "truncate", "cut_short", "internal_error", "html"]
)
def test_file_is_read_after_a_lost_response_before_it_is_written_again(job: Job, kind: str):
    job.wiki.faults({"kind": kind, "match": {"action": "wbeditentity"}, "count": 1})
    batch = job.send()
    job.run()
    assert job.states(batch) == {"done": 3}
    assert all(len(job.guids(page_id)) == 1 for page_id in job.page_ids)
    ids = {json.loads(sent["data"])["claims"][0]["id"] for sent in job.writes}
    assert len(ids) == 3, "the repeat of a request carries the same statement id"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_statement_is_written_once_if_the_worker_is_killed_around_the_request(job: Job, moment: str):
    hooks = job.before if moment == "before" else job.after
    hooks[1] = raising(Killed())
    batch = job.send()
    job.kill()
    assert job.states(batch) == {"done": 1, "sending": 1, "queued": 1}
    assert job.run() == Done()
    assert job.states(batch) == {"done": 3}
    assert [len(job.guids(page_id)) for page_id in job.page_ids] == [1, 1, 1]
    assert len(job.writes) == (4 if moment == "before" else 3)


def test_statement_removed_by_a_human_before_the_retry_is_not_written_again(job: Job):
    """The worker is killed after the write, then the statement is reverted: the next worker must not write it again."""
    job.after[0] = raising(Killed())
    batch = job.send()
    job.kill()
    page_id = job.page_ids[0]
    job.wiki.other("remove_statement", id=page_id, value=ITEM, user="Bob")
    job.run()
    assert job.guids(page_id) == []
    assert job.row(page_id)["state"] == "reverted"
    assert job.states(batch) == {"reverted": 1, "done": 2}
    assert job.send_or_none() is None, "nor is it sent again unless somebody asks"


def test_statement_removed_by_a_human_is_not_written_again_after_many_retries(job: Job):
    """Six responses are lost, the edit is postponed, the last request is stored after all and removed by a human."""
    page_id = job.page_ids[0]
    job.wiki.faults({"kind": "internal_error", "match": {"title": f"M{page_id}"}, "count": 6})
    batch = job.send()
    outcome = job.run()
    row = job.row(page_id)
    assert (row["state"], row["error"], row["attempts"]) == ("queued", "tried_often", 6)
    assert isinstance(outcome, Done)
    assert outcome.again_in
    job.wiki.other("add_statement", id=page_id, value=ITEM, guid=row["statement_id"], user="Alice",
                   summary=job.writes[0]["summary"])  # fmt: skip
    job.wiki.other("remove_statement", id=page_id, guid=row["statement_id"], user="Bob")
    job.run()
    assert (job.row(page_id)["state"], job.guids(page_id)) == ("reverted", [])
    assert job.states(batch) == {"reverted": 1, "done": 2}


def test_changes_of_a_human_to_our_statement_are_kept(job: Job):
    job.after[0] = raising(Killed())
    job.send()
    job.kill()
    page_id = job.page_ids[0]
    guid = job.row(page_id)["statement_id"]
    job.wiki.other("change_statement", id=page_id, guid=guid, qualifiers={"P1545": "2"}, user="Bob")
    job.run()
    assert job.row(page_id)["state"] == "done"
    assert [set(one["qualifiers"]) for one in job.statements(page_id)] == [{"P1545"}]


def test_statement_is_not_added_beside_a_deprecated_one(job: Job):
    """A user on Commons marked it as wrong: this is reported, and the decision is theirs."""
    page_id = job.page_ids[0]
    guid = job.by_bob(page_id, rank="deprecated")
    batch = job.send()
    job.run()
    assert job.states(batch) == {"skipped": 1, "done": 2}
    assert (job.row(page_id)["error"], job.guids(page_id)) == ("deprecated", [guid])
    assert not job.sql("SELECT stated FROM project_files WHERE page_id = %s AND stated", page_id)


@pytest.mark.parametrize("rank", ["normal", "preferred"])
def test_existing_statement_counts_as_success_without_a_write(job: Job, rank: str):
    page_id = job.page_ids[0]
    guid = job.by_bob(page_id, rank=rank, qualifiers={"P2677": "pct:1,2,3,4"})
    batch = job.send()
    job.run()
    assert job.states(batch) == {"already": 1, "done": 2}
    assert (job.row(page_id)["statement_id"], job.guids(page_id)) == (guid, [guid])
    assert len(job.writes) == 2


def test_conflict_on_a_file_without_an_entity_is_resolved_by_reading_again(job: Job):
    """The wiki refuses our write with an exception: the file is read again, and the statement is already there."""
    page_id, made = job.page_ids[0], []
    job.before[0] = lambda params: made.append(job.by_bob(page_id))
    batch = job.send()
    job.run()
    assert job.guids(page_id) == made
    assert job.states(batch) == {"already": 1, "done": 2}


def test_our_duplicate_is_removed_if_another_user_was_faster(job: Job):
    """Bob states the person between our read and our write: the wiki merges both edits and has the value twice."""
    page_id, made = job.page_ids[0], []
    job.wiki.other("add_statement", id=page_id, value="Q5", user="Bob")
    job.before[0] = lambda params: made.append(job.by_bob(page_id, qualifiers={"P1545": "1"}))
    batch = job.send()
    job.run()
    assert job.guids(page_id) == made
    assert (job.row(page_id)["state"], job.row(page_id)["statement_id"]) == ("already", made[0])
    assert job.states(batch) == {"already": 1, "done": 2}
    assert [sent["action"] for sent in job.writes] == ["wbeditentity", "wbremoveclaims", "wbeditentity", "wbeditentity"]
    assert job.writes[1]["claim"] == json.loads(job.writes[0]["data"])["claims"][0]["id"]


def test_our_duplicate_is_kept_if_another_user_changed_it(job: Job):
    job.after[0] = raising(Killed())
    job.send()
    job.kill()
    page_id = job.page_ids[0]
    ours = job.row(page_id)["statement_id"]
    job.wiki.other("change_statement", id=page_id, guid=ours, qualifiers={"P1545": "1"}, user="Bob")
    theirs = job.by_bob(page_id)
    job.run()
    assert job.guids(page_id) == [ours, theirs]
    assert job.row(page_id)["state"] == "done"


def test_only_the_sender_with_the_lock_removes_its_duplicate(job: Job):
    job.after[0] = raising(Killed())
    batch = job.send()
    job.kill()
    page_id = job.page_ids[0]
    ours = job.row(page_id)["statement_id"]
    theirs = job.by_bob(page_id)
    lock = "INSERT INTO file_locks VALUES (%s, 999999, 'somebodys--token', 'other', NOW())"
    job.sql(lock, page_id)
    job.run()
    assert job.guids(page_id) == [ours, theirs]
    assert job.states(batch) == {"sending": 1, "done": 2}
    job.sql("DELETE FROM file_locks")
    job.run()
    assert job.guids(page_id) == [theirs]
    assert job.states(batch) == {"already": 1, "done": 2}


def test_unrelated_edits_in_between_do_not_disturb_sending(job: Job):
    first, second, third = job.page_ids
    job.before[0] = lambda params: job.wiki.other("add_statement", id=first, value="Q5", user="Bob")
    job.before[1] = lambda params: job.wiki.other("edit_text", id=second, text="Something else.")
    batch = job.send()
    job.run()
    assert job.states(batch) == {"done": 3}
    assert [len(job.guids(page_id)) for page_id in (first, second, third)] == [1, 1, 1]
    files = {page["id"]: page for page in job.wiki.state()["files"]}
    assert files[first]["depicts"].count("Q5") == 1


def test_overwritten_file_is_not_written_but_asked_again(job: Job):
    page_id = job.page_ids[0]
    batch = job.send()
    title = next(page["title"] for page in job.wiki.state()["files"] if page["id"] == job.page_ids[1])
    job.wiki.other("overwrite", id=page_id, **{"with": title})
    job.run()
    assert job.states(batch) == {"skipped": 1, "done": 2}
    assert job.row(page_id)["error"] == "overwritten"
    assert job.guids(page_id) == []
    file = job.rows("SELECT state, search_due_at FROM files WHERE page_id = %s", page_id)[0]
    assert file["state"] == "waiting"
    assert file["search_due_at"] is not None


def test_statement_is_not_sent_for_a_file_version_that_was_not_approved(job: Job):
    """The database is newer than the batch: the file was found to be overwritten after the batch was made."""
    page_id = job.page_ids[0]
    batch = job.send()
    job.sql("UPDATE approvals SET suspended = 1 WHERE page_id = %s", page_id)
    job.run()
    assert job.states(batch) == {"skipped": 1, "done": 2}
    assert job.guids(page_id) == []


def _redirect(job: Job, page_id: int) -> None:
    with job.wiki.sandbox.world.lock:
        job.wiki.sandbox.world.state.pages[page_id].redirect = "File:Elsewhere.jpg"


@pytest.mark.parametrize(("change", "reason"), [("delete", "deleted"), ("redirect", "redirect")])
def test_pages_that_are_no_longer_files_are_skipped(job: Job, change: str, reason: str):
    page_id = job.page_ids[0]
    batch = job.send()
    if change == "delete":
        job.wiki.other("delete", id=page_id)
    else:
        _redirect(job, page_id)
    job.run()
    assert job.states(batch) == {"skipped": 1, "done": 2}
    assert job.row(page_id)["error"] == reason
    assert len(job.writes) == 2


def test_moved_file_is_written_to_the_same_entity(job: Job):
    batch = job.send()
    job.wiki.other("move", id=job.page_ids[0], to="Quite another name.jpg")
    job.run()
    assert job.states(batch) == {"done": 3}


@pytest.mark.parametrize("how", ["withdrawn", "said_no"])
def test_edit_is_not_sent_after_its_approval_was_withdrawn(job: Job, how: str):
    """The approval is withdrawn after the first edit of the batch: waiting edits are not sent."""
    page_id = job.page_ids[2]

    def withdraw(params: Any) -> None:
        with job.database.transaction() as db:
            if how == "rejection":
                db.execute("DELETE FROM approvals WHERE page_id = %s", (page_id,))
                return
            face = db.value("SELECT id FROM faces WHERE page_id = %s", (page_id,))
            rejection = answers.NewAnswer("again", "again", page_id, face, "other")
            answers.record(db, job.project_id, job.user_id, [rejection])
            labels.rebuild(db, job.project_id, [page_id])

    job.before[0] = withdraw
    batch = job.send()
    job.run()
    assert job.states(batch) == {"done": 2, "cancelled": 1}
    assert (job.row(page_id)["error"], job.guids(page_id)) == ("not_approved", [])


def test_withdrawing_a_bulk_approval_cancels_the_edit(job: Job):
    page_id = job.page_ids[0]
    face = job.rows("SELECT id FROM faces WHERE page_id = %s", page_id)[0]["id"]
    job.sql("UPDATE answers SET withdrawn_at = NOW(3) WHERE page_id = %s", page_id)
    with job.database.transaction() as db:
        labels.rebuild(db, job.project_id, [page_id])
        assert approvals.approve_bulk(db, job.project_id, job.user_id, [face]) == 1
    batch = job.send()
    with job.database.transaction() as db:
        approvals.withdraw_bulk(db, job.project_id, [face])
    job.run()
    assert job.states(batch) == {"done": 2, "cancelled": 1}
    assert job.guids(page_id) == []


@pytest.mark.parametrize(
    "refusal",
    [
        "UPDATE labels SET label = 'other' WHERE page_id = %s",
        "UPDATE project_files SET file_answer = 'not_shown' WHERE page_id = %s",
    ],
)
def test_edit_is_not_sent_if_an_answer_contradicts_its_bulk_approval(job: Job, refusal: str):
    """The approval itself is still there: the sender looks at the answers once more."""
    page_id = job.page_ids[2]
    job.sql("UPDATE approvals SET kind = 'bulk'")

    def refuse(params: Mapping[str, Any]) -> None:
        job.sql(refusal, page_id)

    job.before[0] = refuse
    batch = job.send()
    job.run()
    assert job.states(batch) == {"done": 2, "cancelled": 1}
    assert (job.row(page_id)["error"], job.guids(page_id)) == ("not_approved", [])


def test_batch_paused_during_sending_can_be_resumed(job: Job):
    batch = job.send()
    job.before[0] = lambda params: job.database.retry(lambda db: batches.pause(db, batch, "human"))
    assert job.run() == Done()
    assert job.states(batch) == {"done": 1, "queued": 2}
    assert job.batch(batch)["state"] == "paused"
    job.database.retry(lambda db: batches.resume(db, batch))
    job.run()
    assert job.states(batch) == {"done": 3}


def test_batch_can_be_stopped_during_sending(job: Job):
    """The edit being sent is settled, waiting edits are cancelled."""
    batch = job.send()
    job.before[1] = lambda params: job.database.retry(lambda db: batches.stop(db, batch))
    job.run()
    assert job.states(batch) == {"done": 2, "cancelled": 1}
    assert job.guids(job.page_ids[2]) == []
    assert job.batch(batch)["state"] == "stopped"


def test_edit_sent_by_a_killed_worker_is_settled_even_if_the_batch_was_stopped(job: Job):
    job.after[0] = raising(Killed())
    batch = job.send()
    job.kill()
    job.database.retry(lambda db: batches.stop(db, batch))
    job.run()
    assert job.states(batch) == {"done": 1, "cancelled": 2}


def test_worker_asked_to_stop_ends_between_two_edits(job: Job):
    batch = job.send()
    job.after[0] = lambda params: job.sign.set()
    assert job.run() == Waiting()
    assert job.states(batch) == {"done": 1, "queued": 2}
    assert job.rows("SELECT * FROM tasks WHERE lease_token IS NOT NULL") == []


def test_worker_asked_to_stop_while_it_waits_ends(job: Job):
    job.wiki.faults({"kind": "maxlag", "match": {"action": "wbeditentity"}, "count": None})
    batch = job.send()
    job.sign.at_wait = job.sign.set
    assert job.run() == Waiting()
    job.wiki.calm()
    job.sign.clear()
    job.sign.at_wait = lambda: None
    assert job.run() == Done()
    assert job.states(batch) == {"done": 3}


def test_only_one_sender_runs_per_user(job: Job):
    job.send()
    other: list[tasks.Task | None] = []
    job.before[0] = lambda params: other.append(job.database.retry(lambda db: tasks.claim(db, "publish", "second")))
    job.run()
    assert other == [None]


def test_sender_with_a_lost_claim_changes_nothing(job: Job):
    """A second worker took over: the response of the first one is not recorded, the second one reads the wiki."""
    batch = job.send()

    def takes_over(params: Any) -> None:
        job.sql("UPDATE tasks SET lease_token = 'another--worker!'")

    job.after[0] = takes_over
    assert job.run() is None
    assert job.states(batch) == {"sending": 1, "queued": 2}
    job.sql("UPDATE tasks SET lease_token = NULL")
    job.run()
    assert job.states(batch) == {"done": 3}
    assert len(job.writes) == 3


def test_unclear_edit_does_not_keep_the_file_locked_for_others(job: Job):
    """Reading after a lost response fails: the row stays unclear, and the next run of the user reuses its own lock."""
    page_id = job.page_ids[0]
    job.wiki.faults({"kind": "drop_after", "match": {"action": "wbeditentity"}, "count": 1})
    batch = job.send()
    job.sign.at_wait = lambda: job.wiki.faults({"kind": "unavailable", "count": None})
    assert isinstance(job.run(), Retry)
    assert job.row(page_id)["state"] == "sending"
    job.sign.at_wait = lambda: None
    job.wiki.calm()
    assert job.run() == Done()
    assert job.states(batch) == {"done": 3}
    assert job.rows("SELECT * FROM file_locks") == []
