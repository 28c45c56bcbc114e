"""The local heartbeat file of a worker, written by the worker and read by its health check (pipeline/jobs/status.py).

It says when the worker last reached the database and what it waits for, so that the check needs no connection of its own, and
a worker that waits for its database is known to be alive: restarted, it would wait just the same, and lose what it has in hand.
"""

import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

EVERY = 15.0


@dataclass(frozen=True)
class Sign:
    """`age`: seconds since it was written; `reached`: seconds since the database was reached, None if it never was."""

    age: float
    reached: float | None
    waiting_for: str
    networks: Mapping[str, str] | None = None  # as in store.jobs.workers.Worker


def path_of(worker: str, folder: Path | None = None) -> Path:
    """The file of a worker of this name, run by this user."""
    name = worker.encode().hex()[:128]
    return (folder or Path(tempfile.gettempdir())) / f"wikivisage-{os.getuid()}-{name}.alive"


class Pulse:
    """`beat` every EVERY seconds, `end` in the end. A folder that cannot be written to is said once and done without."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # several threads of a worker beat
        self._said = False

    def beat(self, reached: float | None, waiting_for: str, networks: Mapping[str, str] | None = None) -> None:
        """Write the file. `reached`: when the database was last reached (seconds since 1970); `waiting_for`: what keeps the
        worker from its work, or nothing."""
        try:
            with self._lock:
                part = self._path.with_suffix(f".{os.getpid()}")
                said = {"reached": reached, "waiting_for": waiting_for, "networks": networks and dict(networks)}
                part.write_text(json.dumps(said), encoding="utf-8")
                part.replace(self._path)
        except OSError as error:
            if not self._said:
                log.warning("no sign of life can be left in %s: %s", self._path.parent, error)
            self._said = True

    def end(self) -> None:
        """The worker ends in order."""
        self._path.unlink(missing_ok=True)


def felt(path: Path) -> Sign | None:
    """The last sign of life; None where there is none that can be read."""
    try:
        age = time.time() - path.stat().st_mtime
        said = json.loads(path.read_text(encoding="utf-8"))
        reached = None if said["reached"] is None else max(0.0, time.time() - said["reached"])
        return Sign(max(0.0, age), reached, str(said["waiting_for"]), said.get("networks"))
    except (OSError, ValueError, TypeError, KeyError):
        return None
