"""A lane: threads that claim one kind of work after another, do it, and settle it by its outcome."""

import itertools
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from database import Connection
from pipeline.jobs.activity import Doing
from pipeline.jobs.outcome import Done, Failed, Finished, Outcome, Retry, Stopped, Waiting, of_wiki, project_again_in
from pipeline.jobs.tools import Tools
from pipeline.jobs.wake_signal import Bell
from store.errors import LeaseLost
from store.jobs import tasks
from store.jobs.tasks import Kind, Task
from wiki.errors import WikiError

log = logging.getLogger(__name__)

Stage = Callable[[Task, Tools], Outcome]

SHORTEST_WAIT = 0.05
AFTER_TROUBLE = 5.0  # seconds a lane rests when something failed that nobody foresaw


@dataclass(frozen=True)
class Yard:
    """What the lanes of a worker share."""

    tools: Tools
    bell: Bell
    doing: Doing


class Lane:
    """`look` does one piece of work and says whether there was any; `next_in` says when to look again at the latest."""

    def __init__(self, name: str, yard: Yard, look: Callable[[], bool], next_in: Callable[[], float | None]) -> None:
        self._name = name
        self._yard = yard
        self._look = look
        self._next_in = next_in

    def threads(self, count: int = 1) -> list[threading.Thread]:
        """Daemons: a worker that ends does not wait for a download."""
        return [
            threading.Thread(target=self._loop, name=f"{self._name}-{number}", daemon=True) for number in range(count)
        ]

    def _loop(self) -> None:
        stop = self._yard.tools.stop
        while not stop.is_set():
            heard = self._yard.bell.rings
            try:
                if not self._look():
                    self._yard.bell.wait(heard, self._pause())
            except Stopped:
                return
            except Exception:
                log.exception("the %s lane failed and goes on in %.0f s", self._name, AFTER_TROUBLE)
                stop.wait(AFTER_TROUBLE)

    def _pause(self) -> float:
        longest = max(self._yard.tools.settings.poll_interval, SHORTEST_WAIT)
        due = self._next_in()
        return longest if due is None else min(longest, max(due, SHORTEST_WAIT))


def task_lane(name: str, yard: Yard, stages: Mapping[Kind, Stage]) -> Lane:
    """A lane for work on whole projects or users."""
    turns = itertools.count()
    return Lane(name, yard, lambda: _work(yard, stages, next(turns)), lambda: _next_in(yard, list(stages)))


def _work(yard: Yard, stages: Mapping[Kind, Stage], turn: int) -> bool:
    """One piece of work; each kind comes first in its turn."""
    kinds = list(stages)
    first = turn % len(kinds)
    for kind in kinds[first:] + kinds[:first]:
        task = yard.tools.run(lambda db, kind=kind: tasks.claim(db, kind, yard.tools.worker))  # type: ignore[misc]
        if task is not None:
            with yard.doing.at(f"{task.kind} {task.subject_id}"):
                settle(task, run_stage(task, stages[kind], yard.tools), yard.tools)
            return True
    return False


def _next_in(yard: Yard, kinds: Sequence[Kind]) -> float | None:
    def work(db: Connection) -> list[float]:
        return [due for kind in kinds if (due := tasks.due_in(db, kind)) is not None]

    return min(yard.tools.run(work), default=None)


def run_stage(task: Task, stage: Stage, tools: Tools) -> Outcome | None:
    """The stage's outcome, also where it raised; None where the claim was lost, so that there is nothing to settle."""
    extra = {"stage": task.kind, ("user" if task.kind == "publish" else "project"): task.subject_id}
    try:
        with tools.metrics.timed(task.kind):
            return stage(task, tools)
    except Stopped:
        return Waiting()
    except LeaseLost:
        log.warning("the claim was lost; whoever has it now goes on", extra=extra)
        return None
    except WikiError as error:
        return of_wiki(error, task.attempts)
    except Exception as error:
        log.exception("failed in a way nobody foresaw", extra=extra)
        return Retry(project_again_in(task.attempts), "internal", type(error).__name__)


def settle(task: Task, outcome: Outcome | None, tools: Tools) -> None:
    """End the claim as the outcome says; nothing happens where it was lost."""
    if outcome is None:
        return
    extra = {"stage": task.kind, ("user" if task.kind == "publish" else "project"): task.subject_id}
    try:
        tools.run(lambda db: _settle(db, task, outcome))
    except LeaseLost:
        log.warning("the claim was lost before it was settled", extra=extra)
        return
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
