"""Answers kept for a few seconds in this process, for what many watchers ask at once and what is slow to count.

cachetools' TTLCache would need a lock and the same method that looks a value up or makes it: one more dependency, and
no less code. Here threads need no lock, because each step on the dictionary is atomic.
"""

import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")


class ShortCache:
    """At most `most` answers, each for `seconds`. Two threads may both make one: the later is kept."""

    def __init__(self, seconds: float, most: int = 500, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The answer kept under `key`, or a new one."""
        now = self._clock()
        kept = self._kept.get(key)
        if kept is not None and now < kept[0]:
            value: Value = kept[1]
            return value
        if len(self._kept) >= self._most:
            self._kept.clear()
        value = make()
        self._kept[key] = (now + self._seconds, value)
        return value
