"""Loading and atomic saving of the state as a JSON file."""

import os
import tempfile
import threading
from pathlib import Path

import msgspec

from sandbox.state.model import State
from sandbox.state.world import World


class BadState(Exception):
    """The state file cannot be read; the text says what to do."""


def load(path: Path) -> State:
    """Load the state from a file. Raises BadState."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except (msgspec.DecodeError, OSError) as error:
        raise BadState(f"{path} is not a state file of the sandbox ({error}). Delete it to begin anew.") from error


def save(world: World, path: Path) -> None:
    """Write the state atomically: to a temporary file that is then renamed."""
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
    """A background thread that saves a world after every change and when it stops."""

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
        """Stop the thread and save changes that are not saved yet."""
        self._stop.set()
        self._thread.join()
        self._save()
