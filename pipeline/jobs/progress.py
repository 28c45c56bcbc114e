"""Progress of the lanes of a worker: whether each gets on with what it has begun.

A heartbeat shows only that the process lives. A lane whose claims are renewed, but never settled, is visible here.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# Seconds. Stages renew their claims every few minutes, and a picture that takes longer than a minute is given up.
STUCK_AFTER = 600.0


@dataclass
class _Work:
    lane: str
    moved: float


class Progress:
    """Thread-safe times of the last progress of every piece of work in hand; `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._works: dict[Hashable, _Work] = {}

    def begin(self, work: Hashable, lane: str) -> None:
        """Note that a lane has begun a piece of work; nothing changes if it has already."""
        with self._lock:
            self._works.setdefault(work, _Work(lane, self._clock()))

    def move(self, *works: Hashable) -> None:
        """Note progress of these pieces of work, if they are in hand."""
        with self._lock:
            for work in works:
                if work in self._works:
                    self._works[work].moved = self._clock()

    def end(self, work: Hashable) -> None:
        """Note that a piece of work is no longer in hand."""
        with self._lock:
            self._works.pop(work, None)

    @contextmanager
    def at(self, lane: str) -> Iterator[None]:
        """Have a piece of work in hand for the length of a block; each transaction of this thread is progress."""
        here = threading.get_ident()
        self.begin(here, lane)
        try:
            yield
        finally:
            self.end(here)

    def transaction_ended(self) -> None:
        """Note that the current thread has completed a transaction."""
        self.move(threading.get_ident())

    def excuse(self) -> None:
        """Count all work as moved just now, after an outage during which none could."""
        with self._lock:
            works = list(self._works)
        self.move(*works)

    def stuck(self) -> str:
        """Return a sentence on the lanes without progress for STUCK_AFTER seconds; empty if there is none."""
        now = self._clock()
        late: dict[str, float] = {}
        with self._lock:
            for work in self._works.values():
                seconds = now - work.moved
                if seconds >= STUCK_AFTER:
                    late[work.lane] = max(seconds, late.get(work.lane, 0.0))
        parts = (f"the {lane} lane has made no progress for {seconds:.0f} s" for lane, seconds in sorted(late.items()))
        return ", ".join(parts)
