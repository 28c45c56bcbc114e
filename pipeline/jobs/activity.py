"""Description of what the lanes of a worker are doing, stored with its heartbeat."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Activity:
    """Thread-safe counts of the current activities of all lanes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._words: dict[str, int] = {}

    @contextmanager
    def at(self, words: str) -> Iterator[None]:
        """Report `words` as an activity for the duration of a block."""
        self._change(words, 1)
        try:
            yield
        finally:
            self._change(words, -1)

    def _change(self, words: str, by: int) -> None:
        with self._lock:
            count = self._words.get(words, 0) + by
            self._words[words] = count
            if count <= 0:
                del self._words[words]

    def __str__(self) -> str:
        with self._lock:
            return ", ".join(words if count == 1 else f"{words} x{count}" for words, count in self._words.items())
