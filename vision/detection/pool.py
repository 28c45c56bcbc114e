"""Pool of long-lived child processes that search pictures, so that a crash, hang or memory shortage affects one picture only.

Each child has a private pipe. (Children that share one queue share its lock, and one that is killed while it holds the
lock hangs them all.) Children are spawned, not forked: their parent has threads and connections.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from boxes import Box
from vision.detection.child import Found, Open, Work
from vision.detection.errors import DetectorUnavailable, ImageError, NotTaken, PoolStopped, SearchError, SearchTimedOut
from vision.detection.faces import Face, SearchResult
from vision.detection.prepare import Prepared, prepared
from vision.detection.process import SearchProcess
from vision.detection.settings import MAX_BYTES, SearchSettings

log = logging.getLogger(__name__)

# A child takes 0.2 GB; decoding 100 megapixels may take a gigabyte more. The limit applies to the address space.
MEMORY_BYTES = 1_500_000_000
TIMEOUT_S = 30.0
STOP_S = 2.0
# Pictures that are searched together: encoding takes a sixteenth less time (bench/detection.py). More would save little, and
# a box drawn by hand has to wait for them.
TOGETHER = 4
# Children are replaced after this many pictures: memory leaks in libraries accumulate slowly, and a start takes a second.
RECYCLE_AFTER = 2000
# Number of children to which a picture is handed when children end before they accept it.
HAND_OVERS = 3


@dataclass(frozen=True, slots=True)
class PoolStats:
    """Children alive and busy now; since the start: pictures requested, children started, and replacements by cause."""

    alive: int
    busy: int
    asked: int
    started: int
    crashed: int
    timed_out: int
    recycled: int


def open_searcher(settings: SearchSettings) -> Work:
    """Create the default work of a child. Imports dlib only here, so that only the child loads it."""
    from vision.detection.search import Searcher

    return Searcher(settings)


class FacePool:
    """Searches pictures in children. Every method may be called by several threads at once.

    Children are started when they are first needed. `open_work`, a picklable function of a module, creates the child's
    work; `prepare` is called once, before the first child or by `make_ready`.
    """

    def __init__(
        self,
        children: int,
        settings: SearchSettings,
        *,
        timeout_s: float = TIMEOUT_S,
        memory_bytes: int = MEMORY_BYTES,
        recycle_after: int = RECYCLE_AFTER,
        open_work: Open = open_searcher,
        prepare: Callable[[SearchSettings, threading.Event], Prepared] = prepared,
    ) -> None:
        self._most = children
        self._settings = settings
        self._timeout_s = timeout_s
        self._memory = memory_bytes
        self._recycle_after = recycle_after
        self._open_work = open_work
        self._prepare = prepare
        self._prepared: Prepared | None = None
        self._changed = threading.Condition()
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._idle: list[SearchProcess] = []
        self._children: set[SearchProcess] = set()
        self._slots = children
        self._urgent = 0  # boxes drawn by hand that wait for a child: a volunteer is waiting
        self._counts: Counter[str] = Counter()

    @property
    def settings(self) -> SearchSettings:
        """The search settings; after `make_ready`, those that the available networks allow."""
        return self._settings

    def make_ready(self) -> dict[str, str]:
        """Build the networks unless they are built; return by name what is done without them and why, or an empty string."""
        with self._starting:
            return self._ready().networks

    def share(self, waiting: int) -> int:
        """Return how many waiting pictures to search together, so that no child idles while another has many."""
        return min(TOGETHER, math.ceil(waiting / (2 * self._most)))

    def search(self, image: bytes) -> SearchResult:
        """Return the faces of a picture; waits for a free child. Raises SearchError."""
        (found,) = self.search_all([image])
        if isinstance(found, SearchError):
            raise found
        return found

    def search_all(self, images: Sequence[bytes]) -> list[SearchResult | SearchError]:
        """Return the result or error of each picture, in order; waits for a free child, which searches them together.

        If the search of several fails, each is searched alone, so that only the faulty picture fails.
        """
        self._count("asked", len(images))
        return self._search_all(images) if images else []

    def encode(self, image: bytes, box: Box) -> Face:
        """Return the face in a box drawn by hand; waits for a free child, before all searches. Raises SearchError."""
        self._count("asked")
        return cast(Face, self._ask([image], box))

    def stats(self) -> PoolStats:
        with self._changed:
            counts = {name: self._counts[name] for name in ("asked", "started", "crashed", "timed_out", "recycled")}
            return PoolStats(len(self._children), len(self._children) - len(self._idle), **counts)

    def pids(self) -> list[int]:
        """Return the children's process ids, for benchmarks and tests."""
        with self._changed:
            return [each.pid for each in self._children]

    def stop(self) -> None:
        """End all children within seconds; searches under way raise PoolStopped. May be called again."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
            children, idle = list(self._children), list(self._idle)
            self._idle.clear()
        for each in children:
            each.terminate()
        until = time.monotonic() + STOP_S
        for each in children:
            each.end(max(0.0, until - time.monotonic()))
        for each in idle:
            self._drop(each)

    def _search_all(self, images: Sequence[bytes]) -> list[SearchResult | SearchError]:
        try:
            return cast(list[SearchResult | SearchError], self._ask(images, None))
        except SearchError as error:
            if len(images) == 1 or isinstance(error, PoolStopped | DetectorUnavailable):
                return [error] * len(images)
        return [found for image in images for found in self._search_all([image])]

    def _ask(self, images: Sequence[bytes], box: Box | None) -> Found:
        largest = max(map(len, images))
        if largest > MAX_BYTES:
            raise ImageError(f"The file has {largest / 1e6:.0f} MB; up to {MAX_BYTES / 1e6:.0f} MB are searched.")
        answer = self._ask_once(images, box)
        for _ in range(HAND_OVERS - 1):
            if isinstance(answer, NotTaken):
                self._explained(answer)
                answer = self._ask_once(images, box)
        if isinstance(answer, SearchError):
            raise self._explained(answer) from None
        return answer

    def _ask_once(self, images: Sequence[bytes], box: Box | None) -> Found | SearchError:
        taken = self._take(urgent=box is not None)
        worn = True
        try:
            answer, worn = taken.ask(images, box)
        except SearchError as error:
            return error
        finally:
            self._give_back(taken, worn)
        return answer

    def _explained(self, error: SearchError) -> SearchError:
        if error.lasting:
            return error
        if self._stopping.is_set():
            return PoolStopped("The search was stopped before this picture was done.")
        log.warning("%s", "\n".join([str(error), *getattr(error, "__notes__", [])]))
        self._count("timed_out" if isinstance(error, SearchTimedOut) else "crashed")
        return error

    def _count(self, name: str, by: int = 1) -> None:
        with self._changed:
            self._counts[name] += by

    def _take(self, urgent: bool) -> SearchProcess:
        """Return an idle child, or start one if fewer than the maximum are running."""
        with self._changed:
            self._urgent += urgent
            self._changed.wait_for(lambda: self._stopping.is_set() or self._mine(urgent))
            self._urgent -= urgent
            self._changed.notify_all()
            if self._stopping.is_set():
                raise PoolStopped("The search was stopped before this picture was begun.")
            self._slots -= 1
            idle = self._idle.pop() if self._idle else None
        if idle is not None and idle.alive:
            return idle
        try:
            if idle is not None:
                self._replaced(idle, "crashed")
            return self._started()
        except BaseException:
            self._free_slot()
            raise

    def _mine(self, urgent: bool) -> bool:
        """Return whether a child is free for this request; urgent requests go first."""
        return self._slots > 0 and (urgent or not self._urgent)

    def _ready(self) -> Prepared:
        """Build the networks once. Must be called by one thread at a time."""
        if self._prepared is None:
            self._prepared = self._prepare(self._settings, self._stopping)
            self._settings = self._prepared.settings
        return self._prepared

    def _started(self) -> SearchProcess:
        with self._starting:
            self._ready()
            new = SearchProcess(self._open_work, self._settings, self._memory, self._timeout_s)
            with self._changed:
                self._children.add(new)
                self._counts["started"] += 1
        try:
            if self._stopping.is_set():  # stop() may have looked before the child was there
                raise PoolStopped("The search was stopped before this picture was begun.")
            new.wait_until_ready()
        except SearchError as error:
            new.end(0.0)
            self._drop(new)
            raise PoolStopped("The search was stopped.") if self._stopping.is_set() else error from None
        return new

    def _give_back(self, child: SearchProcess, worn: bool) -> None:
        old = child.done >= self._recycle_after
        if worn or old:
            self._replaced(child, "recycled" if not worn else "")
        else:
            with self._changed:
                if self._stopping.is_set():
                    worn = True
                else:
                    self._idle.append(child)
            if worn:
                self._replaced(child, "")
        self._free_slot()

    def _free_slot(self) -> None:
        with self._changed:
            self._slots += 1
            self._changed.notify_all()

    def _replaced(self, child: SearchProcess, why: str) -> None:
        child.end(STOP_S)
        self._drop(child)
        if why:
            self._count(why)

    def _drop(self, child: SearchProcess) -> None:
        with self._changed:
            self._children.discard(child)
        child.close()
