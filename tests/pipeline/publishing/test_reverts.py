"""Reading our statements again to notice reverts, also for completed and deleted projects."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.publishing import reverts
from store.projects import projects
from store.publishing import batches, plans
from testing import servers
from testing.publishing import ITEM
from testing.waiting import until
from tests.pipeline.publishing.support import Job
from tests.pipeline.support import hog


def make_due(job: Job, *, age_hours: int = 1) -> None:
    """Make all written edits old and due to be read again."""
    job.sql(
        "UPDATE edits SET finished_at = NOW() - INTERVAL %s HOUR, look_at = NOW() WHERE look_at IS NOT NULL", age_hours
    )


def take_back(job: Job, *page_ids: int) -> None:
    for page_id in page_ids:
        job.wiki.other("remove_statement", id=page_id, value=ITEM, user="Bob")


def written(job: Job, *, then: str = "completed") -> None:
    job.send()
    job.run()
    with job.database.transaction() as db:
        projects.set_status(db, job.project_id, then)  # type: ignore[arg-type]


def states(job: Job) -> list[str]:
    return [job.row(page_id)["state"] for page_id in job.page_ids]


@pytest.mark.parametrize("status", ["active", "completed", "deleted"])
def test_revert_is_noticed_also_for_a_completed_or_deleted_project(job: Job, status: str):
    written(job, then=status)
    take_back(job, job.page_ids[0])
    assert not reverts.look(job.tools()), "nothing is due within the first hour"
    make_due(job)
    assert reverts.look(job.tools())
    assert states(job) == ["reverted", "done", "done"]
    assert job.send_or_none() is None


def test_deprecated_statement_of_ours_counts_as_reverted(job: Job):
    written(job)
    first, second, _ = job.page_ids
    for page_id, rank in ((first, "deprecated"), (second, "preferred")):
        job.wiki.other("change_statement", id=page_id, value=ITEM, rank=rank, user="Bob")
    make_due(job)
    assert reverts.look(job.tools())
    assert states(job) == ["reverted", "done", "done"]
    assert not job.sql("SELECT 1 FROM project_files WHERE page_id = %s AND stated", first)


def test_reverted_statement_of_a_completed_project_is_sent_again_only_on_request(job: Job):
    written(job)
    first = job.page_ids[0]
    take_back(job, first)
    make_due(job)
    reverts.look(job.tools())
    with job.database.transaction() as db:
        assert plans.summary(db, job.project_id).counts == {"reverted": 1, "sent": 2}
        assert plans.send_again(db, job.project_id, [first]) == 1
    job.send()
    job.run()
    assert len(job.guids(first)) == 1


def test_reading_fifty_files_takes_two_requests(job_of: Callable[[int], Job]):
    job = job_of(30)
    written(job)
    make_due(job)
    before = job.wiki.state()["counts"]["requests"]["api"]
    tools = job.tools()
    while reverts.look(tools):
        pass
    assert job.wiki.state()["counts"]["requests"]["api"] - before == 2
    assert set(states(job)) == {"done"}


@pytest.mark.parametrize(("age", "distance"), [(1, 1), (5, 5), (100, 100), (24 * 89, 24 * 89), (24 * 91, None)])
def test_interval_grows_with_the_age_and_reading_ends_after_three_months(job: Job, age: int, distance: int | None):
    written(job)
    make_due(job, age_hours=age)
    assert reverts.look(job.tools())
    (again,) = job.rows("SELECT DISTINCT ROUND(TIMESTAMPDIFF(SECOND, NOW(), look_at) / 3600) AS hours FROM edits")
    assert again["hours"] == distance
    assert reverts.next_in(job.tools()) is None if distance is None else True


def test_files_due_soon_are_read_together_but_undone_edits_are_not(job: Job):
    written(job)
    first, second, third = job.page_ids
    job.sql("UPDATE edits SET look_at = NOW() + INTERVAL 5 MINUTE")
    job.sql("UPDATE edits SET look_at = NOW() WHERE page_id = %s", first)
    job.sql("UPDATE edits SET state = 'undone', look_at = NOW() WHERE page_id = %s", third)
    take_back(job, second, third)
    assert reverts.look(job.tools())
    assert states(job) == ["done", "reverted", "undone"]
    assert job.row(third)["look_at"] is None
    assert not reverts.look(job.tools())


def test_reading_is_repeated_later_if_the_wiki_is_unreachable(job: Job):
    written(job)
    take_back(job, *job.page_ids)
    make_due(job)
    job.wiki.faults({"kind": "unavailable", "match": {"action": "^(query|wbget)"}, "count": None})
    assert not reverts.look(job.tools())
    job.wiki.calm()
    assert states(job) == ["done"] * 3
    assert 1700 < (reverts.next_in(job.tools()) or 0) <= 1800
    make_due(job)
    reverts.look(job.tools())
    assert states(job) == ["reverted"] * 3


def test_two_workers_do_not_read_the_same_files(job: Job):
    written(job)
    make_due(job)
    assert [reverts.look(job.tools(name)) for name in ("one", "two")] == [True, False]


def test_many_reverts_pause_another_batch_of_the_project(job_of: Callable[[int], Job]):
    job = job_of(6)
    job.sql("UPDATE approvals SET suspended = 1 WHERE page_id IN (%s, %s)", *job.page_ids[4:])
    job.send()
    job.run()
    job.sql("UPDATE approvals SET suspended = 0")
    batch = job.send()
    take_back(job, *job.page_ids[:3])
    make_due(job)
    reverts.look(job.tools())
    with job.database.transaction() as db:
        found = batches.get(db, batch, job.project_id)
        assert (found.state, found.pause_reason) == ("paused", "reverted")
        assert plans.summary(db, job.project_id).objected


def test_revert_is_noticed_by_a_worker_process(job: Job, tmp_path: Path):
    written(job)
    take_back(job, job.page_ids[1])
    make_due(job)
    worker = servers.worker(hog(job.settings), "one", tmp_path)
    try:
        until(lambda: states(job) == ["done", "reverted", "done"])
    finally:
        assert worker.stop() == 0, worker.output()
