"""The pool of detector children: a crash, a hang or excessive memory affects one picture only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from boxes import Box
from testing.waiting import PATIENCE, until
from tests.vision.detection.faulty import cannot_open, open_faulty
from tests.vision.detection.pools import FAULTS, gone, make_pool, unprepared
from vision.detection.errors import DetectorUnavailable, ImageError, PoolStopped, SearchError
from vision.detection.pool import FacePool
from vision.detection.prepare import Prepared
from vision.detection.settings import MAX_BYTES, SearchSettings

ROOT = Path(__file__).resolve().parents[3]


def test_children_are_started_only_when_needed(pool):
    assert pool.stats().started == 0
    pool.search(b"fine")
    assert pool.stats().started == 1


def test_one_child_serves_many_pictures(pool):
    assert pool.search(b"fine").width == pool.search(b"fine").width != os.getpid()


def test_children_run_with_low_priority():
    pool = FacePool(1, SearchSettings(nice=7), open_work=open_faulty, prepare=unprepared)
    try:
        child = pool.search(b"fine").width
        assert os.getpriority(os.PRIO_PROCESS, child) == max(7, os.getpriority(os.PRIO_PROCESS, 0))
    finally:
        pool.stop()


def test_drawn_box_is_encoded_before_waiting_searches(tmp_path):
    """One picture is being searched and four are waiting when the box arrives: the child gets it after the first."""
    pool = make_pool(timeout_s=PATIENCE)
    try:
        with ThreadPoolExecutor(6) as threads:
            under_way = threads.submit(pool.search, f"meet {tmp_path}".encode())
            until((tmp_path / "begun").exists)
            waiting = [threads.submit(pool.search, b"fine") for _ in range(4)]
            until(lambda: pool.stats().asked == 5)
            drawn = threads.submit(pool.encode, b"fine", Box(0.1, 0.1, 0.5, 0.5))
            until(lambda: pool._urgent == 1)
            (tmp_path / "go").touch()
            with pytest.raises(ImageError, match=r"after 1$"):
                drawn.result(PATIENCE)
            for each in [under_way, *waiting]:
                each.result(PATIENCE)
    finally:
        pool.stop()


@pytest.mark.parametrize(("fault", "error"), FAULTS)
def test_fault_affects_one_picture(pool, fault, error):
    before = pool.search(b"fine").width
    with pytest.raises(error):
        pool.search(fault)
    assert gone(before)
    assert pool.search(b"fine").width != before
    assert pool.stats().alive == 1


def test_child_survives_a_broken_picture(pool):
    before = pool.search(b"fine").width
    with pytest.raises(ImageError, match="broken"):
        pool.search(b"broken")
    assert pool.search(b"fine").width == before


def test_child_killed_between_pictures_affects_no_picture(pool):
    before = pool.search(b"fine").width
    os.kill(before, signal.SIGKILL)
    assert pool.search(b"fine").width != before


def test_child_that_does_not_read_is_replaced(pool):
    before = pool.search(b"fine").width
    os.kill(before, signal.SIGSTOP)
    assert pool.search(b"x" * 30_000_000).width != before
    assert gone(before)


def test_large_pictures_are_passed_completely(pool):
    assert pool.search(b"x" * 30_000_000).height == 30_000_000


def test_too_large_file_is_refused_without_a_child(pool):
    with pytest.raises(ImageError, match="51 MB"):
        pool.search(b"x" * (MAX_BYTES + 1_000_000))
    assert pool.stats().started == 0


def test_drawn_box_is_passed_to_the_child(pool):
    with pytest.raises(ImageError, match=r"no face at 0\.25"):
        pool.encode(b"fine", Box(0.25, 0, 0.5, 0.5))


def test_children_are_replaced_after_a_number_of_pictures():
    pool = make_pool(recycle_after=3)
    try:
        pids = [pool.search(b"fine").width for _ in range(7)]
        assert len(set(pids)) == 3
        assert pool.stats().recycled == 2
    finally:
        pool.stop()


def test_threads_share_the_children():
    pool = make_pool(2)
    try:
        with ThreadPoolExecutor(6) as threads:
            faults = [b"fine", b"kill", b"fine", b"bug", b"broken", b"slow"] * 4
            answers = list(threads.map(lambda data: _outcome(pool, data), faults))
        assert [type(answer).__name__ for answer in answers[:6]] == [
            "int",
            "SearchCrashed",
            "int",
            "SearchCrashed",
            "ImageError",
            "int",
        ]
        assert pool.stats().alive <= 2
        assert pool.stats().crashed == 8
    finally:
        pool.stop()


def _outcome(pool: FacePool, data: bytes) -> int | SearchError:
    try:
        return pool.search(data).width
    except SearchError as error:
        return error


def test_stopping_ends_current_searches_and_refuses_new_ones():
    pool = make_pool(2, timeout_s=600.0)  # The child hangs for longer than the test may take.
    pool.search(b"fine")
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(pool.search, b"hang") for _ in range(4)]
        until(lambda: pool.stats().busy == 2)
        pids = pool.pids()
        pool.stop()
        for each in waiting:
            with pytest.raises(PoolStopped):
                each.result(timeout=PATIENCE)
    assert all(gone(pid) for pid in pids)
    with pytest.raises(PoolStopped):
        pool.search(b"fine")
    pool.stop()


def test_failure_to_start_a_child_is_no_error_of_the_picture():
    pool = make_pool(open_work=cannot_open)
    try:
        with pytest.raises(DetectorUnavailable):
            pool.search(b"fine")
        with pytest.raises(DetectorUnavailable):
            pool.search(b"fine")
        assert pool.stats().alive == 0
    finally:
        pool.stop()


def test_preparation_runs_once_and_can_change_the_settings():
    calls = []

    def degrade(settings: SearchSettings, stop: threading.Event) -> Prepared:
        calls.append(settings.detector)
        return Prepared(SearchSettings("hog"), {"CenterFace": "not today"})

    pool = make_pool(2, prepare=degrade)
    try:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(pool.search, [b"slow", b"slow"]))
        assert pool.make_ready() == {"CenterFace": "not today"}
        assert calls == ["hog+centerface"]
        assert pool.settings.detector == "hog"
    finally:
        pool.stop()


PARENT = """
    import sys, time, threading
    from vision.detection.pool import FacePool
    from vision.detection.settings import SearchSettings
    from tests.vision.detection.faulty import open_faulty
    from tests.vision.detection.pools import unprepared

    if __name__ == "__main__":
        pool = FacePool(2, SearchSettings(), timeout_s=600, open_work=open_faulty, prepare=unprepared)
        print(pool.search(b"fine").width, flush=True)
        threading.Thread(target=lambda: pool.search(b"hang"), daemon=True).start()
        while pool.stats().busy == 0:
            time.sleep(0.01)
        print(pool.search(b"fine").width, flush=True)
        time.sleep(600)
"""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(PARENT))
    process = subprocess.Popen(
        [sys.executable, script],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": os.defpath},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        yield process
        process.kill()


def _line(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_children_end_with_their_parent(parent):
    children = {_line(parent), _line(parent)}
    assert len(children) == 2
    parent.kill()
    until(lambda: all(gone(pid) for pid in children), "the children end")


def test_children_do_not_receive_signals_to_the_process_group_of_the_worker(parent):
    children = {_line(parent), _line(parent)}
    assert {os.getpgid(pid) for pid in children}.isdisjoint({os.getpgid(parent.pid)})
