"""The detection lane with a failing wiki and a failing detector: which failures count against a file."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import pytest

from boxes import Box
from database import Connection, Database
from pipeline.detection import detect
from pipeline.detection.conveyor import MOST_BYTES, Conveyor
from pipeline.jobs.activity import Activity
from pipeline.jobs.lane import WorkerContext
from pipeline.jobs.progress import STUCK_AFTER, Progress
from pipeline.jobs.tools import Tools
from pipeline.jobs.wake_signal import WakeSignal
from sandbox.server import Sandbox
from store.detection import files, searches
from store.projects import projects
from testing.waiting import PATIENCE, at_rest, joined, until
from tests.pipeline.detection.test_detect import impatient
from tests.pipeline.support import downloads, new_project, person, pictures_in, rows, value
from vision.detection.errors import DetectorUnavailable, SearchCrashed, SearchError
from vision.detection.faces import Face, SearchResult
from vision.detection.pool import TOGETHER, FacePool
from vision.detection.settings import SearchSettings


class Pool(FacePool):
    """A pool without children: pictures have one face, or fail with `error`: all of them, or every third picture.

    Each picture takes `seconds`; the first one also waits for `begin`.
    """

    def __init__(self) -> None:
        super().__init__(1, SearchSettings(detector="hog"))
        self.error: Exception | None = None
        self.every_third = False
        self.seconds = 0.0
        self.begin: Callable[[], bool] = lambda: True
        self.batches: list[int] = []

    def search_all(self, images: Sequence[bytes]) -> list[SearchResult | SearchError]:
        before = sum(self.batches)
        self.batches.append(len(images))
        if not before:
            until(self.begin, "the first search may begin")
        return [self._searched(before + n) for n in range(len(images))]

    def _searched(self, number: int) -> SearchResult | SearchError:
        time.sleep(self.seconds)
        if self.error and not (self.every_third and number % 3):
            if isinstance(self.error, SearchError):
                return self.error
            raise self.error
        face = Face(
            box=Box(0.2, 0.2, 0.3, 0.3),
            score=1.0,
            detector="hog-1",
            landmarks=np.zeros((5, 2), np.float32),
            encoding=np.zeros(128, np.float32),
            encoder=self.settings.encoder_version,
            size_px=100.0,
            native_px=100.0,
            sharpness=1.0,
            poor=False,
            chip_jpeg=b"jpeg",
        )
        return SearchResult(100, 100, (face,), self.settings.detector_version, self.settings.encoder_version)


@pytest.fixture
def fake() -> Pool:
    return Pool()


@contextmanager
def conveyor(tools: Tools, most_bytes: int = MOST_BYTES) -> Iterator[WakeSignal]:
    """Run the detection lane for the length of a block."""
    wake = WakeSignal()
    threads = Conveyor(WorkerContext(tools, wake, Activity()), most_bytes).threads()
    for thread in threads:
        thread.start()
    try:
        yield wake
    finally:
        tools.stop.set()
        wake.notify()
        joined(threads)
        assert not [thread.name for thread in threads if thread.is_alive()]


@pytest.fixture
def project(sandbox: Sandbox, database: Database) -> int:
    """A project with twelve files."""
    new = person(sandbox)
    found = new_project(database, new)
    titles = pictures_in(sandbox, new.label)[:12]
    with database.transaction() as db:
        pages = [(sandbox.world.titles[f"File:{title}"], title) for title in titles]
        files.add_to_project(db, found, pages, "source", 100)
    return found


def states(database: Database) -> dict[str, int]:
    return {row["state"]: row["n"] for row in rows(database, "SELECT state, COUNT(*) AS n FROM files GROUP BY state")}


def free(database: Database) -> bool:
    return not value(database, "SELECT COUNT(*) FROM files WHERE lease_token IS NOT NULL")


def small(tools: Tools, fake: Pool, batch_size: int = 4) -> Tools:
    settings = replace(tools.settings, batch_size=batch_size, detector_children=1, poll_interval=0.3)
    return replace(tools, pool=fake, settings=settings, rng=random.Random(3))


def test_all_files_are_searched_and_a_model_run_is_requested(
    tools: Tools, database: Database, project: int, fake: Pool
):
    with conveyor(small(tools, fake)):
        until(lambda: states(database) == {"searched": 12} and free(database))
        until(lambda: value(database, "SELECT due_at <= NOW(3) FROM tasks WHERE kind = 'model'"))


def test_unreachable_wiki_does_not_count_against_the_files(
    tools: Tools, database: Database, sandbox: Sandbox, project: int, fake: Pool
):
    sandbox.world.faults.add({"kind": "unavailable", "match": {"path": "api.php"}, "count": 1})
    with conveyor(replace(small(tools, fake), wiki=impatient(tools))):
        until(lambda: sandbox.world.faults.struck.get("unavailable"))
        until(lambda: states(database) == {"searched": 12})
    assert value(database, "SELECT MAX(attempts) FROM files") == 0


def test_picture_that_crashes_the_detector_fails_alone(tools: Tools, database: Database, project: int, fake: Pool):
    fake.error = SearchCrashed("The process ended.")
    with conveyor(small(tools, fake)):
        until(lambda: value(database, "SELECT COUNT(*) FROM files WHERE error = 'search_crashed'") == 12)
    assert states(database) == {"waiting": 12}
    labels = {"stage": "detect", "reason": "search_crashed"}
    assert tools.metrics.registry.get_sample_value("wikivisage_errors_total", labels) == 12
    assert value(database, "SELECT COUNT(*) FROM project_files WHERE search_due_at > NOW() + INTERVAL 100 SECOND") == 12


def test_without_a_detector_files_are_released_and_the_lane_waits(
    tools: Tools, database: Database, sandbox: Sandbox, project: int, fake: Pool
):
    fake.error = DetectorUnavailable("No process can be started.")
    with conveyor(small(tools, fake)):
        until(lambda: downloads(sandbox))
        until(lambda: free(database))
        at_rest(lambda: sum(downloads(sandbox).values()))
    assert states(database) == {"waiting": 12}
    assert value(database, "SELECT MAX(attempts) FROM files") == 0


def test_unexpected_exception_counts_against_its_file(tools: Tools, database: Database, project: int, fake: Pool):
    fake.error = ValueError("a bug")
    with conveyor(small(tools, fake)):
        until(lambda: value(database, "SELECT COUNT(*) FROM files WHERE error = 'internal'") == 12)
    assert states(database) == {"waiting": 12}


def test_files_that_cannot_be_settled_at_all_are_given_back(
    tools: Tools, database: Database, project: int, fake: Pool, monkeypatch: pytest.MonkeyPatch
):
    """More files than there are places for leases can neither be stored nor be counted as failed."""
    monkeypatch.setattr("pipeline.detection.conveyor.AFTER_TROUBLE", 0.01)
    lost: list[int] = []

    def refused(*given: object) -> NoReturn:
        lost.append(1)
        raise RuntimeError("a bug")

    mine = small(tools, fake)
    with monkeypatch.context() as patched:
        patched.setattr(detect, "keep", refused)
        patched.setattr(detect, "fail", refused)
        lane = ExitStack()
        lane.enter_context(conveyor(mine))
        until(lambda: len(lost) > 24)
    with lane:
        until(lambda: states(database) == {"searched": 12} and free(database))
    assert mine.progress.stuck() == ""


def test_lane_whose_leases_do_not_move_is_reported(tools: Tools, database: Database, project: int, fake: Pool):
    now = [0.0]
    mine = replace(small(tools, fake), progress=Progress(lambda: now[0]))
    hangs, free_again = threading.Event(), threading.Event()

    def begin() -> bool:
        hangs.set()
        return free_again.is_set()

    fake.begin = begin
    with conveyor(mine):
        assert hangs.wait(PATIENCE)
        now[0] += STUCK_AFTER
        until(lambda: mine.progress.stuck() == "the detect lane has made no progress for 600 s")
        free_again.set()
        until(lambda: states(database) == {"searched": 12} and free(database))
        until(lambda: not mine.progress.stuck())


@pytest.mark.parametrize("name", ["give_back", "over"])
def test_lease_that_cannot_be_ended_is_ended_later(
    tools: Tools, database: Database, project: int, fake: Pool, monkeypatch: pytest.MonkeyPatch, name: str
):
    """The lease is given back, and the runs of the model that it has to request are requested."""
    works, failures = getattr(searches, name), [1] * 5

    def refused(db: Connection, *given: Any) -> Any:
        if failures:
            failures.pop()
            raise RuntimeError("a bug")
        return works(db, *given)

    monkeypatch.setattr(searches, name, refused)
    with conveyor(small(tools, fake)):
        until(lambda: states(database) == {"searched": 12} and free(database))
        until(lambda: value(database, "SELECT due_at <= NOW(3) FROM tasks WHERE kind = 'model'"))
    assert len(failures) < 5


def test_waiting_pictures_are_searched_together(
    tools: Tools, database: Database, sandbox: Sandbox, project: int, fake: Pool
):
    fake.seconds, fake.begin = 0.2, lambda: sum(downloads(sandbox).values()) >= 4
    with conveyor(small(tools, fake)):
        until(lambda: states(database) == {"searched": 12})
    assert sum(fake.batches) == 12
    assert 1 < max(fake.batches) <= TOGETHER


def test_pictures_that_fill_the_memory_limit_wait_one_at_a_time(
    tools: Tools, database: Database, project: int, fake: Pool
):
    fake.seconds = 0.1
    with conveyor(small(tools, fake), most_bytes=1):
        until(lambda: states(database) == {"searched": 12})
    assert fake.batches == [1] * 12


def test_pictures_searched_together_are_settled_separately(
    tools: Tools, database: Database, sandbox: Sandbox, project: int, fake: Pool
):
    fake.begin = lambda: sum(downloads(sandbox).values()) >= 4
    fake.seconds, fake.error, fake.every_third = 0.2, SearchCrashed("The process ended."), True
    with conveyor(small(tools, fake)):
        until(lambda: sum(fake.batches) == 12 and free(database))
    assert max(fake.batches) > 1
    assert states(database) == {"searched": 8, "waiting": 4}
    assert value(database, "SELECT COUNT(*) FROM files WHERE error = 'search_crashed' AND attempts = 1") == 4


def test_lost_lease_affects_only_its_own_file(tools: Tools, database: Database, project: int, fake: Pool):
    fake.seconds = 0.3
    with conveyor(small(tools, fake, batch_size=12)):
        until(lambda: states(database).get("searched", 0) >= 1)
        with database.transaction() as db:
            db.execute(
                "UPDATE files SET lease_token = %s WHERE state = 'waiting' ORDER BY page_id DESC LIMIT 1", (b"x" * 16,)
            )
        until(lambda: states(database) == {"searched": 11, "waiting": 1})
        until(lambda: sum(fake.batches) == 12)
    assert states(database) == {"searched": 11, "waiting": 1}
    assert max(fake.batches) > 1


def test_paused_project_releases_files_that_are_not_searched(
    tools: Tools, database: Database, project: int, fake: Pool
):
    fake.seconds = 0.5
    with conveyor(small(tools, fake)):
        until(lambda: states(database).get("searched", 0) >= 1)
        with database.transaction() as db:
            projects.set_status(db, project, "paused")
        until(lambda: free(database))
        done = states(database)["searched"]
        time.sleep(1.0)
        assert states(database)["searched"] == done < 12


def test_pictures_are_downloaded_while_others_are_searched(
    tools: Tools, database: Database, sandbox: Sandbox, project: int, fake: Pool
):
    """The first search ends when four more pictures have been downloaded."""
    fake.begin = lambda: sum(downloads(sandbox).values()) >= 5
    with conveyor(small(tools, fake)):
        until(lambda: states(database) == {"searched": 12})
    assert max(downloads(sandbox).values()) == 1
