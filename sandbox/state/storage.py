"""Keeping the state in a file: written whole, to a file beside it that then takes its name."""

import os
import tempfile
import threading
from pathlib import Path

import msgspec

from sandbox.state.model import State
from sandbox.state.world import World


class BadState(Exception):
    """A state file that cannot be read; the text says what to do."""


def load(path: Path) -> State:
    """The state of a file. Raises BadState."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except (msgspec.DecodeError, OSError) as error:
        raise BadState(f"{path} is no state of the sandbox ({error}). Delete it to begin anew.") from error


def save(world: World, path: Path) -> None:
    """Write the state, at once or not at all."""
    with world.lock:
        data = msgspec.json.encode(world.state)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    Path(name).replace(path)


class Keeper:
    """Saves a world whenever it has changed, and a last time when it stops."""

    def __init__(self, world: World, path: Path, *, every: float = 0.5) -> None:
        self.world, self.path, self.every = world, path, every
        self.saved = -1
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-keeper", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self.every):
            self._save()

    def _save(self) -> None:
        version = self.world.version
        if version != self.saved:
            save(self.world, self.path)
            self.saved = version

    def stop(self) -> None:
        """Save what is not saved yet, and end."""
        self._stop.set()
        self._thread.join()
        self._save()
