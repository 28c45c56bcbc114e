"""Lanes: every claim is settled whatever a stage does, no lane loops without pause, and the worker survives."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from database import Connection, Database, DatabaseUnavailable
from pipeline.jobs.activity import Activity
from pipeline.jobs.lane import Lane, WorkerContext, run_stage, settle, task_lane
from pipeline.jobs.outcome import (
    HOUR,
    Done,
    Failed,
    Finished,
    Outcome,
    Retry,
    Stopped,
    Waiting,
    again_in,
    of_wiki,
    project_again_in,
)
from pipeline.jobs.runner import PACES, pace
from pipeline.jobs.tools import Tools
from pipeline.jobs.wake_signal import WakeSignal
from store.errors import LeaseLost
from store.jobs import tasks
from store.jobs.tasks import Task
from testing.waiting import PATIENCE, joined, until
from tests.pipeline.conftest import claimed
from tests.pipeline.labelling.test_model import PERSON
from tests.pipeline.support import new_project, rows, value
from wiki.errors import GiveUp, Reason, Wait

STATE = """SELECT due_at IS NULL AS never, TIMESTAMPDIFF(SECOND, NOW(), due_at) AS due, error, attempts,
             lease_token IS NULL AS free FROM tasks WHERE kind = 'crawl'"""


def raises(error: Exception) -> Callable[[Task, Tools], Outcome]:
    def stage(task: Task, tools: Tools) -> Outcome:
        raise error

    return stage


def gives(outcome: Outcome) -> Callable[[Task, Tools], Outcome]:
    return lambda task, tools: outcome


@pytest.mark.parametrize(
    ("stage", "due", "error"),
    [
        (gives(Done(again_in=100.0)), 100, None),
        (gives(Done()), None, None),
        (gives(Waiting()), 0, None),
        (raises(Stopped()), 0, None),
        (gives(Retry(50.0, "category_empty")), 50, "category_empty"),
        (gives(Failed("invalid_title")), None, "invalid_title"),
        (raises(Wait(Reason.SERVER, "http-503")), 30, "server"),
        (raises(Wait(Reason.MAXLAG, seconds=400, asked=True)), 400, "maxlag"),
        (raises(GiveUp(Reason.REFUSED, "http-403")), None, "refused"),
        (raises(ZeroDivisionError("a bug")), 30, "internal"),
    ],
)
def test_claim_is_settled_according_to_the_outcome(
    tools: Tools, database: Database, stage: Callable[[Task, Tools], Outcome], due: int | None, error: str | None
):
    new_project(database, PERSON)
    task = claimed(database, "crawl")
    settle(task, run_stage(task, stage, tools), tools)
    (found,) = rows(database, STATE)
    assert found["free"] == 1
    assert found["error"] == error
    assert found["attempts"] == (0 if error is None else 1)
    assert found["never"] == (due is None)
    if due is not None:
        assert found["due"] == pytest.approx(due, abs=14)


def test_finished_task_is_deleted(tools: Tools, database: Database):
    new_project(database, PERSON)
    settle(claimed(database, "crawl"), Finished(), tools)
    assert rows(database, STATE) == []


def test_lost_claim_is_not_settled(tools: Tools, database: Database):
    new_project(database, PERSON)
    task = claimed(database, "crawl")
    stranger = replace(task, token=b"x" * 16)
    settle(stranger, Done(), tools)
    assert run_stage(task, raises(LeaseLost("crawl")), tools) is None
    (found,) = rows(database, STATE)
    assert found["free"] == 0


def test_failing_stage_is_repeated_at_growing_intervals(tools: Tools, database: Database):
    """A stage that always fails is repeated at growing intervals: 30 s, one minute, two ..., one hour."""
    project = new_project(database, PERSON)
    runs = []

    def stage(task: Task, tools: Tools) -> Outcome:
        runs.append(task.attempts)
        raise ValueError("poison")

    context = WorkerContext(tools, WakeSignal(), Activity())
    (thread,) = task_lane("test", context, {"crawl": stage}).threads()
    thread.start()
    until(lambda: runs)
    for _ in range(5):
        context.wake.notify()
        time.sleep(0.05)
    tools.stop.set()
    context.wake.notify()
    joined([thread])
    assert runs == [0]
    assert value(database, "SELECT error FROM tasks WHERE kind = 'crawl' AND subject_id = %s", project) == "internal"
    assert [project_again_in(n) for n in (0, 1, 2, 20)] == [30, 60, 120, HOUR]


def test_lane_wakes_when_a_task_becomes_due(tools: Tools, database: Database):
    project = new_project(database, PERSON)
    began: list[float] = []

    def stage(task: Task, tools: Tools) -> Outcome:
        began.append(time.monotonic())
        return Done()

    context = WorkerContext(tools, WakeSignal(), Activity())
    asked = time.monotonic()
    with database.transaction() as db:
        db.execute("UPDATE tasks SET due_at = NOW(3) + INTERVAL 1 SECOND WHERE kind = 'crawl'")
    (thread,) = task_lane("test", context, {"crawl": stage}).threads()
    thread.start()
    until(lambda: began)
    assert 0.9 < began[0] - asked < 30  # Without the due time it would check again after a minute.
    with database.transaction() as db:
        tasks.want(db, "crawl", project)
    context.wake.notify()
    until(lambda: len(began) == 2)
    tools.stop.set()
    context.wake.notify()
    joined([thread])


def test_lane_alternates_between_the_kinds_of_tasks(tools: Tools, database: Database):
    """A kind that always has work does not starve the other."""
    for number in range(6):
        new_project(database, replace(PERSON, source=str(number)))
    order: list[str] = []

    def stage(task: Task, tools: Tools) -> Outcome:
        order.append(task.kind)
        return Done()

    context = WorkerContext(tools, WakeSignal(), Activity())
    (thread,) = task_lane("test", context, {"crawl": stage, "bootstrap": stage}).threads()
    thread.start()
    until(lambda: len(order) == 12)
    tools.stop.set()
    context.wake.notify()
    joined([thread])
    assert abs(order[:6].count("crawl") - 3) <= 1


def test_lane_survives_unexpected_exceptions(tools: Tools):
    looks: list[int] = []

    def look() -> bool:
        looks.append(1)
        tools.stop.set()
        raise RuntimeError("unforeseen")

    (thread,) = Lane("test", WorkerContext(tools, WakeSignal(), Activity()), look, lambda: None).threads()
    thread.start()
    joined([thread])
    assert looks == [1]


def test_notification_between_check_and_wait_is_not_lost():
    wake = WakeSignal()
    generation = wake.generation
    wake.notify()
    began = time.monotonic()
    wake.wait(generation, PATIENCE)
    assert time.monotonic() - began < PATIENCE / 2
    wake.wait(wake.generation, 0.05)


def test_lane_waits_for_an_unreachable_database(tools: Tools):
    failures = [DatabaseUnavailable("gone")] * 7

    def work(db: Connection) -> int:
        if failures:
            raise failures.pop()
        return int(db.value("SELECT 7"))

    assert tools.run(work) == 7


def test_waiting_for_the_database_ends_when_the_worker_stops(tools: Tools):
    def work(db: Connection) -> int:
        raise DatabaseUnavailable("gone")

    threading.Timer(0.3, tools.stop.set).start()
    with pytest.raises(Stopped):
        tools.run(work)


@pytest.mark.parametrize(("quiet", "seconds"), [(0, 0.5), (29, 0.5), (31, 1.0), (100_000, 1.5)])
def test_idle_worker_polls_at_growing_intervals(quiet: float, seconds: float):
    assert pace(quiet) == seconds
    assert max(seconds for _, seconds in PACES) < 2.0  # A new project starts within 2 s.


def test_current_work_of_a_worker_is_described():
    activity = Activity()
    with activity.at("search for 3"), activity.at("search for 3"), activity.at("crawl 4"):
        assert str(activity) == "search for 3 x2, crawl 4"
    assert str(activity) == ""


def test_failed_file_is_retried_three_times():
    assert [again_in(n) for n in range(4)] == [120.0, 3600.0, 86400.0, None]


def test_message_of_a_wiki_error_is_kept():
    assert of_wiki(GiveUp(Reason.INVALID_TITLE, "code", "words"), 0) == Failed("invalid_title", "code: words")
