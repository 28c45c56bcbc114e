"""Waits for events in tests. A test never waits for a fixed time; the upper bound is reached only by a failing test."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

PATIENCE = 400.0
"""Seconds after which a wait fails; shorter than pytest's own limit for a test."""
STILL = 1.5
"""Seconds for which a value must not change to count as at rest."""

Value = TypeVar("Value")


def until(look: Callable[[], Value | None], what: str = "", every: float = 0.05) -> Value:
    """Return the first true value of `look`; fail with `what` if there is none within PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, (
            f"nothing after {PATIENCE:.0f} s: {what or 'the condition did not become true'}"
        )
        time.sleep(every)


def at_rest(look: Callable[[], Value]) -> Value:
    """Return the value of `look` once it has not changed for STILL seconds; fail if it keeps changing."""
    since, found = time.monotonic(), look()

    def unchanged() -> bool:
        nonlocal since, found
        now = look()
        if now != found:
            since, found = time.monotonic(), now
        return time.monotonic() - since >= STILL

    until(unchanged, "the value keeps changing")
    return found


def joined(threads: Iterable[threading.Thread]) -> None:
    """Wait until all threads have ended."""
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"{thread.name} is still running"
