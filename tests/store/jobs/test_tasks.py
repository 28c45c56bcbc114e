"""Claims of tasks: one holder at a time, checked by token; requests made during a run are not lost."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from config import Settings
from database import Connection, Database
from store import worker_claims
from store.errors import LeaseLost
from store.jobs import signals, tasks, workers
from store.jobs.tasks import Task
from testing.waiting import joined
from tests.store import support


@pytest.fixture(params=["auto", "0"])
def either(settings: Settings, database: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    pool = Database(replace(settings, db_skip_locked=request.param), size=8)
    yield pool
    pool.close()


def claim(db: Connection, worker: str = "one") -> Task:
    task = tasks.claim(db, "crawl", worker)
    assert task is not None
    return task


def test_task_is_claimed_by_one_worker_at_a_time(either: Database):
    with either.transaction() as db:
        for number in range(12):
            support.project(db, source=str(number))
    taken: list[int] = []
    lock = threading.Lock()

    def work(worker: str) -> None:
        for _ in range(12):
            task = either.retry(lambda db: tasks.claim(db, "crawl", worker))
            if task is not None:
                with lock:
                    taken.append(task.subject_id)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    joined(threads)
    assert len(taken) == len(set(taken)) == 12


def test_request_during_a_run_causes_another_run(db: Connection):
    project = support.project(db)
    task = claim(db)
    tasks.want(db, "crawl", project, delay=50)
    tasks.settle(db, task, again_in=1000)
    assert claim(db).subject_id == project


def test_task_is_not_due_without_another_request(db: Connection):
    support.project(db)
    tasks.settle(db, claim(db))
    assert tasks.claim(db, "crawl", "one") is None
    assert tasks.due_in(db, "crawl") is None


def test_earlier_due_time_is_kept(db: Connection):
    project = support.project(db)
    tasks.settle(db, claim(db), again_in=1000)
    assert tasks.due_in(db, "crawl") == pytest.approx(1000, abs=1)
    tasks.want(db, "crawl", project, delay=20)
    tasks.want(db, "crawl", project, delay=200)
    assert tasks.due_in(db, "crawl") == pytest.approx(20, abs=1)


def test_request_with_a_delay_is_due_when_the_rest_is_over(db: Connection):
    project = support.project(db)
    tasks.settle(db, claim(db), rest=3)
    assert tasks.due_in(db, "crawl") is None
    tasks.want(db, "crawl", project, delay=0.5)
    assert tasks.due_in(db, "crawl") == pytest.approx(3, abs=0.4)
    tasks.want(db, "crawl", project, delay=10)
    assert tasks.due_in(db, "crawl") == pytest.approx(3, abs=0.4)
    tasks.want(db, "crawl", project)
    assert claim(db).subject_id == project


def test_past_rest_does_not_delay_a_request(db: Connection):
    project = support.project(db)
    tasks.settle(db, claim(db), rest=-1)
    tasks.want(db, "crawl", project, delay=0.5)
    assert tasks.due_in(db, "crawl") == pytest.approx(0.5, abs=0.4)


@pytest.mark.parametrize(("delays", "due"), [((0.5,), 3), ((0.5, 0.0, 0.5), 0)])
def test_request_during_a_run_waits_for_the_rest_unless_it_has_no_delay(
    db: Connection, delays: tuple[float, ...], due: float
):
    project = support.project(db)
    for _ in range(2):  # A request without delay is fulfilled by the run that it caused.
        task = claim(db)
        for delay in delays:
            tasks.want(db, "crawl", project, delay=delay)
        tasks.settle(db, task, rest=3)
        assert tasks.due_in(db, "crawl") == pytest.approx(due, abs=0.4)
        db.execute("UPDATE tasks SET due_at = NOW(3)")
    task = claim(db)
    tasks.want(db, "crawl", project, delay=0.5)
    tasks.settle(db, task, rest=3)
    assert tasks.due_in(db, "crawl") == pytest.approx(3, abs=0.4)


def test_postponed_task_is_due_later_or_never(db: Connection):
    project = support.project(db)
    tasks.put_off(db, claim(db), 300, "server", "x" * 1000)
    assert tasks.claim(db, "crawl", "one") is None
    row = db.row("SELECT attempts, error, LENGTH(error_detail) AS n FROM tasks WHERE kind = 'crawl'")
    assert row == {"attempts": 1, "error": "server", "n": 255}
    tasks.want(db, "crawl", project)
    task = claim(db)
    assert task.attempts == 0
    tasks.put_off(db, task, None, "refused")
    assert tasks.due_in(db, "crawl") is None


@pytest.mark.parametrize(
    ("seconds", "delay", "due"), [(None, 0.0, 0), (300, 0.0, 0), (None, 0.5, 0), (300, 0.5, 300), (None, 5.0, 0)]
)
def test_request_during_a_failing_run_causes_another_run(
    db: Connection, seconds: float | None, delay: float, due: float
):
    project = support.project(db)
    task = claim(db)
    tasks.want(db, "crawl", project, delay=delay)
    tasks.put_off(db, task, seconds, "refused")
    assert tasks.due_in(db, "crawl") == pytest.approx(due, abs=1)
    db.execute("UPDATE tasks SET due_at = NOW(3)")
    tasks.put_off(db, claim(db), seconds, "refused")  # the run that was requested has begun, so nothing else is due
    assert tasks.due_in(db, "crawl") == (None if seconds is None else pytest.approx(seconds, abs=1))


def test_request_during_a_failing_run_waits_for_the_rest_unless_it_has_no_delay(db: Connection):
    project = support.project(db)
    tasks.settle(db, claim(db), rest=30)
    tasks.want(db, "crawl", project)
    task = claim(db)
    tasks.want(db, "crawl", project, delay=0.5)
    tasks.put_off(db, task, None, "refused")
    assert tasks.due_in(db, "crawl") == pytest.approx(30, abs=1)


def test_interrupted_run_continues_at_its_cursor(db: Connection):
    support.project(db)
    task = claim(db)
    assert task.cursor is None
    tasks.keep_cursor(db, task, {"after": 7})
    tasks.give_back(db, task)
    again = claim(db, "two")
    assert again.cursor == {"after": 7}
    tasks.settle(db, again)
    assert db.value("SELECT cursor_json FROM tasks WHERE kind = 'crawl'") is None


@pytest.mark.parametrize("how", ["stop", "start", "bury", "expire"])
def test_a_lost_claim_changes_nothing(db: Connection, how: str):
    project = support.project(db)
    worker_claims.register(db, "one", "here", 1)
    task = claim(db)
    if how == "stop":
        worker_claims.unregister(db, "one")
    elif how == "start":
        worker_claims.register(db, "one", "here", 2)
    elif how == "bury":
        db.execute("UPDATE workers SET heartbeat_at = NOW() - INTERVAL 61 SECOND")
        worker_claims.release_dead_workers(db)
    else:
        db.execute("UPDATE tasks SET leased_at = NOW() - INTERVAL 16 MINUTE")
    newer = claim(db, "two")
    before = db.rows("SELECT * FROM tasks")
    changes = [
        partial(tasks.hold, db, task),
        partial(tasks.keep_cursor, db, task, {"after": 1}),
        partial(tasks.settle, db, task),
        partial(tasks.put_off, db, task, 1, "error"),
        partial(tasks.finish, db, task),
    ]
    for change in changes:
        with pytest.raises(LeaseLost):
            change()
    tasks.give_back(db, task)
    assert db.rows("SELECT * FROM tasks") == before
    tasks.settle(db, newer)
    assert project == newer.subject_id


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        ("active", {"crawl", "bootstrap", "model"}),
        ("paused", set()),
        ("completed", {"model"}),
        ("deleted", {"purge"}),
    ],
)
def test_claimable_kinds_depend_on_the_status_of_the_project(db: Connection, status: str, kinds: set[str]):
    project = support.project(db)
    every: tuple[tasks.Kind, ...] = ("crawl", "bootstrap", "model", "purge")
    for kind in every:
        tasks.want(db, kind, project)
    db.execute("UPDATE projects SET status = %s WHERE id = %s", (status, project))
    assert {kind for kind in every if (tasks.due_in(db, kind) is not None)} == kinds
    assert {kind for kind in every if tasks.claim(db, kind, "one")} == kinds


def test_request_notifies_workers_when_it_is_committed(database: Database):
    with database.transaction() as db:
        before = signals.read(db)
        support.project(db)
        assert signals.read(db) == before
    assert database.retry(signals.read) == before + 1  # The number of requests does not matter.


def test_current_claims_are_listed(db: Connection):
    project = support.project(db)
    claim(db, "one")
    (held,) = tasks.held(db)
    assert (held.kind, held.subject_id, held.worker) == ("crawl", project, "one")


def test_heartbeat_of_an_unregistered_worker_is_reported(db: Connection):
    assert not workers.beat(db, "one", "nothing")
    worker_claims.register(db, "one", "here", 1)
    assert workers.beat(db, "one", "x" * 300)
    assert len(workers.all_seen(db)[0].doing) == 255
