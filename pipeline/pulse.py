"""A worker's sign of life on its own machine, for whoever restarts it: heartbeats in the database stop when that is away.

A worker that waits for its database is alive: restarted, it would wait just the same, and lose what it has in hand.
"""

import logging
import os
import tempfile
import time
from pathlib import Path

log = logging.getLogger(__name__)

EVERY = 15.0


def path_of(worker: str, folder: Path | None = None) -> Path:
    """The file that a worker of this name, run by this user, touches; its text is what the worker waits for, if anything."""
    name = worker.encode().hex()[:128]
    return (folder or Path(tempfile.gettempdir())) / f"wikivisage-{os.getuid()}-{name}.alive"


class Pulse:
    """`beat` every EVERY seconds, `end` in the end. A folder that cannot be written to is said once and done without."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said = False

    def beat(self, waiting_for: str) -> None:
        """Touch the file; `waiting_for`: what keeps the worker from its work, or nothing."""
        try:
            part = self._path.with_suffix(f".{os.getpid()}")
            part.write_text(waiting_for, encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            if not self._said:
                log.warning("no sign of life can be left in %s: %s", self._path.parent, error)
            self._said = True

    def end(self) -> None:
        """The worker ends in order."""
        self._path.unlink(missing_ok=True)


def felt(path: Path) -> tuple[float, str] | None:
    """Seconds since the last beat, and what the worker waited for; None where there was none."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime), path.read_text(encoding="utf-8")
    except OSError:
        return None
