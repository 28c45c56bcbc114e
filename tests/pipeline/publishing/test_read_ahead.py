"""More than fifty edits: the next fifty files are read while the last edits of the current ones are written."""

from collections.abc import Callable
from typing import Any

import pytest

from store.publishing import batches
from testing.waiting import until
from tests.pipeline.publishing.support import Job

FILES = 60
LAST = 49  # The last write of the first round, counted from 0.


@pytest.fixture
def job(job_of: Callable[[int], Job]) -> Job:
    return job_of(FILES)


def rounds_read(job: Job) -> int:
    return int(job.wiki.state()["counts"]["requests"].get("api:query+info|imageinfo", 0))


def second_round_is_read(job: Job) -> bool:
    """Wait until it is read; during this wait the last edit of the first round is not sent."""
    until(lambda: rounds_read(job) >= 2)
    return rounds_read(job) == 2


def counted(job: Job) -> set[int]:
    return {len(job.guids(page_id)) for page_id in job.page_ids}


def test_second_round_is_read_before_the_first_is_fully_written(job: Job):
    seen: list[bool] = []
    job.before[LAST] = lambda params: seen.append(second_round_is_read(job))
    batch = job.send()
    job.run()
    assert seen == [True]
    assert job.states(batch) == {"done": FILES}
    assert counted(job) == {1}
    assert len(job.writes) == FILES
    assert rounds_read(job) == 2, "it is not read again"


def test_edit_of_another_user_after_reading_ahead_is_noticed(job: Job):
    """The wiki merges both edits; our statement is removed and recorded as already existing."""
    page_id = job.page_ids[55]
    found: list[str] = []

    def meanwhile(params: Any) -> None:
        assert second_round_is_read(job)
        found.append(job.by_bob(page_id))

    job.before[LAST] = meanwhile
    batch = job.send()
    job.run()
    assert job.states(batch) == {"done": FILES - 1, "already": 1}
    assert job.guids(page_id) == found
    assert counted(job) == {1}


def test_file_of_two_rounds_is_read_again(job: Job):
    """Another batch of the same user has an edit of a file that the first round writes after the second was read."""
    batch = job.send()
    twice = job.page_ids[48]
    job.sql(
        """INSERT INTO edits (batch_id, project_id, user_id, page_id, title, item, action, approved_sha1)
           SELECT batch_id, project_id, user_id, page_id, title, item, action, approved_sha1 FROM edits WHERE page_id = %s""",
        twice,
    )
    job.run()
    assert job.states(batch) == {"done": FILES, "already": 1}
    assert counted(job) == {1}
    assert len(job.writes) == FILES


def test_failure_of_reading_ahead_is_repaired_by_a_regular_read(job: Job):
    broken = {"kind": "unavailable", "match": {"action": "^(query|wbget)"}, "count": 7}
    job.before[38] = lambda params: job.wiki.faults(broken)
    batch = job.send()
    job.finish()
    assert job.states(batch) == {"done": FILES}
    assert counted(job) == {1}


@pytest.mark.parametrize("end", ["pause", "stop"])
def test_edits_read_ahead_are_not_sent_after_a_pause(job: Job, end: str):
    batch = job.send()

    def meanwhile(params: Any) -> None:
        assert second_round_is_read(job)
        with job.database.transaction() as db:
            batches.pause(db, batch, "human") if end == "pause" else batches.stop(db, batch)

    job.before[LAST] = meanwhile
    job.run()
    assert job.states(batch) == {"done": LAST + 1, "queued" if end == "pause" else "cancelled": FILES - LAST - 1}
    assert len(job.writes) == LAST + 1


def test_each_edit_is_settled_before_the_next_is_sent(job: Job):
    """One commit does both: during a request, other connections see all earlier edits settled."""
    batch = job.send()
    seen: list[dict[str, int]] = []
    for number in (1, 20, LAST, LAST + 1):
        job.before[number] = lambda params: seen.append(job.states(batch))
    job.run()
    assert [found["done"] for found in seen] == [1, 20, LAST, LAST + 1]
    assert all(found["sending"] == 1 for found in seen)
