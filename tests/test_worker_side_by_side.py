"""Several workers, and workers that are killed: no file is searched twice, no data is lost, no claim is left.

If the result of detection does not matter, the children sleep instead (testing/sleeping_worker.py); all else is real.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config import Settings
from database import Database
from sandbox.server import Sandbox
from store.projects import projects
from testing import servers
from testing.file_copies import wrong_copies
from testing.waiting import until
from tests.pipeline.support import downloads, hog, new_project, other, person, pictures_in, rows, searched, value

SLEEP = 0.05  # Seconds per picture.
Start = Callable[[Settings, str], servers.Process]


@pytest.fixture
def busy(local_settings: Settings, sandbox: Sandbox) -> Iterator[Settings]:
    """Settings of workers that lease few files at a time from a slow wiki."""
    sandbox.world.settings.latency = 0.02
    yield hog(local_settings, batch_size=4, detector_children=1, max_files=30)
    sandbox.world.settings.latency = 0.0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts workers which sleep for each picture; stop those still running at the end."""
    started: list[servers.Process] = []

    def one(settings: Settings, name: str) -> servers.Process:
        started.append(servers.sleeping_worker(settings, name, tmp_path, SLEEP))
        return started[-1]

    yield one
    for process in started:
        process.stop()


def nothing_is_claimed(database: Database) -> bool:
    held = value(
        database,
        """SELECT (SELECT COUNT(*) FROM files WHERE lease_token IS NOT NULL)
             + (SELECT COUNT(*) FROM tasks WHERE lease_token IS NOT NULL)
             + (SELECT COUNT(*) FROM faces WHERE lease_token IS NOT NULL)""",
    )
    return bool(held == 0)


def how_many_searched(database: Database) -> int:
    return int(value(database, "SELECT COUNT(*) FROM files WHERE state = 'searched'"))


def registered(database: Database) -> int:
    return int(value(database, "SELECT COUNT(*) FROM workers"))


@pytest.mark.parametrize("skip_locked", ["auto", "0"])
def test_two_workers_search_each_file_once(
    busy: Settings, database: Database, sandbox: Sandbox, start: Start, skip_locked: str
):
    settings = replace(busy, db_skip_locked=skip_locked)
    workers = [start(settings, name) for name in ("one", "two")]
    until(lambda: registered(database) == 2)  # Both workers get a share even if the machine is busy.
    project = new_project(database, person(sandbox))
    until(lambda: searched(database, project))
    until(lambda: nothing_is_claimed(database))
    twice = {title: count for title, count in downloads(sandbox).items() if count > 1}
    assert twice == {}
    titles = {f"File:{row['title']}" for row in rows(database, "SELECT title FROM files WHERE state = 'searched'")}
    assert titles == set(downloads(sandbox))
    assert len(titles) > 20
    for worker in workers:  # Otherwise the test would prove nothing.
        assert worker.output().count("searched ") > 0, worker.output()


def test_second_project_with_the_same_files_downloads_nothing(
    busy: Settings, database: Database, sandbox: Sandbox, start: Start
):
    first = new_project(database, person(sandbox))
    start(busy, "one")
    until(lambda: searched(database, first))
    before = downloads(sandbox)
    second = new_project(database, replace(person(sandbox, 1), source=person(sandbox).source), owner="Bob")
    until(lambda: value(database, "SELECT model_at FROM projects WHERE id = %s", second))
    until(lambda: searched(database, second))
    files = "SELECT page_id FROM project_files WHERE project_id = %s ORDER BY page_id"
    shared = {row["page_id"] for row in rows(database, files, first)} & {
        row["page_id"] for row in rows(database, files, second)
    }
    assert len(shared) > 20
    more = downloads(sandbox)
    assert {title for title in more if more[title] > before.get(title, 0)} <= _own(sandbox, database, second, shared)


def _own(sandbox: Sandbox, database: Database, project: int, shared: set[int]) -> set[str]:
    """Return the keys under which the sandbox counts files that only this project contains (its person's bootstrap)."""
    found = rows(database, "SELECT page_id FROM project_files WHERE project_id = %s", project)
    titles = {sandbox.world.state.pages[row["page_id"]].title for row in found if row["page_id"] not in shared}
    return {key for key in downloads(sandbox) if any(title.partition(":")[2] in key for title in titles)}


@pytest.mark.parametrize("seed", [1, 2, 3, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(4, 21))])
def test_worker_asked_to_stop_ends_within_seconds_and_loses_nothing(
    busy: Settings, database: Database, sandbox: Sandbox, tmp_path: Path, start: Start, seed: int
):
    project = new_project(database, person(sandbox))
    worker = servers.worker(busy, "one", tmp_path)
    time.sleep(random.Random(seed).uniform(0.3, 6.0))
    assert worker.stop() == 0
    assert "Traceback" not in worker.output()
    assert nothing_is_claimed(database)
    assert value(database, "SELECT COUNT(*) FROM workers") == 0
    done = how_many_searched(database)
    start(replace(busy, batch_size=50), "two")
    until(lambda: searched(database, project))
    assert how_many_searched(database) >= done
    _all_there(database, project)


