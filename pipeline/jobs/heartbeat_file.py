"""The local heartbeat file of a worker, written by the worker and read by its health check (pipeline/jobs/status.py).

The file states when the worker last reached the database and what it waits for. The check therefore needs no connection of
its own, and a worker that waits for its database is known to be alive: after a restart it would wait just the same, and
would have lost its current work.
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
class Heartbeat:
    """The contents of a heartbeat file.

    `age`: seconds since it was written; `reached`: seconds since the database was reached, None if it never was;
    `stuck`: which lanes make no progress (pipeline/jobs/progress.py), or an empty string.
    """

    age: float
    reached: float | None
    waiting_for: str
    networks: Mapping[str, str] | None = None  # as in store.jobs.workers.Worker
    stuck: str = ""


def path_of(worker: str, folder: Path | None = None) -> Path:
    """Return the path of the heartbeat file for a worker of this name that the current user runs."""
    name = worker.encode().hex()[:128]
    return (folder or Path(tempfile.gettempdir())) / f"wikivisage-{os.getuid()}-{name}.alive"


class HeartbeatFile:
    """Writer of the heartbeat file: call `write` every EVERY seconds and `remove` when the worker ends.

    An unwritable folder is logged once and otherwise ignored.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # several threads of a worker write the file
        self._warned = False

    def write(
        self, reached: float | None, waiting_for: str, networks: Mapping[str, str] | None = None, stuck: str = ""
    ) -> None:
        """Write the file.

        `reached`: when the database was last reached (seconds since 1970), None if never; `waiting_for`: what keeps the
        worker from its work, or an empty string; `stuck`: which lanes make no progress.
        """
        try:
            with self._lock:
                part = self._path.with_suffix(f".{os.getpid()}")
                said = {
                    "reached": reached,
                    "waiting_for": waiting_for,
                    "networks": networks and dict(networks),
                    "stuck": stuck,
                }
                part.write_text(json.dumps(said), encoding="utf-8")
                part.replace(self._path)
        except OSError as error:
            if not self._warned:
                log.warning("no heartbeat file can be written in %s: %s", self._path.parent, error)
            self._warned = True

    def remove(self) -> None:
        """Remove the file when the worker ends in an orderly way."""
        self._path.unlink(missing_ok=True)


def read_heartbeat_file(path: Path) -> Heartbeat | None:
    """Return the last heartbeat, or None if the file is missing or cannot be read."""
    try:
        age = time.time() - path.stat().st_mtime
        said = json.loads(path.read_text(encoding="utf-8"))
        reached = None if said["reached"] is None else max(0.0, time.time() - said["reached"])
        networks, stuck = said.get("networks"), str(said.get("stuck", ""))
        return Heartbeat(max(0.0, age), reached, str(said["waiting_for"]), networks, stuck)
    except (OSError, ValueError, TypeError, KeyError):
        return None
