"""Fixtures with the tools of a worker, for tests that run a single stage."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from config import Settings
from database import Connection, Database
from pipeline.jobs.lane import Stage, run_stage, settle
from pipeline.jobs.outcome import Outcome
from pipeline.jobs.tools import Tools, children, open_wiki, search_settings
from store import worker_claims
from store.jobs import tasks
from store.jobs.tasks import Kind, Task
from testing.publishing import Wiki
from tests.pipeline.publishing.support import Job, new_job, painted
from tests.pipeline.support import hog
from vision.detection.pool import FacePool


@pytest.fixture(scope="session")
def pool() -> Iterator[FacePool]:
    """Detector children for the whole run, because starting them takes a second.

    They have normal priority, unlike those of a worker: on a busy machine they would hardly run.
    """
    settings = hog(Settings())
    found = FacePool(children(settings), replace(search_settings(settings), nice=0))
    yield found
    found.stop()


@pytest.fixture
def tools(local_settings: Settings, database: Database, pool: FacePool) -> Iterator[Tools]:
    """The tools of a worker called "test" that works on the sandbox."""
    stop = threading.Event()
    settings = hog(local_settings)
    wiki = open_wiki(settings, stop)
    database.retry(lambda db: worker_claims.register(db, "test", "localhost", 1))
    yield Tools(settings, database, wiki, pool, "test", stop, rng=random.Random(1))
    stop.set()
    wiki.close()


Run = Callable[[Kind, Stage], Outcome | None]


@pytest.fixture
def run(tools: Tools) -> Run:
    """Claim the due work of a kind, run its stage and settle it; return the outcome."""

    def once(kind: Kind, stage: Stage) -> Outcome | None:
        task = claimed(tools.database, kind)
        outcome = run_stage(task, stage, tools)
        settle(task, outcome, tools)
        return outcome

    return once


def claimed(database: Database, kind: Kind, worker: str = "test") -> Task:
    """Claim the due work of a kind."""

    def work(db: Connection) -> Task | None:
        return tasks.claim(db, kind, worker)

    found = database.retry(work)
    assert found is not None, f"no {kind} is due"
    return found


def changed(tools: Tools, **more: Any) -> Tools:
    """Return the same tools with other settings."""
    return replace(tools, settings=replace(tools.settings, **more))


@pytest.fixture(scope="session")
def painted_wiki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wiki]:
    """A sandbox for publishing, with pictures that no detector searches."""
    with painted(tmp_path_factory.mktemp("painted"), 70) as wiki:
        yield wiki


@pytest.fixture
def job_of(settings: Settings, database: Database, painted_wiki: Wiki) -> Callable[[int], Job]:
    """Return a function that creates such a job with the given number of files."""
    return lambda files: new_job(settings, database, painted_wiki, files)


@pytest.fixture
def job(settings: Settings, database: Database, painted_wiki: Wiki) -> Job:
    """Three approved files of a volunteer who is signed in."""
    return new_job(settings, database, painted_wiki)