def _all_there(database: Database, project: int) -> None:
    """Assert that every file is searched or gone, and every searched one has as many faces as were found."""
    states = rows(database, "SELECT state, COUNT(*) AS n FROM files GROUP BY state")
    assert {row["state"] for row in states} <= {"searched", "gone"}
    wrong = rows(
        database,
        """SELECT f.page_id FROM files f WHERE f.face_count <>
             (SELECT COUNT(*) FROM faces x WHERE x.page_id = f.page_id AND x.project_id IS NULL)""",
    )
    assert wrong == []
    with database.transaction() as db:
        assert wrong_copies(db) == []


def test_killed_worker_loses_only_its_current_work(busy: Settings, database: Database, sandbox: Sandbox, start: Start):
    project = new_project(database, person(sandbox))
    killed = start(busy, "one")
    until(lambda: how_many_searched(database) > 10)
    killed.kill()
    assert not nothing_is_claimed(database)
    done = {row["page_id"] for row in rows(database, "SELECT page_id FROM files WHERE state = 'searched'")}
    began = {row["page_id"]: row["searched_at"] for row in rows(database, "SELECT page_id, searched_at FROM files")}
    with database.transaction() as db:  # As if it had been silent for a minute.
        db.execute("UPDATE workers SET heartbeat_at = NOW() - INTERVAL 61 SECOND WHERE id = 'one'")
    other = start(busy, "two")
    until(lambda: searched(database, project))
    other.stop()
    now = {row["page_id"]: row["searched_at"] for row in rows(database, "SELECT page_id, searched_at FROM files")}
    assert {page: now[page] for page in done} == {page: began[page] for page in done}
    assert nothing_is_claimed(database)
    _all_there(database, project)


def test_worker_with_the_same_id_takes_over_immediately(
    busy: Settings, database: Database, sandbox: Sandbox, start: Start
):
    project = new_project(database, person(sandbox))
    killed = start(busy, "one")
    until(lambda: how_many_searched(database) > 5)
    killed.kill()
    assert not nothing_is_claimed(database)
    start(busy, "one")
    until(lambda: searched(database, project))
    _all_there(database, project)


def test_idle_worker_starts_a_new_project_when_notified(
    local_settings: Settings, database: Database, sandbox: Sandbox, start: Start
):
    """Not at the next full check a minute later; tests/pipeline/jobs/test_lane.py tests the polling of the signal."""
    start(hog(local_settings), "one")
    until(lambda: registered(database) == 1)
    time.sleep(1.0)
    began = time.monotonic()
    project = new_project(database, person(sandbox))
    until(lambda: value(database, "SELECT COUNT(*) FROM project_files WHERE project_id = %s", project))
    assert time.monotonic() - began < 30


def test_new_file_of_the_category_becomes_a_question_automatically(
    busy: Settings, database: Database, sandbox: Sandbox, start: Start
):
    """The category is crawled every two seconds instead of every day, without a request."""
    settings = replace(busy, recrawl_hours=2 / 3600, max_files=200)
    new = person(sandbox)
    project = new_project(database, new)
    start(settings, "one")
    until(lambda: searched(database, project))
    title = pictures_in(sandbox, new.source)[0]
    page = other(sandbox, "upload", title="File:Fresh.jpg", **{"with": title}, categories=[f"Category:{new.source}"])
    found = until(
        lambda: rows(
            database,
            """SELECT p.suggestion FROM predictions p JOIN faces f ON f.id = p.face_id
               WHERE p.project_id = %s AND f.page_id = %s""",
            project,
            page["id"],
        )
    )
    assert len(found) == 1
    assert downloads(sandbox)["File:Fresh.jpg"] == 1


def test_detection_for_a_paused_project_ends_within_one_batch(
    busy: Settings, database: Database, sandbox: Sandbox, start: Start
):
    project = new_project(database, person(sandbox))
    start(replace(busy, download_throttle=0.2), "one")
    until(lambda: how_many_searched(database) >= 3)
    with database.transaction() as db:
        projects.set_status(db, project, "paused")
    done = how_many_searched(database)
    until(lambda: nothing_is_claimed(database))
    settled = how_many_searched(database)
    assert settled - done <= 2 * busy.batch_size
    time.sleep(1.5)
    assert how_many_searched(database) == settled
    assert nothing_is_claimed(database)
    with database.transaction() as db:
        projects.set_status(db, project, "active")
    until(lambda: how_many_searched(database) > settled)
