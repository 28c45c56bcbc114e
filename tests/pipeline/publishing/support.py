"""A volunteer with approved files on a wiki of painted pictures, and the publishing stage in the test's own thread."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from config import Settings
from database import Connection, Database
from pipeline.jobs.lane import run_stage, settle
from pipeline.jobs.outcome import Done, Outcome
from pipeline.jobs.tools import Tools, open_pool, open_wiki
from pipeline.publishing import publish
from sandbox.server import Sandbox
from store import worker_claims
from store.jobs import tasks
from store.publishing import plans
from testing.publishing import ITEM, Case, Wiki, make_project, paint
from testing.waiting import PATIENCE
from wiki.client import Client

WRITES = ("wbeditentity", "wbremoveclaims", "wbsetqualifier")


class Killed(BaseException):
    """Simulated SIGKILL: nothing is settled and nothing is released."""


class Watched(Client):
    """A client that calls the test before each write and after its response."""

    before: Callable[[Mapping[str, Any]], None]
    after: Callable[[Mapping[str, Any]], None]

    def post(self, params: Mapping[str, Any], api: str | None = None, *, bearer: str) -> dict[str, Any]:
        self.before(params)
        answer = super().post(params, api, bearer=bearer)
        self.after(params)
        return answer


class FixedRandom(random.Random):
    """A random generator that always returns the same fraction of the range."""

    def __init__(self, share: float) -> None:
        super().__init__(0)
        self.share = share

    def uniform(self, a: float, b: float) -> float:
        return a + self.share * (b - a)


class StopSignal(threading.Event):
    """A stop signal whose waits take no time but advance a clock, and which calls a hook at each wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.waits: list[float] = []
        self.at_wait: Callable[[], None] = lambda: None

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        self.at_wait()
        self.now += timeout or 0.0
        return super().wait(0.001)

    def clock(self) -> float:
        return self.now


