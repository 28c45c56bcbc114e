"""Lanes: threads that claim work of one kind, run its stage and settle the claim by the outcome."""

import itertools
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from database import Connection, DatabaseError
from pipeline.jobs.activity import Activity
from pipeline.jobs.outcome import Done, Failed, Finished, Outcome, Retry, Stopped, Waiting, of_wiki, project_again_in
from pipeline.jobs.tools import Tools
from pipeline.jobs.wake_signal import WakeSignal
from store.errors import LeaseLost
from store.jobs import tasks
from store.jobs.tasks import Kind, Task
from wiki.errors import WikiError

log = logging.getLogger(__name__)

Stage = Callable[[Task, Tools], Outcome]

SHORTEST_WAIT = 0.05
AFTER_TROUBLE = 5.0  # seconds that a lane pauses after an unexpected exception


@dataclass(frozen=True)
class WorkerContext:
    """The objects that all lanes of a worker share."""

    tools: Tools
    wake: WakeSignal
    activity: Activity


class Lane:
    """A loop over `look`, which does one piece of work and returns whether there was any.

    `next_in` returns the seconds until work is due, None if nothing is; the lane looks again then at the latest.
    """

    def __init__(
        self, name: str, context: WorkerContext, look: Callable[[], bool], next_in: Callable[[], float | None]
    ) -> None:
        self._name = name
        self._context = context
        self._look = look
        self._next_in = next_in

    def threads(self, count: int = 1) -> list[threading.Thread]:
        """Return the threads, not yet started. They are daemons, so that a worker that ends does not wait for a download."""
        return [
            threading.Thread(target=self._loop, name=f"{self._name}-{number}", daemon=True) for number in range(count)
        ]

    def _loop(self) -> None:
        stop, progress = self._context.tools.stop, self._context.tools.progress
        failing = (threading.get_ident(), "failing")
        while not stop.is_set():
            generation = self._context.wake.generation
            try:
                with progress.at(self._name):
                    found = self._look()
                progress.end(failing)
                if not found:
                    self._context.wake.wait(generation, self._pause())
            except Stopped:
                return
            except Exception:
                progress.begin(failing, self._name)
                log.exception("the %s lane failed and goes on in %.0f s", self._name, AFTER_TROUBLE)
                stop.wait(AFTER_TROUBLE)

    def _pause(self) -> float:
        longest = max(self._context.tools.settings.poll_interval, SHORTEST_WAIT)
        due = self._next_in()
        return longest if due is None else min(longest, max(due, SHORTEST_WAIT))


def task_lane(name: str, context: WorkerContext, stages: Mapping[Kind, Stage]) -> Lane:
    """Return a lane for tasks on whole projects or users."""
    turns = itertools.count()
    return Lane(name, context, lambda: _work(context, stages, next(turns)), lambda: _next_in(context, list(stages)))


def _work(context: WorkerContext, stages: Mapping[Kind, Stage], turn: int) -> bool:
    """Claim and run one task, and return whether there was one; the kinds take turns at being tried first."""
    kinds = list(stages)
    first = turn % len(kinds)
    for kind in kinds[first:] + kinds[:first]:
        task = context.tools.run(lambda db, kind=kind: tasks.claim(db, kind, context.tools.worker))  # type: ignore[misc]
        if task is not None:
            with context.activity.at(f"{task.kind} {task.subject_id}"):
                settle(task, run_stage(task, stages[kind], context.tools), context.tools)
            return True
    return False


def _next_in(context: WorkerContext, kinds: Sequence[Kind]) -> float | None:
    def work(db: Connection) -> list[float]:
        return [due for kind in kinds if (due := tasks.due_in(db, kind)) is not None]

    return min(context.tools.run(work), default=None)


def run_stage(task: Task, stage: Stage, tools: Tools) -> Outcome | None:
    """Run the stage and return its outcome, also if it raised; None if the claim was lost, as nothing can be settled then."""
    extra = {"stage": task.kind, ("user" if task.kind == "publish" else "project"): task.subject_id}
    try:
        with tools.metrics.timed(task.kind):
            return stage(task, tools)
    except Stopped:
        return Waiting()
    except LeaseLost:
        log.warning("the claim was lost; the worker that holds it now continues", extra=extra)
        return None
    except WikiError as error:
        return of_wiki(error, task.attempts)
    except Exception as error:
        log.exception("failed with an unexpected exception", extra=extra)
        return Retry(project_again_in(task.attempts), "internal", type(error).__name__)


def settle(task: Task, outcome: Outcome | None, tools: Tools) -> None:
    """End the claim according to the outcome; do nothing if the claim was lost.

    If the database refuses the outcome, it is tried again; after the second time the run counts as failed. Meanwhile the
    lane makes no progress, which its worker reports.
    """
    if outcome is None:
        return
    extra = {"stage": task.kind, ("user" if task.kind == "publish" else "project"): task.subject_id}
    for refused in itertools.count(1):
        try:
            tools.run(lambda db, outcome=outcome: _settle(db, task, outcome))  # type: ignore[misc]
            break
        except LeaseLost:
            log.warning("the claim was lost before it was settled", extra=extra)
            return
        except DatabaseError as error:
            log.exception("not settled; it is tried again in %.0f s", AFTER_TROUBLE, extra=extra)
            if refused >= 2:
                outcome = Retry(project_again_in(task.attempts), "internal", type(error).__name__)
            if tools.stop.wait(AFTER_TROUBLE):
                return  # the worker releases its claims when it ends
    if isinstance(outcome, Retry | Failed):
        tools.metrics.error(task.kind, outcome.reason)
    level = logging.DEBUG if isinstance(outcome, Done) else logging.INFO
    log.log(level, "%s", outcome, extra=extra)


def _settle(db: Connection, task: Task, outcome: Outcome) -> None:
    match outcome:
        case Done(again_in, rest):
            tasks.settle(db, task, again_in, rest)
        case Waiting():
            tasks.give_back(db, task)
        case Retry(seconds, reason, detail):
            tasks.put_off(db, task, seconds, reason, detail)
        case Failed(reason, detail):
            tasks.put_off(db, task, None, reason, detail)
        case Finished():
            tasks.finish(db, task)
