"""Main loop of a search process: read pictures from its pipe until the pipe closes."""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Protocol

from boxes import Box
from vision.detection.errors import ImageError, SearchCrashed, SearchError
from vision.detection.faces import Face, SearchResult
from vision.detection.settings import SearchSettings

LIBC = ctypes.CDLL(None)
M_ARENA_MAX = -8  # malloc.h
READY, TAKEN = "ready", "taken"


class Work(Protocol):
    """Interface of a child's work: `vision.detection.search.Searcher`, or a fake in tests."""

    def search_all(self, pictures: Iterable[bytes]) -> list[SearchResult | ImageError]:
        """Return the result or error of each picture, in order; consume each picture only when its search begins."""

    def encode(self, data: bytes, box: Box) -> Face:
        """Return the face in the box. Raises ImageError."""


Open = Callable[[SearchSettings], Work]
Found = list[SearchResult | ImageError] | Face
Reply = tuple[Found | SearchError, bool]


def main(pipe: connection.Connection, open_work: Open, settings: SearchSettings, memory: int, timeout_s: float) -> None:
    """Send READY once loaded, then reply to each request: (box or None, number of pictures) and the pictures.

    TAKEN is sent when the search of each picture begins. The reply is the result or error, and whether this child must be
    replaced.
    """
    _settle(memory, settings.nice)
    work = open_work(settings)
    LIBC.malloc_trim(0)  # reading the networks leaves half of what it took unused
    pipe.send(READY)
    while True:
        try:
            box, count = pipe.recv()
            pictures = [pipe.recv_bytes() for _ in range(count)]
        except (EOFError, OSError):
            return
        pipe.send(_reply(work, box, _taken(pipe, pictures, timeout_s)))
        signal.alarm(0)


def _taken(pipe: connection.Connection, pictures: list[bytes], timeout_s: float) -> Iterator[bytes]:
    """Yield one picture after the other, with the full time limit for each."""
    pictures.reverse()
    while pictures:
        # The parent ends a child that is late. Should the parent be gone, the kernel does, later, whatever hangs.
        signal.alarm(math.ceil(2 * timeout_s) + 1)
        pipe.send(TAKEN)
        yield pictures.pop()


def _settle(memory: int, nice: int) -> None:
    """Start a session, so that Ctrl-C and signals to the worker's group do not end this child, and limit resources."""
    os.setsid()
    if nice:
        _step_back(nice)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    LIBC.mallopt(M_ARENA_MAX, 1)  # one heap wastes less than one a thread
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _step_back(nice: int) -> None:
    """Lower the priority, also of the session where Linux schedules by session (autogroup)."""
    os.nice(max(0, nice - os.nice(0)))
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(nice))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _reply(work: Work, box: Box | None, pictures: Iterator[bytes]) -> Reply:
    try:
        return (work.search_all(pictures) if box is None else work.encode(next(pictures), box)), False
    except SearchError as error:
        return error, False
    except MemoryError:
        return ImageError("The picture needs more memory than one picture may have."), True
    except Exception as error:
        failure = SearchCrashed(f"The search of this picture failed ({type(error).__name__}).")
        failure.add_note(traceback.format_exc())
        return failure, True
