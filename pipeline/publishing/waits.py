"""Waits between a user's edits, requested by the wiki or due to the account's rate limit, and shown on the pages."""

from collections import deque

from pipeline.jobs.tools import Tools
from store.jobs import tasks
from store.jobs.tasks import Task
from store.publishing import batches, edits
from wiki.client import backoff
from wiki.errors import Reason, Wait

LONGEST_WAIT_HERE = 60.0  # seconds; the claim is given back for longer waits
SPARE_SHARE = 0.9  # of the account's rate limit, so that the volunteer can still edit by hand
WORTH_TELLING = 2.0  # seconds; shorter waits are not shown on the pages
RENEW_SECONDS = 30.0  # between two renewals of the claim during a wait


class Patience:
    """The waits of one turn of sending for one user."""

    def __init__(self, task: Task, tools: Tools) -> None:
        self._task = task
        self._tools = tools
        self._limit: tuple[int, float] | None = None
        self._sent: deque[float] = deque()  # monotonic times of the last edits

    def keep_under(self, limit: tuple[int, int] | None) -> None:
        """Set the account's rate limit as (edits, seconds), None for no limit; edits of earlier turns count."""
        if limit is None:
            return
        hits, seconds = limit
        self._limit = (max(1, int(hits * SPARE_SHARE)), float(seconds))
        ages = self._tools.run(lambda db: edits.sent_lately(db, self._task.subject_id, seconds))
        self._sent.extend(self._tools.clock() - age for age in ages)

    def before_edit(self) -> None:
        """Wait until the rate limit allows one more edit, and count it. Raises Stopped, LeaseLost."""
        if self._limit is not None:
            hits, seconds = self._limit
            if len(self._sent) >= hits:
                self._wait_visibly(self._sent[-hits] + seconds - self._tools.clock(), Reason.RATELIMITED.value)
            while len(self._sent) > hits:
                self._sent.popleft()
        self._sent.append(self._tools.clock())

    def wait(self, error: Wait, attempt: int) -> None:
        """Wait as long as the wiki requests. Raises Wait if that exceeds LONGEST_WAIT_HERE, Stopped, LeaseLost."""
        seconds = error.seconds
        if not error.asked:
            seconds += backoff(attempt, self._tools.rng, error.seconds)
        if seconds > LONGEST_WAIT_HERE:
            raise Wait(error.reason, error.code, error.text, seconds=seconds, asked=True, lag=error.lag)
        self._wait_visibly(seconds, error.reason.value, error.lag)

    def tell(self, seconds: float | None, why: str | None = None, lag: float | None = None) -> None:
        """Store for the pages why the user's batches wait and for how many seconds; None: they do not wait."""
        self._tools.run(lambda db: batches.waiting(db, self._task.subject_id, seconds, why, lag))

    def pause(self, seconds: float) -> None:
        """Wait, and renew the claim meanwhile. Raises Stopped when the worker has to end, LeaseLost."""
        left = seconds
        while left > 0 and not self._tools.stop.wait(min(left, RENEW_SECONDS)):
            left -= RENEW_SECONDS
            self._tools.run(lambda db: tasks.hold(db, self._task))
        self._tools.check()

    def _wait_visibly(self, seconds: float, why: str, lag: float | None = None) -> None:
        """Wait, and show the reason on the pages unless the wait is short."""
        if seconds < WORTH_TELLING:
            self.pause(seconds)
            return
        self.tell(seconds, why, lag)
        self.pause(seconds)
        self.tell(None)
