"""A bell: lanes wait at it, and whoever sees that there may be work rings it."""

import threading


class Bell:
    """Each ring is numbered, so that one between looking for work and waiting is not missed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rings = 0

    @property
    def rings(self) -> int:
        return self._rings

    def ring(self) -> None:
        """Wake everybody who waits."""
        with self._changed:
            self._rings += 1
            self._changed.notify_all()

    def wait(self, heard: int, seconds: float) -> None:
        """Return at the first ring after number `heard`, or after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._rings != heard, seconds)
