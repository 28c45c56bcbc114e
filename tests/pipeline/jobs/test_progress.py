"""Progress of lanes: work that has been begun and does not move is reported, for each lane."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from database import Connection
from pipeline.jobs.activity import Activity
from pipeline.jobs.lane import Lane, WorkerContext
from pipeline.jobs.progress import STUCK_AFTER, Progress
from pipeline.jobs.tools import Tools
from pipeline.jobs.wake_signal import WakeSignal
from testing.waiting import PATIENCE, joined, until


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    return Progress(clock)


def test_work_that_does_not_move_is_reported(progress: Progress, clock: Clock):
    progress.begin("a lease", "detect")
    progress.begin("a task", "crawl")
    clock.now += STUCK_AFTER - 1
    assert progress.stuck() == ""
    progress.move("a task")
    clock.now += 1
    assert progress.stuck() == "the detect lane has made no progress for 600 s"
    progress.end("a lease")
    assert progress.stuck() == ""


def test_lane_is_named_once_with_its_longest_time(progress: Progress, clock: Clock):
    progress.begin("one", "detect")
    clock.now += 50
    progress.begin("two", "detect")
    progress.begin("three", "crawl")
    clock.now += 650
    assert progress.stuck() == (
        "the crawl lane has made no progress for 650 s, the detect lane has made no progress for 700 s"
    )


def test_outage_is_not_held_against_the_lanes(progress: Progress, clock: Clock):
    progress.begin("a lease", "detect")
    clock.now += 2 * STUCK_AFTER
    progress.excuse()
    assert progress.stuck() == ""


def test_transaction_of_the_same_thread_is_progress(tools: Tools, clock: Clock):
    def nothing(db: Connection) -> None:
        """Do nothing."""

    object.__setattr__(tools, "progress", Progress(clock))
    with tools.progress.at("crawl"):
        clock.now += STUCK_AFTER
        tools.run(nothing)
        assert tools.progress.stuck() == ""
        clock.now += STUCK_AFTER
        other = threading.Thread(target=tools.run, args=(nothing,))
        other.start()
        joined([other])
        assert tools.progress.stuck()
    assert tools.progress.stuck() == ""


def test_lane_that_hangs_is_reported(tools: Tools, clock: Clock):
    object.__setattr__(tools, "progress", Progress(clock))
    looking, free = threading.Event(), threading.Event()

    def look() -> bool:
        looking.set()
        free.wait(PATIENCE)
        return False

    with running(tools, look):
        assert looking.wait(PATIENCE)
        clock.now += STUCK_AFTER
        assert tools.progress.stuck() == "the crawl lane has made no progress for 600 s"
        free.set()
        until(lambda: not tools.progress.stuck())


def test_lane_that_always_fails_is_reported(tools: Tools, clock: Clock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipeline.jobs.lane.AFTER_TROUBLE", 0.01)
    object.__setattr__(tools, "progress", Progress(clock))
    looks: list[int] = []
    calm = threading.Event()

    def look() -> bool:
        looks.append(1)
        if not calm.is_set():
            raise RuntimeError("a bug")
        return False

    with running(tools, look):
        until(lambda: len(looks) > 3)
        clock.now += STUCK_AFTER
        looked = len(looks)
        until(lambda: len(looks) > looked + 3)
        assert tools.progress.stuck() == "the crawl lane has made no progress for 600 s"
        calm.set()
        until(lambda: not tools.progress.stuck())


@contextmanager
def running(tools: Tools, look: Callable[[], bool]) -> Iterator[None]:
    """Run a lane for the length of a block."""
    wake = WakeSignal()
    threads = Lane("crawl", WorkerContext(tools, wake, Activity()), look, lambda: None).threads()
    for thread in threads:
        thread.start()
    yield
    tools.stop.set()
    wake.notify()
    joined(threads)
