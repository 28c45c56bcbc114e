"""Waiting for a database that is unavailable."""

import logging
import threading
from collections.abc import Callable
from typing import cast

import pytest

from database import Connection, Database, DatabaseUnavailable
from pipeline.jobs.outage import LOG_EVERY_S, Outage
from pipeline.jobs.outcome import Stopped
from testing.waiting import PATIENCE, until


class Unreachable:
    """A database that cannot be reached until `back` is set."""

    def __init__(self) -> None:
        self.back = threading.Event()
        self.attempts = 0

    def retry(self, work: Callable[[Connection], None], attempts: int) -> None:
        self.attempts += 1
        if not self.back.is_set():
            raise DatabaseUnavailable("gone")


def waiting(database: Unreachable, stop: threading.Event, count: int) -> tuple[list[threading.Thread], list[str]]:
    """Threads that wait for the database, and how each wait ended."""
    outage, ends = Outage(), list[str]()

    def wait() -> None:
        try:
            outage.wait(cast(Database, database), stop)
            ends.append("back")
        except Stopped:
            ends.append("stopped")

    threads = [threading.Thread(target=wait) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, ends


def test_one_thread_tries_for_all_and_all_go_on():
    database = Unreachable()
    threads, ends = waiting(database, threading.Event(), 20)
    until(lambda: database.attempts >= 3)
    assert database.attempts < 10
    assert ends == []
    database.back.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert ends == ["back"] * 20


def test_all_waits_end_with_the_worker():
    stop = threading.Event()
    threads, ends = waiting(Unreachable(), stop, 5)
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert ends == ["stopped"] * 5


def test_all_threads_together_log_one_line_in_ten_seconds(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    now = [100.0]
    outage = Outage(clock=lambda: now[0])
    for second in range(21):
        now[0] = 100.0 + second
        for _ in range(20):
            outage.report(DatabaseUnavailable("gone"))
    assert LOG_EVERY_S == 10
    assert [record.getMessage() for record in caplog.records] == ["waiting for the database: gone"] * 3
