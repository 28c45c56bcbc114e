"""More than fifty edits: the next round is read while the last edits of this one are written."""

from collections.abc import Callable
from typing import Any

import pytest

from store.publishing import batches
from testing.waiting import until
from tests.pipeline.publishing.support import Job

FILES = 60
LAST = 49  # the last write of the first round, counted from 0


@pytest.fixture
def job(job_of: Callable[[int], Job]) -> Job:
    return job_of(FILES)


def rounds_read(job: Job) -> int:
    return int(job.wiki.state()["counts"]["requests"].get("api:query+info|imageinfo", 0))


def second_round_is_read(job: Job) -> bool:
    """Wait for it; while this waits, the last edit of the first round has not been sent."""
    until(lambda: rounds_read(job) >= 2)
    return rounds_read(job) == 2


def counted(job: Job) -> set[int]:
    return {len(job.guids(page_id)) for page_id in job.page_ids}


def test_the_second_round_is_read_before_the_first_is_written(job: Job):
    seen: list[bool] = []
    job.before[LAST] = lambda params: seen.append(second_round_is_read(job))
    batch = job.send()
    job.run()
    assert seen == [True]
    assert job.states(batch) == {"done": FILES}
    assert counted(job) == {1}
    assert len(job.writes) == FILES
    assert rounds_read(job) == 2, "it is not read again"


def test_what_somebody_writes_after_it_was_read_ahead_is_seen(job: Job):
    """The wiki merges both; ours is taken back, and reported is that it was there already."""
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


def test_a_file_of_both_rounds_is_read_again(job: Job):
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


def test_what_cannot_be_read_ahead_is_read_in_its_time(job: Job):
    broken = {"kind": "unavailable", "match": {"action": "^(query|wbget)"}, "count": 7}
    job.before[38] = lambda params: job.wiki.faults(broken)
    batch = job.send()
    job.finish()
    assert job.states(batch) == {"done": FILES}
    assert counted(job) == {1}


@pytest.mark.parametrize("end", ["pause", "stop"])
def test_what_was_read_ahead_is_not_sent_once_somebody_pauses(job: Job, end: str):
    batch = job.send()

    def meanwhile(params: Any) -> None:
        assert second_round_is_read(job)
        with job.database.transaction() as db:
            batches.pause(db, batch, "human") if end == "pause" else batches.stop(db, batch)

    job.before[LAST] = meanwhile
    job.run()
    assert job.states(batch) == {"done": LAST + 1, "queued" if end == "pause" else "cancelled": FILES - LAST - 1}
    assert len(job.writes) == LAST + 1


def test_each_edit_is_written_down_before_the_next_goes_out(job: Job):
    """One commit does both: whoever looks while a request is out sees all those before it settled."""
    batch = job.send()
    seen: list[dict[str, int]] = []
    for number in (1, 20, LAST, LAST + 1):
        job.before[number] = lambda params: seen.append(job.states(batch))
    job.run()
    assert [found["done"] for found in seen] == [1, 20, LAST, LAST + 1]
    assert all(found["sending"] == 1 for found in seen)
