"""In-process signal on which lanes wait until there may be work."""

import threading


class WakeSignal:
    """A condition with a generation counter, so that a notification between looking for work and waiting is not missed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._generation = 0

    @property
    def generation(self) -> int:
        """Return the number of notifications so far."""
        return self._generation

    def notify(self) -> None:
        """Wake all waiting threads."""
        with self._changed:
            self._generation += 1
            self._changed.notify_all()

    def wait(self, generation: int, seconds: float) -> None:
        """Return at the first notification after `generation`, or after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._generation != generation, seconds)
