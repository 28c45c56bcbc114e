"""Several pictures searched in one batch: a fault of one picture does not affect the others."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from boxes import Box
from testing.waiting import PATIENCE, until
from tests.vision.detection.faulty import cannot_open
from tests.vision.detection.pools import FAULTS, gone, make_pool
from vision.detection.errors import DetectorUnavailable, ImageError, PoolStopped, SearchCrashed, SearchError
from vision.detection.faces import SearchResult
from vision.detection.pool import TOGETHER, FacePool
from vision.detection.settings import MAX_BYTES


def sizes(found: Sequence[SearchResult | SearchError]) -> list[int | None]:
    """Return the number of bytes of each picture according to its result; None for an error."""
    return [each.height if isinstance(each, SearchResult) else None for each in found]


def test_results_of_a_batch_come_in_order_from_one_child(pool: FacePool):
    found = pool.search_all([b"fine", b"slow and large", b"broken", b"fine again"])
    assert sizes(found) == [4, 14, None, 10]
    assert isinstance(found[2], ImageError)
    assert len({each.width for each in found if isinstance(each, SearchResult)}) == 1
    assert (pool.stats().asked, pool.stats().started) == (4, 1)


@pytest.mark.parametrize(("fault", "error"), [*FAULTS, (b"x" * (MAX_BYTES + 1), ImageError)])
def test_fault_affects_only_its_own_picture(pool: FacePool, fault: bytes, error: type[SearchError]):
    found = pool.search_all([b"fine", fault, b"fine again"])
    assert sizes(found) == [4, None, 10]
    assert type(found[1]) is error
    assert pool.stats().asked == 3
    assert pool.stats().alive == 1


def test_two_faults_affect_two_pictures(pool: FacePool):
    found = pool.search_all([b"kill", b"fine", b"broken", b"bug"])
    assert [type(each) for each in found] == [SearchCrashed, SearchResult, ImageError, SearchCrashed]


def test_pictures_are_searched_again_after_the_child_was_killed(tmp_path: Path):
    pool = make_pool(timeout_s=PATIENCE)
    meet = f"meet {tmp_path}".encode()
    try:
        with ThreadPoolExecutor(1) as thread:
            found = thread.submit(pool.search_all, [b"fine", meet, b"fine 03"])
            until((tmp_path / "begun").exists)
            (child,) = pool.pids()
            os.kill(child, signal.SIGKILL)
            (tmp_path / "go").touch()
            assert sizes(found.result(PATIENCE)) == [4, len(meet), 7]
        assert pool.stats().crashed == 1
    finally:
        pool.stop()


def test_time_limit_applies_to_each_picture_of_a_batch(pool: FacePool):
    """Two seconds per picture here; after five, the kernel would end a child that does not report progress."""
    assert sizes(pool.search_all([b"slow"] * 12)) == [4] * 12
    assert (pool.stats().started, pool.stats().timed_out, pool.stats().crashed) == (1, 0, 0)


def test_large_pictures_are_passed_in_one_batch(pool: FacePool):
    assert sizes(pool.search_all([b"x" * 10_000_000] * 3)) == [10_000_000] * 3


def test_child_that_does_not_read_a_batch_is_replaced(pool: FacePool):
    pool.search(b"fine")
    (child,) = pool.pids()
    os.kill(child, signal.SIGSTOP)
    assert sizes(pool.search_all([b"fine", b"x" * 10_000_000])) == [4, 10_000_000]
    assert gone(child)


def test_drawn_box_waits_for_at_most_one_batch(tmp_path: Path):
    """Two pictures are being searched and four are waiting when the box arrives: the child gets it after the two."""
    pool = make_pool(timeout_s=PATIENCE)
    try:
        with ThreadPoolExecutor(4) as threads:
            under_way = threads.submit(pool.search_all, [f"meet {tmp_path}".encode(), b"fine"])
            until((tmp_path / "begun").exists)
            waiting = [threads.submit(pool.search_all, [b"fine"] * 2) for _ in range(2)]
            until(lambda: pool.stats().asked == 6)
            drawn = threads.submit(pool.encode, b"fine", Box(0.1, 0.1, 0.5, 0.5))
            until(lambda: pool._urgent == 1)
            (tmp_path / "go").touch()
            with pytest.raises(ImageError, match=r"after 2$"):
                drawn.result(PATIENCE)
            for each in [under_way, *waiting]:
                each.result(PATIENCE)
    finally:
        pool.stop()


@pytest.mark.parametrize("timed_out", [0, 1])
def test_stopping_ends_a_batch_or_a_single_search(timed_out: int):
    """After its time limit, the hanging picture has made the batch fail and is searched alone."""
    pool = make_pool(timeout_s=5.0 if timed_out else PATIENCE)
    pool.search(b"fine")
    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(pool.search_all, [b"hang", b"fine", b"fine"])
        until(lambda: pool.stats().timed_out == timed_out and pool.stats().busy == 1)
        pool.stop()
        assert [type(each) for each in found.result(PATIENCE)] == [PoolStopped] * 3
    assert pool.stats().alive == 0


def test_start_of_a_child_is_not_tried_for_each_picture_of_a_batch():
    pool = make_pool(open_work=cannot_open)
    try:
        assert [type(each) for each in pool.search_all([b"fine"] * 3)] == [DetectorUnavailable] * 3
        assert pool.stats().started == 1
    finally:
        pool.stop()


def test_children_are_replaced_after_a_number_of_pictures_in_batches():
    pool = make_pool(recycle_after=3)
    try:
        for _ in range(3):
            assert sizes(pool.search_all([b"fine"] * 2)) == [4, 4]
        assert pool.stats().recycled == 1
    finally:
        pool.stop()


def test_empty_batch_needs_no_child(pool: FacePool):
    assert pool.search_all([]) == []
    assert pool.stats().started == 0


@pytest.mark.parametrize("children", [1, 2, 8])
def test_few_waiting_pictures_are_divided_among_all_children(children: int):
    pool = make_pool(children)
    assert pool.share(1) == 1
    assert pool.share(2 * TOGETHER * children) == pool.share(10**6) == TOGETHER
    for waiting in range(children, 100):
        left = waiting
        for _ in range(children):
            assert left > 0
            left -= pool.share(left)
        assert left >= 0


def test_threads_can_pass_faulty_pictures_at_the_same_time():
    pool = make_pool(2)
    try:
        with ThreadPoolExecutor(4) as threads:
            batches = [[b"fine", b"kill", b"fine 2"], [b"bug", b"fine"], [b"slow", b"broken"], [b"fine", b"fine 2"]] * 3
            found = list(threads.map(pool.search_all, batches))
        assert [sizes(each) for each in found] == [[4, None, 6], [None, 4], [4, None], [4, 6]] * 3
        assert pool.stats().alive <= 2
        assert pool.stats().asked == 27
    finally:
        pool.stop()
