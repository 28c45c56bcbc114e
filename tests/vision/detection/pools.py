"""Pools of children that fail on demand, for tests."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.vision.detection.faulty import open_faulty
from vision.detection.errors import ImageError, SearchCrashed, SearchError, SearchTimedOut
from vision.detection.pool import FacePool
from vision.detection.prepare import Prepared
from vision.detection.settings import SearchSettings

# Pictures that make a child fail, and the resulting errors.
FAULTS: list[tuple[bytes, type[SearchError]]] = [
    (b"kill", SearchCrashed),
    (b"abort", SearchCrashed),
    (b"hang", SearchTimedOut),
    (b"stop", SearchTimedOut),
    (b"memory", ImageError),
    (b"bug", SearchCrashed),
]


def unprepared(settings: SearchSettings, stop: threading.Event) -> Prepared:
    return Prepared(settings, {})


def make_pool(children: int = 1, **options: object) -> FacePool:
    """Return a pool with a time limit of two seconds per picture."""
    chosen = {"timeout_s": 2.0, "open_work": open_faulty, "prepare": unprepared, **options}
    return FacePool(children, SearchSettings(), **chosen)  # type: ignore[arg-type]


def gone(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1]
    except OSError:
        return True
    return state.startswith("Z")
