"""Publishing after the person's item was merged into another one, or deleted, between the answer and the write."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.projects import person_check
from pipeline.publishing import reverts
from store.accounts import blocked_items
from store.labelling import progress
from store.projects import merges, projects
from store.projects.projects import NewProject, create
from store.publishing import batches, plans
from testing.publishing import ITEM
from tests.pipeline.publishing.support import Job, Killed, raising
from tests.pipeline.publishing.test_publish_more import crawl_later

NEW = "Q900000076"


@pytest.fixture
def merge(job: Job) -> Callable[[], None]:
    job.wiki.other("make_item", item=NEW, label="Barack Obama, the same")
    return lambda: job.wiki.other("merge_items", item=ITEM, into=NEW)


def named(job: Job, page_id: int) -> list[str]:
    """Return the items that a file states."""
    page = next(page for page in job.wiki.state()["files"] if page["id"] == page_id)
    return [one["mainsnak"]["datavalue"]["value"]["id"] for one in page["statements"]]


def item_of(job: Job) -> str:
    (row,) = job.rows("SELECT item FROM projects WHERE id = %s", job.project_id)
    return str(row["item"])


def test_target_of_the_merger_is_written_and_stored_in_the_project(job: Job, merge: Callable[[], None]):
    batch = job.send()
    merge()
    job.run()
    assert job.states(batch) == {"done": 3}
    assert [named(job, page_id) for page_id in job.page_ids] == [[NEW]] * 3
    assert item_of(job) == NEW
    assert job.batch(batch)["item"] == NEW
    assert {job.row(page_id)["item"] for page_id in job.page_ids} == {NEW}
    assert all(f"[[d:{NEW}|" in sent["summary"] for sent in job.writes)


def test_statement_with_the_merged_item_counts_as_existing(job: Job, merge: Callable[[], None]):
    batch = job.send()
    theirs = job.by_bob(job.page_ids[1])
    merge()
    job.run()
    assert job.states(batch) == {"done": 2, "already": 1}
    assert named(job, job.page_ids[1]) == [ITEM]
    assert job.row(job.page_ids[1])["statement_id"] == theirs


def test_statement_written_before_the_merger_is_not_written_again(job_of: Callable[[int], Job]):
    job = job_of(4)
    job.wiki.other("make_item", item=NEW, label="The same")
    job.sql("UPDATE approvals SET suspended = 1 WHERE page_id = %s", job.page_ids[3])
    job.send()
    job.run()
    job.wiki.other("merge_items", item=ITEM, into=NEW)
    job.sql("UPDATE approvals SET suspended = 0")
    batch = job.send()
    job.run()
    assert job.states(batch) == {"done": 1}
    assert [named(job, page_id) for page_id in job.page_ids] == [[ITEM]] * 3 + [[NEW]]
    with job.database.transaction() as db:
        assert plans.summary(db, job.project_id).counts == {"sent": 4}
        assert progress.counts(db, [job.project_id])[job.project_id].unsent == 0


def test_bot_that_replaces_the_merged_item_by_its_target_is_no_revert(job: Job, merge: Callable[[], None]):
    """The statement keeps its id; it can also be undone."""
    job.send()
    job.run()
    merge()
    with job.database.transaction() as db:
        merges.follow(db, ITEM, NEW, blocked=False)
    first, second, third = job.page_ids
    for page_id, item in ((first, NEW), (second, "Q5")):
        job.wiki.other("change_statement", id=page_id, guid=job.guids(page_id)[0], new_value=item, user="Bob")
    job.sql("UPDATE edits SET look_at = NOW()")
    reverts.look(job.tools())
    assert [job.row(page_id)["state"] for page_id in job.page_ids] == ["done", "reverted", "done"]
    batch = job.undo(first, third)
    job.run()
    assert job.states(batch) == {"done": 2}
    assert [named(job, page_id) for page_id in job.page_ids] == [[], ["Q5"], []]


def test_edit_being_sent_with_the_merged_item_is_not_repeated(job: Job, merge: Callable[[], None]):
    batch = job.send()
    job.after[0] = raising(Killed())
    job.kill()
    merge()
    job.run()
    assert job.states(batch) == {"done": 3}
    assert [named(job, page_id) for page_id in job.page_ids] == [[ITEM], [NEW], [NEW]]


def test_deleted_item_pauses_the_batch_with_a_reason(job: Job):
    batch = job.send()
    job.wiki.other("delete_item", item=ITEM)
    job.run()
    assert not job.writes
    found = job.batch(batch)
    assert (found["state"], found["pause_reason"], job.states(batch)) == ("paused", "item_deleted", {"queued": 3})
    job.wiki.other("make_item", item=ITEM, label="Restored")
    job.database.retry(lambda db: batches.resume(db, batch))
    job.run()
    assert job.states(batch) == {"done": 3}


def test_statements_with_a_deleted_item_can_be_undone(job: Job):
    job.send()
    job.run()
    job.wiki.other("delete_item", item=ITEM)
    batch = job.undo(*job.page_ids)
    job.run()
    assert job.states(batch) == {"done": 3}


def test_blocked_person_is_not_written_with_a_merged_item(job: Job, merge: Callable[[], None]):
    with job.database.transaction() as db:
        blocked_items.add(db, NEW, "asked for", job.user_id)
    batch = job.send()
    merge()
    job.run()
    assert not job.writes
    assert job.states(batch) == {"cancelled": 3}
    (project,) = job.rows("SELECT status, barred FROM projects WHERE id = %s", job.project_id)
    assert project == {"status": "paused", "barred": "blocked_item"}


def test_merger_is_followed_if_a_project_about_the_target_exists(job: Job, merge: Callable[[], None]):
    """Two projects cannot have the same person and source; the statements of the first still use the target."""
    with job.database.transaction() as db:
        create(db, job.user_id, NewProject(NEW, "The same", "Barack Obama"))
    batch = job.send()
    merge()
    job.run()
    assert item_of(job) == ITEM
    assert job.states(batch) == {"done": 3}
    assert [named(job, page_id) for page_id in job.page_ids] == [[NEW]] * 3


def test_sender_waits_while_wikidata_is_unreachable(job: Job):
    batch = job.send()
    broken: dict[str, Any] = {"kind": "unavailable", "match": {"action": "wbgetentities"}, "count": 4}
    job.wiki.faults(broken)
    job.run()
    assert job.states(batch) == {"done": 3}


def test_chain_of_mergers_is_followed_to_the_last_item(job: Job):
    with job.database.transaction() as db:
        merges.follow(db, "Q1", "Q2", blocked=False)
        merges.follow(db, "Q2", "Q3", blocked=False)
        assert merges.names(db, "Q1") == merges.names(db, "Q3") == frozenset({"Q1", "Q2", "Q3"})
        assert merges.names(db, "Q4") == frozenset({"Q4"})
        merges.follow(db, "Q3", "Q1", blocked=False)
        assert merges.names(db, "Q2") == frozenset({"Q1", "Q2", "Q3"})


def test_crawl_follows_a_merger_and_counts_statements_with_the_old_item(job: Job, merge: Callable[[], None]):
    job.by_bob(job.page_ids[0])
    merge()
    with job.database.transaction() as db:
        project = projects.get(db, job.project_id)
    assert project is not None
    assert not person_check.blocked_today(project, job.tools())
    assert item_of(job) == NEW
    crawl_later(job, days=8)
    with job.database.transaction() as db:
        assert plans.summary(db, job.project_id).counts == {"stated": 1, "send": 2}
