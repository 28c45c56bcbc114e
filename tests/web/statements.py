"""Statements that lock or write rows: hold them back until two requests are there, or let each fail once."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest

from testing.waiting import PATIENCE, joined

_LOCKING = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE)\b|\bFOR UPDATE\b|\bLOCK IN SHARE MODE\b")
_FAILURES_PER_TRANSACTION = 4  # one less than the attempts of Database.retry


@contextmanager
def _before_each(before: Callable[[Any, str], None]) -> Iterator[None]:
    """Call `before` with the cursor and the text of each statement that locks or writes rows."""
    cursor_class = pymysql.cursors.Cursor
    execute = cursor_class.execute

    def watched(cursor: Any, sql: Any, args: Any = None) -> int:
        text = sql if isinstance(sql, str) else bytes(sql).decode(errors="replace")  # bytes from executemany
        if _LOCKING.search(text):
            before(cursor, text)
        return int(execute(cursor, sql, args))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cursor_class, "execute", watched)
        yield


def at_once(*requests: Callable[[], Any]) -> list[Any]:
    """Run requests that really overlap and return their results.

    Each has read all that it reads before its first lock when the first of them takes that lock.
    """
    results: list[Any] = [None] * len(requests)
    barrier, waited = threading.Barrier(len(requests)), threading.local()

    def wait_once(_cursor: Any, _sql: str) -> None:
        if not getattr(waited, "done", False):
            waited.done = True
            barrier.wait(PATIENCE)

    def run(place: int) -> None:
        try:
            results[place] = requests[place]()
        except BaseException:
            barrier.abort()  # the others must not wait for this one
            raise

    with _before_each(wait_once):
        threads = [threading.Thread(target=run, args=(place,)) for place in range(len(requests))]
        for thread in threads:
            thread.start()
        joined(threads)
    assert not barrier.broken
    return results


@contextmanager
def each_fails_once(code: int) -> Iterator[list[str]]:
    """Let each statement that locks or writes fail at its first run, as a deadlock or a lock wait timeout does.

    At most four per transaction: more than `Database.retry` repeats is no deadlock that passes. Yields the statements.
    """
    failed: list[str] = []
    counts: dict[str, int] = {}

    def fail(cursor: Any, sql: str) -> None:
        transaction = threading.current_thread().name
        if sql in failed or counts.get(transaction, 0) >= _FAILURES_PER_TRANSACTION:
            return
        failed.append(sql)
        counts[transaction] = counts.get(transaction, 0) + 1
        raise pymysql.err.OperationalError(code, "made to fail by the test")

    connection_class = pymysql.connections.Connection
    commit = connection_class.commit

    def committed(connection: Any) -> None:
        commit(connection)
        counts.clear()

    with _before_each(fail), pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection_class, "commit", committed)
        yield failed
