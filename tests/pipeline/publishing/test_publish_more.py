"""Positions and ranks, removal, undo, reverts by others, and several users who send at the same time."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from database import Connection
from pipeline.jobs.lane import run_stage
from pipeline.projects import crawl
from store.jobs import tasks
from store.labelling import answers, approvals, labels
from store.projects import projects
from store.publishing import batches, edits, plans, positions, reverts
from store.publishing.reverts import Reading
from testing.publishing import ITEM, make_project
from testing.waiting import joined
from tests.pipeline.publishing.support import Job, Killed, raising

POSITION = "pct:25,25,50,50"


def switch(job: Job, *, position: bool = True) -> None:
    job.sql("UPDATE projects SET write_position = %s WHERE id = %s", position, job.project_id)


def place(statement: dict[str, Any]) -> list[str]:
    return [snak["datavalue"]["value"] for snak in statement.get("qualifiers", {}).get("P2677", [])]


def test_position_and_rank_are_written_in_the_same_edit(job: Job):
    switch(job)
    first = job.page_ids[0]
    with job.database.transaction() as db:
        approvals.set_prominent(db, job.project_id, [first], True)
    job.send()
    job.run()
    found = {page_id: job.statements(page_id)[0] for page_id in job.page_ids}
    assert [one["rank"] for one in found.values()] == ["preferred", "normal", "normal"]
    assert [place(one) for one in found.values()] == [[POSITION]] * 3
    assert len(job.writes) == 3


def test_position_is_written_only_if_enabled_in_the_project(job: Job):
    job.send()
    job.run()
    assert [place(job.statements(page_id)[0]) for page_id in job.page_ids] == [[], [], []]
    with job.database.transaction() as db:
        assert positions.bare(db, job.project_id) == []
        wanted = db.column("SELECT id FROM edits")
        assert positions.qualify(db, job.project_id, job.user_id, wanted) is None


def qualified(job: Job) -> int:
    """Send statements without positions, then request the positions."""
    job.send()
    job.run()
    switch(job)

    def work(db: Connection) -> int | None:
        return positions.qualify(db, job.project_id, job.user_id, positions.bare(db, job.project_id))

    batch = job.database.retry(work)
    assert batch is not None
    return batch


def test_positions_are_added_to_our_statements_without_one(job: Job):
    batch = qualified(job)
    assert job.batch(batch)["kind"] == "positions"
    job.run()
    assert job.states(batch) == {"done": 3}
    assert [sent["action"] for sent in job.writes[3:]] == ["wbsetqualifier"] * 3
    for page_id in job.page_ids:
        (one,) = job.statements(page_id)
        assert (place(one), one["id"]) == ([POSITION], job.row(page_id)["statement_id"])
    with job.database.transaction() as db:
        assert positions.bare(db, job.project_id) == []


def test_position_added_by_another_user_is_kept(job: Job):
    batch, page_id = qualified(job), job.page_ids[0]
    guid = job.guids(page_id)[0]
    job.wiki.other("change_statement", id=page_id, guid=guid, qualifiers={"P2677": "pct:1,2,3,4"}, user="Bob")
    job.wiki.other("remove_statement", id=job.page_ids[1], value=ITEM, user="Bob")
    job.run()
    assert job.states(batch) == {"already": 1, "skipped": 1, "done": 1}
    assert place(job.statements(page_id)[0]) == ["pct:1,2,3,4"]
    assert job.row(job.page_ids[1], "qualify")["error"] == "statement_gone"


def test_position_is_not_added_twice_after_a_lost_response(job: Job):
    batch = qualified(job)
    job.wiki.faults({"kind": "drop_after", "match": {"action": "wbsetqualifier"}, "count": 1})
    job.run()
    assert job.states(batch) == {"done": 3}
    assert [place(job.statements(page_id)[0]) for page_id in job.page_ids] == [[POSITION]] * 3


def test_addition_can_be_undone_after_its_position_was_added(job: Job):
    qualified(job)
    job.run()
    batch = job.undo(*job.page_ids)
    job.run()
    assert job.states(batch) == {"done": 3}
    assert [job.guids(page_id) for page_id in job.page_ids] == [[], [], []]


def test_undo_removes_only_unchanged_statements(job: Job):
    """First one edit is undone, then two others: Bob added a qualifier to one of them and removed the other himself."""
    switch(job)
    first, second, third = job.page_ids
    job.send()
    job.run()
    one = job.undo(first)
    job.run()
    assert (job.states(one), job.guids(first), job.row(first)["state"]) == ({"done": 1}, [], "undone")
    guid = job.guids(second)[0]
    job.wiki.other("change_statement", id=second, guid=guid, qualifiers={"P2677": POSITION, "P1545": "1"}, user="Bob")
    job.wiki.other("remove_statement", id=third, value=ITEM, user="Bob")
    rest = job.undo(second, third)
    job.run()
    assert job.states(rest) == {"skipped": 1, "already": 1}
    assert job.row(second, "remove")["error"] == "changed_by_others"
    assert (job.guids(second), job.row(second)["state"]) == ([guid], "done")
    assert (job.guids(third), job.row(third)["state"]) == ([], "undone")
    assert [row["stated"] for row in job.rows("SELECT stated FROM project_files ORDER BY page_id")] == [0, 1, 0]
    assert job.send_or_none() is None, "what was undone is not sent again by itself"


@pytest.mark.parametrize(
    "touch", [{"rank": "preferred"}, {"new_value": "Q5"}, {"qualifiers": {"P2677": "pct:1,1,2,2"}}]
)
def test_undo_keeps_statements_changed_by_another_user(job: Job, touch: dict[str, Any]):
    page_id = job.page_ids[0]
    job.send()
    job.run()
    job.wiki.other("change_statement", id=page_id, guid=job.guids(page_id)[0], user="Bob", **touch)
    batch = job.undo(page_id)
    before = job.wiki.state()["edits"]
    job.run()
    assert "done" not in job.states(batch)
    assert len(job.wiki.state()["edits"]) == len(before)


def test_change_directly_before_the_removal_is_noticed(job_of: Callable[[int], Job]):
    """Each statement is read directly before it is removed, not together with the fifty others."""
    job = job_of(2)
    first, second = job.page_ids
    job.send()
    job.run()
    batch = job.undo(first, second)
    guid = job.guids(second)[0]
    touched = {"id": second, "guid": guid, "qualifiers": {"P1545": "1"}, "user": "Bob"}
    job.after[2] = lambda params: job.wiki.other("change_statement", **touched)
    job.run()
    assert job.states(batch) == {"done": 1, "skipped": 1}
    assert job.guids(second) == [guid]


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "editconflict", "badtoken", "maxlag"])
def test_undo_is_completed_after_lost_responses(job: Job, kind: str):
    job.send()
    job.run()
    batch = job.undo(*job.page_ids)
    job.wiki.faults({"kind": kind, "match": {"action": "wbremoveclaims"}, "count": 2})
    job.run()
    assert job.states(batch) == {"done": 3}
    assert [job.guids(page_id) for page_id in job.page_ids] == [[], [], []]


def test_undo_of_a_killed_worker_is_completed(job: Job):
    job.send()
    job.run()
    batch = job.undo(*job.page_ids)
    job.after[3] = raising(Killed())
    job.kill()
    job.run()
    assert job.states(batch) == {"done": 3}
    assert {job.row(page_id)["state"] for page_id in job.page_ids} == {"undone"}
    assert len(job.writes) == 6


def reject(job: Job, page_id: int) -> None:
    """Let a human answer that it is another person, and let the file be read: Commons states the person."""

    def work(db: Connection) -> None:
        face = db.value("SELECT id FROM faces WHERE page_id = %s", (page_id,))
        answers.record(db, job.project_id, job.user_id, [answers.NewAnswer("no", "no", page_id, face, "other")])
        stated = job.guids(page_id)
        db.execute("UPDATE project_files SET stated = 1, stated_id = %s WHERE page_id = %s", (stated[0], page_id))
        labels.rebuild(db, job.project_id, [page_id])

    job.database.retry(work)


def remove(job: Job, page_id: int, *, forced: bool = False) -> int:
    batch = job.database.retry(
        lambda db: plans.remove_stated(db, job.project_id, job.user_id, [page_id], forced=forced)
    )
    assert batch is not None
    return batch


def offers(job: Job) -> list[int]:
    with job.database.transaction() as db:
        return [offer.page_id for offer in plans.removal_offers(db, job.project_id)]


def test_statement_about_a_rejected_face_is_removed_if_a_human_confirms(job: Job):
    page_id = job.page_ids[0]
    job.by_bob(page_id)
    assert offers(job) == []
    reject(job, page_id)
    assert offers(job) == [page_id]
    batch = remove(job, page_id)
    job.run()
    assert (job.states(batch), job.guids(page_id)) == ({"done": 1}, [])
    assert offers(job) == []


def test_removing_a_statement_of_others_needs_a_second_confirmation(job: Job):
    page_id = job.page_ids[0]
    guid = job.by_bob(page_id, qualifiers={"P1545": "1"})
    reject(job, page_id)
    first = remove(job, page_id)
    job.run()
    assert (job.states(first), job.guids(page_id)) == ({"skipped": 1}, [guid])
    with job.database.transaction() as db:
        (offer,) = plans.removal_offers(db, job.project_id)
    assert (offer.page_id, offer.refused) == (page_id, "changed_by_others")
    second = remove(job, page_id, forced=True)
    job.run()
    assert (job.states(second), job.guids(page_id)) == ({"done": 1}, [])


def test_second_confirmation_without_the_first_is_ignored(job: Job):
    page_id = job.page_ids[0]
    guid = job.by_bob(page_id, qualifiers={"P1545": "1"})
    reject(job, page_id)
    batch = remove(job, page_id, forced=True)
    job.run()
    assert (job.states(batch), job.guids(page_id)) == ({"skipped": 1}, [guid])


def test_statement_that_replaced_the_confirmed_one_is_not_removed(job: Job):
    page_id = job.page_ids[0]
    old = job.by_bob(page_id)
    reject(job, page_id)
    batch = remove(job, page_id)
    job.wiki.other("remove_statement", id=page_id, guid=old, user="Bob")
    new = job.by_bob(page_id)
    job.run()
    assert (job.states(batch), job.guids(page_id)) == ({"skipped": 1}, [new])


def test_removal_is_not_sent_after_the_file_was_approved(job: Job):
    page_id = job.page_ids[0]
    guid = job.by_bob(page_id)
    reject(job, page_id)
    batch = remove(job, page_id)

    def change_of_mind(db: Connection) -> None:
        face = db.value("SELECT id FROM faces WHERE page_id = %s", (page_id,))
        answers.record(db, job.project_id, job.user_id, [answers.NewAnswer("yes", "yes", page_id, face, "target")])
        labels.rebuild(db, job.project_id, [page_id])

    job.database.retry(change_of_mind)
    job.run()
    assert (job.states(batch), job.guids(page_id)) == ({}, [guid]) or job.states(batch) == {"cancelled": 1}
    assert job.guids(page_id) == [guid]


def test_removal_of_our_own_statement_is_no_revert(job: Job):
    page_id = job.page_ids[0]
    job.send()
    job.run()
    reject(job, page_id)
    batch = remove(job, page_id)
    job.run()
    assert (job.states(batch), job.row(page_id)["state"]) == ({"done": 1}, "undone")


def test_revert_is_noticed_when_the_file_is_read_for_the_next_batch(job: Job):
    job.send()
    first = job.page_ids[0]
    job.after[2] = lambda params: job.wiki.other("remove_statement", id=first, value=ITEM, user="Bob")
    job.run()
    assert [job.row(page_id)["state"] for page_id in job.page_ids] == ["reverted", "done", "done"]
    assert job.send_or_none() is None
    with job.database.transaction() as db:
        assert plans.send_again(db, job.project_id, [first]) == 1
    batch = job.send()
    job.run()
    assert job.states(batch) == {"done": 1}
    assert len(job.guids(first)) == 1


def test_outdated_replica_does_not_count_as_a_revert(job: Job):
    """Data older than our edit cannot show that it was reverted."""
    job.send()
    job.run()
    row = job.row(job.page_ids[0])
    for revision, reverted in ((row["revision_id"] - 1, 0), (row["revision_id"], 1)):
        reading = Reading(row["page_id"], revision, {})
        assert job.database.retry(lambda db, reading=reading: reverts.notice(db, [reading])) == reverted  # type: ignore[misc]


def crawl_later(job: Job, days: int = 1) -> None:
    """Run the daily crawl, one or more days later, over the category of the painted pictures."""
    job.sql("UPDATE project_files SET stated_at = NOW() - INTERVAL %s DAY", days)
    tools = job.tools()

    def due(db: Connection) -> tasks.Task | None:
        db.execute("UPDATE tasks SET cursor_json = '{\"after\": 0}' WHERE kind = 'crawl'")
        tasks.want(db, "crawl", job.project_id)
        db.execute("UPDATE tasks SET cursor_json = '{\"after\": 0}' WHERE kind = 'crawl'")
        return tasks.claim(db, "crawl", "test")

    task = job.database.retry(due)
    assert task is not None
    outcome = run_stage(task, crawl.run, tools)
    job.sql("UPDATE tasks SET lease_token = NULL")
    assert type(outcome).__name__ == "Done", outcome


def test_revert_is_noticed_by_the_daily_crawl(job: Job):
    job.send()
    job.run()
    first, second, _ = job.page_ids
    job.wiki.other("remove_statement", id=first, value=ITEM, user="Bob")
    job.wiki.other("change_statement", id=second, guid=job.guids(second)[0], new_value="Q5", user="Bob")
    crawl_later(job)
    assert [job.row(page_id)["state"] for page_id in job.page_ids] == ["reverted", "reverted", "done"]
    with job.database.transaction() as db:
        assert plans.summary(db, job.project_id).counts == {"reverted": 2, "sent": 1}


def test_deletion_of_a_file_is_no_revert(job: Job):
    job.send()
    job.run()
    job.wiki.other("delete", id=job.page_ids[0])
    crawl_later(job)
    assert job.row(job.page_ids[0])["state"] == "done"


def test_undo_in_progress_is_no_revert(job: Job):
    job.send()
    job.run()
    page_id = job.page_ids[0]
    batch = job.undo(page_id)
    job.after[3] = raising(Killed())
    job.kill()
    crawl_later(job)
    assert job.row(page_id)["state"] == "done"
    job.run()
    assert (job.states(batch), job.row(page_id)["state"]) == ({"done": 1}, "undone")


def test_many_reverts_pause_the_batch_being_sent(job_of: Callable[[int], Job]):
    job = job_of(6)
    job.sql("UPDATE approvals SET suspended = 1 WHERE page_id IN (%s, %s)", *job.page_ids[4:])
    job.send()
    job.run()
    job.sql("UPDATE approvals SET suspended = 0")
    batch = job.send()
    undo = job.undo(job.page_ids[3])
    for number, page_id in enumerate(job.page_ids[:3], 1):
        job.wiki.other("remove_statement", id=page_id, value=ITEM, user="Bob")
        crawl_later(job)
        assert job.batch(batch)["state"] == ("paused" if number == 3 else "running")
    assert job.batch(batch)["pause_reason"] == "reverted"
    assert job.batch(undo)["state"] == "running", "taking our own back goes on"
    job.database.retry(lambda db: batches.resume(db, batch))
    job.run()
    assert job.states(batch) == {"done": 2}, "a human who knows may go on"


def second_user(job: Job) -> Job:
    """Bob, with his own project for the same person and files."""
    bob = job.wiki.sign_in(job.settings, job.database, "Bob")
    with job.database.transaction() as db:
        project, pages = make_project(db, job.wiki, bob, len(job.page_ids))
    assert pages == job.page_ids
    return Job(job.settings, job.database, job.wiki, bob, project, pages)


def both_sent(job: Job, other: Job) -> tuple[int, int]:
    """Queue both; a plan omits edits that are open in another project, unless both are sent at the same moment."""
    mine = job.send()
    job.sql("UPDATE edits SET state = 'failed'")
    theirs = other.send()
    job.sql("UPDATE edits SET state = 'queued'")
    return mine, theirs


def test_edit_open_in_one_project_is_not_planned_in_another(job: Job):
    other = second_user(job)
    job.send()
    assert other.send_or_none() is None


def test_two_users_can_send_the_same_files_at_the_same_time(job: Job):
    other = second_user(job)
    mine, theirs = both_sent(job, other)
    threads = [threading.Thread(target=one.run, kwargs={"worker": name}) for one, name in ((job, "a"), (other, "b"))]
    for thread in threads:
        thread.start()
    joined(threads)
    while any(
        one.states(batch).get(state) for one, batch in ((job, mine), (other, theirs)) for state in ("queued", "sending")
    ):
        job.run()
        other.run()
    assert [len(job.guids(page_id)) for page_id in job.page_ids] == [1, 1, 1]
    together = [job.states(mine), other.states(theirs)]
    assert sum(states.get("done", 0) for states in together) == 3
    assert sum(states.get("already", 0) for states in together) == 3


def test_only_one_edit_per_file_is_sent_at_a_time(job: Job):
    """While Alice's request is being sent, Bob's edit of that file waits; then the statement exists already."""
    other = second_user(job)
    mine, theirs = both_sent(job, other)

    def meanwhile(params: Any) -> None:
        other.run(worker="second")

    job.before[0] = meanwhile
    job.run()
    first = other.row(job.page_ids[0])
    assert (first["state"], first["error"]) == ("queued", "file_busy")
    assert other.states(theirs) == {"queued": 1, "done": 2}
    assert job.states(mine) == {"done": 1, "already": 2}
    other.run()
    assert other.states(theirs) == {"already": 1, "done": 2}
    assert [len(job.guids(page_id)) for page_id in job.page_ids] == [1, 1, 1]


def test_approvals_of_labellers_are_sent_with_the_account_of_the_sender(job: Job):
    bob = job.wiki.sign_in(job.settings, job.database, "Bob")
    with job.database.transaction() as db:
        projects.add_member(db, job.project_id, bob, "labeller")
        db.execute("UPDATE answers SET user_id = %s", (bob,))
        labels.rebuild(db, job.project_id, job.page_ids)
    job.send()
    job.run()
    row = job.row(job.page_ids[0])
    assert (row["approved_by"], row["user_id"]) == (bob, job.user_id)
    assert {edit["user"] for edit in job.wiki.state()["edits"]} == {"Alice"}


def test_a_small_batch_does_not_wait_for_a_large_one(job_of: Callable[[int], Job]):
    job = job_of(8)
    job.sql("UPDATE approvals SET suspended = 1 WHERE page_id <> %s", job.page_ids[0])
    job.send()
    job.run()
    job.sql("UPDATE approvals SET suspended = 0")
    large, small = job.send(), job.undo(job.page_ids[0])
    job.run()
    assert (job.states(large), job.states(small)) == ({"done": 7}, {"done": 1})
    order = [sent["action"] for sent in job.writes[1:]]
    assert "wbremoveclaims" in order[:2], "each batch has its turn"


def test_protected_pages_are_planned_only_on_request(job: Job):
    first, second, _ = job.page_ids
    job.wiki.other("protect", id=first)
    job.wiki.other("protect", id=second, level="autoconfirmed")
    crawl_later(job, days=8)
    with job.database.transaction() as db:
        assert plans.summary(db, job.project_id).counts == {"protected": 1, "send": 2}
        assert plans.send_again(db, job.project_id, [first]) == 1
    job.wiki.other("protect", id=second, level="")
    batch = job.send()
    job.run()
    assert job.states(batch) == {"done": 2, "failed": 1}
    assert job.row(first)["error"] == "protected"
    job.wiki.other("protect", id=first, level="")
    job.database.retry(lambda db: edits.retry_failed(db, batch))
    job.run()
    assert job.states(batch) == {"done": 3}
