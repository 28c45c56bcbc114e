"""Waiting for a database that is unavailable: one thread of the worker tries to reach it, and the log stays short."""

import logging
import threading
import time
from collections.abc import Callable

from database import Connection, Database, DatabaseUnavailable
from pipeline.jobs.outcome import Stopped

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between two attempts to reach the database
LOG_EVERY_S = 10.0
CHECK_STOP_EVERY_S = 1.0


class Outage:
    """What the threads of a worker share while the database is unavailable.

    Each attempt to connect costs about 20 ms of CPU, because pymysql loads the certificates of the system: if all threads
    tried by themselves, a worker that waits would use a tenth of a core.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._trying = threading.Lock()
        self._reporting = threading.Lock()
        self._report_at = clock()

    def report(self, error: Exception, level: int = logging.WARNING) -> None:
        """Log that the database is waited for, at most once in LOG_EVERY_S for all threads together."""
        with self._reporting:
            if self._clock() < self._report_at:
                return
            self._report_at = self._clock() + LOG_EVERY_S
        log.log(level, "waiting for the database: %s", error)

    def wait(self, database: Database, stop: threading.Event) -> None:
        """Return once the database answers; while one thread tries to reach it, the others wait. Raises Stopped."""
        while not self._trying.acquire(timeout=CHECK_STOP_EVERY_S):
            if stop.is_set():
                raise Stopped
        try:
            self._try(database, stop)
        finally:
            self._trying.release()

    def _try(self, database: Database, stop: threading.Event) -> None:
        pause = FIRST_PAUSE
        while not stop.is_set():
            try:
                database.retry(_nothing, attempts=1)
                return
            except DatabaseUnavailable as error:
                self.report(error)
            stop.wait(pause)
            pause = min(LONGEST_PAUSE, pause * 2)
        raise Stopped


def _nothing(db: Connection) -> None:
    """An empty transaction."""
