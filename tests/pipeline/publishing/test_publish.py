"""What is written, exactly once, whatever happens in between; and what is never written."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.jobs.outcome import Done, Retry, Waiting
from store.jobs import tasks
from store.labelling import answers, approvals, labels
from store.publishing import batches
from testing.publishing import ITEM
from tests.pipeline.publishing.support import Job, Killed, raising

Hook = Callable[[Any], None]


def test_one_request_a_file_and_the_ledger_says_what_stands(job: Job):
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


def test_the_row_comes_before_the_request(job: Job):
    """Another connection sees it, committed, while the request is not yet sent."""
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
def test_a_lost_answer_is_looked_for_before_anything_is_written_again(job: Job, kind: str):
    job.wiki.faults({"kind": kind, "match": {"action": "wbeditentity"}, "count": 1})
    batch = job.send()
    job.run()
    assert job.states(batch) == {"done": 3}
    assert all(len(job.guids(page_id)) == 1 for page_id in job.page_ids)
    ids = {json.loads(sent["data"])["claims"][0]["id"] for sent in job.writes}
    assert len(ids) == 3, "the repeat of a request carries the same statement id"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_the_request(job: Job, moment: str):
    hooks = job.before if moment == "before" else job.after
    hooks[1] = raising(Killed())
    batch = job.send()
    job.kill()
    assert job.states(batch) == {"done": 1, "sending": 1, "queued": 1}
    assert job.run() == Done()
    assert job.states(batch) == {"done": 3}
    assert [len(job.guids(page_id)) for page_id in job.page_ids] == [1, 1, 1]
    assert len(job.writes) == (4 if moment == "before" else 3)


def test_what_a_human_removed_meanwhile_is_not_brought_back(job: Job):
    """Stored, the worker killed, then taken back by somebody: the next worker must not write it again."""
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


def test_a_repeat_after_many_tries_does_not_bring_it_back_either(job: Job):
    """Six answers lost, the edit put off; meanwhile the last one is stored after all, and removed by a human."""
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


def test_what_a_human_added_to_it_meanwhile_stays(job: Job):
    job.after[0] = raising(Killed())
    job.send()
    job.kill()
    page_id = job.page_ids[0]
    guid = job.row(page_id)["statement_id"]
    job.wiki.other("change_statement", id=page_id, guid=guid, qualifiers={"P1545": "2"}, user="Bob")
    job.run()
    assert job.row(page_id)["state"] == "done"
    assert [set(one["qualifiers"]) for one in job.statements(page_id)] == [{"P1545"}]


def test_nothing_is_added_beside_a_deprecated_statement(job: Job):
    """Somebody on Commons says that it is wrong: that is told, and theirs to decide."""
    page_id = job.page_ids[0]
    guid = job.by_bob(page_id, rank="deprecated")
    batch = job.send()
    job.run()
    assert job.states(batch) == {"skipped": 1, "done": 2}
    assert (job.row(page_id)["error"], job.guids(page_id)) == ("deprecated", [guid])
    assert not job.sql("SELECT stated FROM project_files WHERE page_id = %s AND stated", page_id)


@pytest.mark.parametrize("rank", ["normal", "preferred"])
def test_already_there_is_success_and_nothing_is_written(job: Job, rank: str):
    page_id = job.page_ids[0]
    guid = job.by_bob(page_id, rank=rank, qualifiers={"P2677": "pct:1,2,3,4"})
    batch = job.send()
    job.run()
    assert job.states(batch) == {"already": 1, "done": 2}
    assert (job.row(page_id)["statement_id"], job.guids(page_id)) == (guid, [guid])
    assert len(job.writes) == 2


def test_a_faster_one_on_a_file_without_any_entity(job: Job):
    """The wiki refuses ours with an exception: it is read again, and is there already."""
    page_id, made = job.page_ids[0], []
    job.before[0] = lambda params: made.append(job.by_bob(page_id))
    batch = job.send()
    job.run()
    assert job.guids(page_id) == made
    assert job.states(batch) == {"already": 1, "done": 2}


def test_our_copy_goes_where_somebody_was_faster(job: Job):
    """Between our read and our write Bob states the person: the wiki merges both, and the value stands twice."""
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


def test_our_copy_stays_where_somebody_added_to_it(job: Job):
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


def test_of_two_senders_that_see_a_copy_only_the_one_with_the_lock_removes_its_own(job: Job):
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


def test_other_edits_in_between_disturb_nothing(job: Job):
    first, second, third = job.page_ids
    job.before[0] = lambda params: job.wiki.other("add_statement", id=first, value="Q5", user="Bob")
    job.before[1] = lambda params: job.wiki.other("edit_text", id=second, text="Something else.")
    batch = job.send()
    job.run()
    assert job.states(batch) == {"done": 3}
    assert [len(job.guids(page_id)) for page_id in (first, second, third)] == [1, 1, 1]
    files = {page["id"]: page for page in job.wiki.state()["files"]}
    assert files[first]["depicts"].count("Q5") == 1


def test_an_overwritten_file_is_asked_again_not_written(job: Job):
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


def test_nothing_goes_out_for_bytes_that_nobody_saw(job: Job):
    """Ours is the newer knowledge: the file was found overwritten after the batch was made."""
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
def test_pages_that_are_no_file_any_more_are_left_alone(job: Job, change: str, reason: str):
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


def test_a_moved_file_keeps_its_entity(job: Job):
    batch = job.send()
    job.wiki.other("move", id=job.page_ids[0], to="Quite another name.jpg")
    job.run()
    assert job.states(batch) == {"done": 3}


@pytest.mark.parametrize("how", ["withdrawn", "said_no"])
def test_without_an_approval_nothing_goes_out(job: Job, how: str):
    """Taken back after the first edit of the batch was sent: what waits is not sent."""
    page_id = job.page_ids[2]

    def withdraw(params: Any) -> None:
        with job.database.transaction() as db:
            if how == "withdrawn":
                db.execute("DELETE FROM approvals WHERE page_id = %s", (page_id,))
                return
            face = db.value("SELECT id FROM faces WHERE page_id = %s", (page_id,))
            said = answers.NewAnswer("again", "again", page_id, face, "other")
            answers.record(db, job.project_id, job.user_id, [said])
            labels.rebuild(db, job.project_id, [page_id])

    job.before[0] = withdraw
    batch = job.send()
    job.run()
    assert job.states(batch) == {"done": 2, "cancelled": 1}
    assert (job.row(page_id)["error"], job.guids(page_id)) == ("not_approved", [])


def test_an_approval_in_bulk_that_is_taken_back_cancels(job: Job):
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


def test_paused_in_the_middle_and_resumed(job: Job):
    batch = job.send()
    job.before[0] = lambda params: job.database.retry(lambda db: batches.pause(db, batch, "human"))
    assert job.run() == Done()
    assert job.states(batch) == {"done": 1, "queued": 2}
    assert job.batch(batch)["state"] == "paused"
    job.database.retry(lambda db: batches.resume(db, batch))
    job.run()
    assert job.states(batch) == {"done": 3}


def test_stopped_in_the_middle(job: Job):
    """What is out is settled, what waits is cancelled."""
    batch = job.send()
    job.before[1] = lambda params: job.database.retry(lambda db: batches.stop(db, batch))
    job.run()
    assert job.states(batch) == {"done": 2, "cancelled": 1}
    assert job.guids(job.page_ids[2]) == []
    assert job.batch(batch)["state"] == "stopped"


def test_what_a_dead_worker_sent_is_settled_although_the_batch_was_stopped(job: Job):
    job.after[0] = raising(Killed())
    batch = job.send()
    job.kill()
    job.database.retry(lambda db: batches.stop(db, batch))
    job.run()
    assert job.states(batch) == {"done": 1, "cancelled": 2}


def test_told_to_stop_it_ends_between_two_edits(job: Job):
    batch = job.send()
    job.after[0] = lambda params: job.sign.set()
    assert job.run() == Waiting()
    assert job.states(batch) == {"done": 1, "queued": 2}
    assert job.rows("SELECT * FROM tasks WHERE lease_token IS NOT NULL") == []


def test_told_to_stop_while_it_waits(job: Job):
    job.wiki.faults({"kind": "maxlag", "match": {"action": "wbeditentity"}, "count": None})
    batch = job.send()
    job.sign.at_wait = job.sign.set
    assert job.run() == Waiting()
    job.wiki.calm()
    job.sign.clear()
    job.sign.at_wait = lambda: None
    assert job.run() == Done()
    assert job.states(batch) == {"done": 3}


def test_one_sender_per_user(job: Job):
    job.send()
    other: list[tasks.Task | None] = []
    job.before[0] = lambda params: other.append(job.database.retry(lambda db: tasks.claim(db, "publish", "second")))
    job.run()
    assert other == [None]


def test_a_sender_whose_claim_was_lost_changes_nothing(job: Job):
    """A second worker took over: the first one's answer is not written down, the second one reads the wiki."""
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


def test_a_wait_in_the_middle_does_not_lock_the_file_for_others(job: Job):
    """The look after a lost answer fails: the row stays unclear, and the same user's next turn takes its own lock over."""
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
