"""Errors of the database at every statement of every lane: afterwards, all work is done, and no claim is left behind."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pymysql
import pytest

from boxes import Box
from database import Connection, Database, DatabaseError
from pipeline import lanes
from pipeline.detection import conveyor, drawn_faces
from pipeline.jobs import lane
from pipeline.jobs.activity import Activity
from pipeline.jobs.lane import WorkerContext
from pipeline.jobs.tools import Tools
from pipeline.jobs.wake_signal import WakeSignal
from sandbox.server import Sandbox
from store.detection import faces, files, search_turns
from testing.waiting import joined, until
from tests.pipeline.conftest import changed
from tests.pipeline.detection.test_conveyor import Pool
from tests.pipeline.publishing.support import Job
from tests.pipeline.support import new_project, person, rows, value
from vision.detection.faces import Face

READ_ONLY, TABLE_FULL, DEADLOCK, LOST, LASTING = (1290, 1792, 1836), (1114, 1021), 1213, 2013, 1054
CODES = (*READ_ONLY, *TABLE_FULL, DEADLOCK, LOST, LASTING)
LANES = ("detect", "download", "search", "drawn", "crawl", "model", "reverts", "publish")


class Faults:
    """An error of this code at the first execution of each statement in each lane, and at each kind of commit."""

    def __init__(self, patched: pytest.MonkeyPatch, code: int) -> None:
        self.code = code
        self.struck: Counter[tuple[str, str]] = Counter()
        self._here = threading.local()
        execute, commit = pymysql.cursors.Cursor.execute, pymysql.connections.Connection.commit

        def failing_execute(cursor: Any, query: Any, args: Any = None) -> int:
            # An INSERT of several rows arrives as bytes that contain the values.
            text = query if isinstance(query, str) else bytes(query).partition(b"VALUES")[0].decode()
            self._here.last = re.sub(r"%s(,\s*%s)*", "%s", text)
            self._strike(self._here.last)
            return execute(cursor, query, args)

        def failing_commit(connection: Any) -> None:
            self._strike(f"COMMIT after {getattr(self._here, 'last', '')}")
            commit(connection)

        patched.setattr(pymysql.cursors.Cursor, "execute", failing_execute)
        patched.setattr(pymysql.connections.Connection, "commit", failing_commit)

    def _strike(self, statement: str) -> None:
        name = threading.current_thread().name.rpartition("-")[0]
        if name not in LANES or "SESSION" in statement or "VERSION()" in statement:
            return
        self.struck[name, statement] += 1
        if self.struck[name, statement] == 1:
            raise pymysql.err.OperationalError(self.code, "injected")


class EncodingPool(Pool):
    """A pool that also encodes drawn faces."""

    def encode(self, image: bytes, box: Box) -> Face:
        found = self._searched(1)
        assert not isinstance(found, Exception)
        return replace(found.faces[0], box=box, encoding=np.ones(128, np.float32))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (lane, conveyor, drawn_faces):
        monkeypatch.setattr(module, "AFTER_TROUBLE", 0.02)


def hurry(db: Connection) -> None:
    """Make everything due that waits after an error; claims are left alone."""
    db.execute("UPDATE tasks SET due_at = NOW(3) WHERE lease_token IS NULL AND error IS NOT NULL AND due_at > NOW(3)")
    later = db.column(
        "SELECT page_id FROM files WHERE state = 'waiting' AND lease_token IS NULL AND search_due_at > NOW()"
    )
    for page_id in later:
        db.execute("UPDATE files SET search_due_at = NOW() WHERE page_id = %s AND lease_token IS NULL", (page_id,))
        files.copy_to_projects(db, [page_id])
        search_turns.wait_for(db, [page_id])
    # A drawn face is put off by a claim that expires two minutes later.
    db.execute(
        """UPDATE faces SET leased_at = NOW() - INTERVAL 16 MINUTE
           WHERE state = 'waiting' AND leased_at < NOW() - INTERVAL 5 MINUTE"""
    )


def draw_a_face(database: Database, project: int) -> bool:
    """Draw a face in a file of the project, and return whether there was one."""

    def work(db: Connection) -> bool:
        hurry(db)
        page_id = db.value(
            "SELECT page_id FROM project_files WHERE project_id = %s ORDER BY page_id LIMIT 1", (project,)
        )
        if page_id is not None:
            user = db.value("SELECT id FROM users")
            faces.draw(db, project, page_id, user, Box(0.6, 0.6, 0.2, 0.2), replaces=None, sha1=None)
        return page_id is not None

    return database.retry(work)


def left(database: Database) -> list[dict[str, Any]]:
    """Return what is not done: files, drawn faces and tasks that wait or are claimed.

    Files that other tests have moved or deleted in the sandbox are gone, and done with.
    """
    return [
        *rows(
            database,
            """SELECT 'file', state, error, lease_worker FROM files
               WHERE state NOT IN ('searched', 'gone') OR lease_token IS NOT NULL""",
        ),
        *rows(
            database,
            """SELECT 'face', state, lease_worker FROM faces
               WHERE project_id IS NOT NULL AND (state <> 'encoded' OR lease_token IS NOT NULL)""",
        ),
        *rows(
            database,
            """SELECT 'task', kind, error, lease_worker FROM tasks
               WHERE lease_token IS NOT NULL OR error IS NOT NULL OR due_at <= NOW(3)""",
        ),
    ]


@pytest.fixture
def worker(tools: Tools) -> Iterator[tuple[Tools, Callable[[], None]]]:
    """The tools of a worker whose pictures have one face each, and a function that starts all its lanes."""
    pool = EncodingPool()
    mine = replace(changed(tools, batch_size=4, detector_children=1, poll_interval=0.2, max_files=10), pool=pool)
    wake = WakeSignal()
    threads = lanes.threads(WorkerContext(mine, wake, Activity()))
    started: list[threading.Thread] = []

    def start() -> None:
        for thread in threads:
            thread.start()
            started.append(thread)

    yield mine, start
    mine.stop.set()
    wake.notify()
    joined(thread for thread in started if thread.name != "drop-unused")


@pytest.mark.parametrize("code", CODES)
def test_everything_is_done_after_an_error_at_every_statement(
    code: int,
    database: Database,
    sandbox: Sandbox,
    worker: tuple[Tools, Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
):
    tools, start = worker
    project = new_project(database, person(sandbox))
    with monkeypatch.context() as patched:
        faults = Faults(patched, code)
        start()

        def all_is_done() -> bool:
            database.retry(hurry)
            return bool(value(database, "SELECT COUNT(*) >= 10 FROM files")) and not left(database)

        until(lambda: draw_a_face(database, project))
        until(all_is_done, "everything is done", every=0.2)
        assert {name for name, _ in faults.struck} >= {"detect", "search", "drawn", "crawl", "model"}
        assert any("'searched'" in statement for name, statement in faults.struck if name == "search")
    if code != LASTING:
        tries = value(database, "SELECT MAX(attempts) FROM files WHERE state = 'searched'")
        assert tries == 0, "a temporary error counts against no file"
    assert value(database, "SELECT COUNT(*) FROM questions WHERE project_id = %s", project)
    assert tools.progress.stuck() == ""


@pytest.mark.parametrize("code", CODES)
def test_every_edit_is_sent_once_after_an_error_at_every_statement(
    code: int, job: Job, monkeypatch: pytest.MonkeyPatch
):
    batch = job.send()
    assert batch is not None
    with monkeypatch.context() as patched:
        faults = Faults(patched, code)
        patched.setattr(threading.current_thread(), "name", "publish-0")

        def sent() -> bool:
            with suppress(DatabaseError):  # while it claims the task, as a lane would log
                job.run()
            with suppress(DatabaseError):
                return job.states(batch) == {"done": 3}
            return False

        until(sent, "everything is sent")
    assert len(faults.struck) > 20
    assert [len(job.guids(page_id)) for page_id in job.page_ids] == [1, 1, 1]
    assert len(job.writes) == 3
    assert job.rows("SELECT * FROM file_locks") == []
    assert job.rows("SELECT * FROM tasks WHERE lease_token IS NOT NULL") == []