@dataclass
class Job(Case):
    """The publishing task of a volunteer, with hooks.

    `writes`: the writes sent, in order. `before`, `after`: hooks by number of the write (from 0), given its parameters.
    """

    writes: list[dict[str, Any]] = field(default_factory=list)
    before: dict[int, Callable[[Mapping[str, Any]], None]] = field(default_factory=dict)
    after: dict[int, Callable[[Mapping[str, Any]], None]] = field(default_factory=dict)
    sign: StopSignal = field(default_factory=StopSignal)
    chance: random.Random = field(default_factory=lambda: FixedRandom(0.5))

    def tools(self, worker: str = "test") -> Tools:
        """Return the tools of a worker."""
        client = open_wiki(self.settings, self.sign)
        client.__class__ = Watched
        assert isinstance(client, Watched)
        client.before, client.after = self._before, self._after
        client.clock = self.sign.clock
        return Tools(
            self.settings,
            self.database,
            client,
            open_pool(self.settings),
            worker,
            self.sign,
            clock=self.sign.clock,
            rng=self.chance,
        )

    def _before(self, params: Mapping[str, Any]) -> None:
        self.writes.append(dict(params))
        self.before.get(len(self.writes) - 1, _nothing)(params)

    def _after(self, params: Mapping[str, Any]) -> None:
        self.after.get(len(self.writes) - 1, _nothing)(params)

    def run(self, worker: str = "test", attempts: int = 0) -> Outcome | None:
        """Make all waiting work due; claim, run and settle the user's publishing task. `attempts`: earlier failures."""
        tools = self.tools(worker)

        def claim(db: Connection) -> tasks.Task | None:
            db.execute("UPDATE edits SET due_at = NOW() - INTERVAL 1 SECOND WHERE state IN ('queued', 'sending')")
            tasks.want(db, "publish", self.user_id)
            due = "UPDATE tasks SET due_at = IF(subject_id = %s, NOW(3), NULL), attempts = %s WHERE kind = 'publish'"
            db.execute(due, (self.user_id, attempts))
            return tasks.claim(db, "publish", worker)

        task = self.database.retry(claim)
        assert task is not None, "the user's sending is claimed by somebody else"
        assert task.subject_id == self.user_id
        outcome = run_stage(task, publish.run, tools)
        settle(task, outcome, tools)
        return outcome

    def finish(self) -> None:
        """Repeat `run` until no edit is open."""
        for _ in range(20):
            if self.run() == Done():
                return
        raise AssertionError("still not done")

    def kill(self) -> None:
        """Run until `before` or `after` of a write raises Killed; then start the worker again."""
        with pytest.raises(Killed):
            self.run()
        self.database.retry(lambda db: worker_claims.register(db, "test", "localhost", 1))

    def rows(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        """Return rows of the database."""
        with self.database.transaction() as db:
            return db.rows(sql, args)

    def row(self, page_id: int, action: str = "add") -> dict[str, Any]:
        """Return the newest ledger row about a file."""
        found = self.rows(
            "SELECT * FROM edits WHERE page_id = %s AND action = %s ORDER BY id DESC LIMIT 1", page_id, action
        )
        assert found, f"no {action} of {page_id}"
        return found[0]

    def states(self, batch_id: int) -> dict[str, int]:
        """Count the edits of a batch by state; states without edits are omitted."""
        return self.counts(batch_id)

    def batch(self, batch_id: int) -> dict[str, Any]:
        """Return a batch as stored."""
        return self.rows("SELECT * FROM batches WHERE id = %s", batch_id)[0]

    def sql(self, statement: str, *args: Any) -> int:
        """Change the database directly."""
        with self.database.transaction() as db:
            return db.execute(statement, args)

    def statements(self, page_id: int) -> list[dict[str, Any]]:
        """Return the current statements of a file about the person on the wiki."""
        page = next(page for page in self.wiki.state()["files"] if page["id"] == page_id)
        return [one for one in page["statements"] if one["mainsnak"]["datavalue"]["value"]["id"] == ITEM]

    def guids(self, page_id: int) -> list[str]:
        """Return the ids of these statements."""
        return [one["id"] for one in self.statements(page_id)]

    def by_bob(self, page_id: int, **more: Any) -> str:
        """Let another user state the person; return the statement's id."""
        made = self.wiki.other("add_statement", id=page_id, value=ITEM, user="Bob", **more)
        return str(made["guid"])

    def send_or_none(self) -> int | None:
        """Queue the planned edits, if there are any."""
        return self.database.retry(lambda db: plans.send(db, self.project_id, self.user_id))

    def undo(self, *page_ids: int) -> int:
        """Queue the undo of the statements added to these files."""
        wanted = [self.row(page_id)["id"] for page_id in page_ids]
        found = self.database.retry(lambda db: plans.undo(db, self.project_id, self.user_id, wanted))
        assert found is not None
        return found


def _nothing(params: Mapping[str, Any]) -> None:
    pass


def raising(error: BaseException) -> Callable[[Mapping[str, Any]], None]:
    """Return a hook that raises."""

    def hook(params: Mapping[str, Any]) -> None:
        raise error

    return hook


@contextmanager
def painted(tmp: Any, files: int) -> Iterator[Wiki]:
    """A sandbox with this number of pictures that show no person."""
    paint(tmp / "photos", files)
    sandbox = Sandbox(tmp / "photos", cache=tmp / "cache").start()
    try:
        yield Wiki(sandbox)
    finally:
        sandbox.stop()


def new_job(settings: Settings, database: Database, wiki: Wiki, files: int = 3) -> Job:
    """Return a job on an emptied database and a reset wiki."""
    requests.post(f"{wiki.sandbox.base}/sandbox/reset", json={}, timeout=PATIENCE).raise_for_status()
    here = wiki.settings(settings)
    user_id = wiki.sign_in(here, database)
    with database.transaction() as db:
        project_id, pages = make_project(db, wiki, user_id, files)
        worker_claims.register(db, "test", "localhost", 1)
    return Job(here, database, wiki, user_id, project_id, pages)
