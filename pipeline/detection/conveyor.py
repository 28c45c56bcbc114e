"""The detection lane: a pipeline of threads that claim leases of files, look them up, download, search and store them.

The next lease is claimed and downloaded while the children search the pictures of one, so that they never wait.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from database import Connection
from pipeline.detection import detect
from pipeline.detection.detect import Job
from pipeline.jobs.lane import AFTER_TROUBLE, Lane, WorkerContext
from pipeline.jobs.outcome import Stopped, passes
from pipeline.jobs.tools import children
from store.detection import searches
from store.detection.searches import SearchLease
from store.errors import LeaseLost
from store.jobs import tasks
from store.projects import projects
from vision.detection.errors import DetectorUnavailable, PoolStopped, SearchError
from vision.detection.faces import SearchResult
from vision.detection.pool import TOGETHER
from vision.detection.settings import MAX_BYTES
from wiki.errors import WikiError

log = logging.getLogger(__name__)

Piece = TypeVar("Piece")

TICK = 0.25  # seconds between two checks of a waiting thread whether the worker stops
RENEW_AFTER = 180.0  # seconds; a lease that is not renewed expires after 15 minutes
LOOK_AFTER = 1.0  # seconds between two checks whether projects with leases were paused
MODEL_EVERY = 10.0  # seconds between two runs of the model while the files of a project are searched
MOST_LEASES = 2
# Limit for the pictures that wait to be searched: two of the largest, or hundreds of the usual renderings.
MOST_BYTES = 2 * MAX_BYTES
DETECTOR_REST = 60.0  # seconds without a claim after no search process could be started
FIRST_REST, LONGEST_REST = 5.0, 300.0  # seconds without a claim when the wiki does not answer, doubled each time
CLAIM_TRIES = 10


@dataclass
class Load:
    """A lease in progress. `left`: files neither settled nor given back. `renewed` and `began` are monotonic times.

    `searched`: number of files stored. `dropped`: its files are not searched any more. `touched`: ids of projects whose
    model has to run.
    """

    lease: SearchLease
    left: int
    renewed: float
    began: float
    searched: int = 0
    dropped: bool = False
    touched: set[int] = field(default_factory=set)


Fetched = tuple[Load, Job, bytes]


class Conveyor:
    """The threads of detection and their queues. Call `threads` once.

    `_changed` guards the loads, their counts of files, and the number of bytes that wait to be searched.
    """

    def __init__(self, context: WorkerContext, most_bytes: int = MOST_BYTES) -> None:
        self._context = context
        self._tools = context.tools
        self._children = children(context.tools.settings)
        self._to_fetch: queue.Queue[tuple[Load, Job]] = queue.Queue()
        self._to_search: queue.Queue[Fetched] = queue.Queue(2 * TOGETHER * self._children)
        self._changed = threading.Condition()
        self._most_bytes, self._bytes = most_bytes, 0  # bytes of the pictures that wait to be searched
        self._loads: list[Load] = []
        self._modelled: dict[int, float] = {}  # project id -> monotonic time of the last immediate run of the model
        self._looked = 0.0  # monotonic time of the last _maintain_leases
        self._rest, self._rest_until = 0.0, 0.0  # seconds without a claim, and the monotonic time of their end
        self._empty_generation = -1  # generation of the wake signal at which nothing could be claimed

    def threads(self) -> list[threading.Thread]:
        """Return one claim thread, N download threads and children + 1 search threads, not yet started."""
        claim = Lane("detect", self._context, self._look, self._next_in).threads()
        fetch = self._workers("download", self._tools.settings.image_threads, self._to_fetch, self._fetch)
        search = self._workers("search", self._children + 1, self._to_search, self._search)
        return claim + fetch + search

    def _workers(
        self, name: str, count: int, source: "queue.Queue[Piece]", work: Callable[[Piece], None]
    ) -> list[threading.Thread]:
        return [
            threading.Thread(target=self._serve, args=(source, work), name=f"{name}-{n}", daemon=True)
            for n in range(count)
        ]

    def _serve(self, source: "queue.Queue[Piece]", work: Callable[[Piece], None]) -> None:
        while not self._tools.stop.is_set():
            try:
                piece = source.get(timeout=TICK)
            except queue.Empty:
                continue
            try:
                self._contain_errors(work, piece)
            except Stopped:
                return

    def _contain_errors(self, work: Callable[..., None], *given: object) -> None:
        """Call `work`; log any exception and pause, so that the thread survives it. Raises Stopped."""
        try:
            work(*given)
        except Stopped:
            raise
        except Exception:
            log.exception("a file was not settled; its lease will expire", extra={"stage": "detect"})
            self._tools.stop.wait(AFTER_TROUBLE)

    def _look(self) -> bool:
        """Claim a lease if there is room, and maintain those in progress. Return False if there is none of either."""
        self._maintain_leases()
        generation = self._context.wake.generation
        if self._empty_generation != generation and self._room() and time.monotonic() >= self._rest_until:
            lease = self._claim()
            if lease is not None:
                self._begin(lease)
                return True
            self._empty_generation = generation
        with self._changed:
            if not self._loads:
                self._empty_generation = -1
                return False
            self._changed.wait(TICK)
            return True

    def _next_in(self) -> float | None:
        rest = self._rest_until - time.monotonic()
        return rest if rest > 0 else None

    def _room(self) -> bool:
        """Return whether another lease may be claimed: no more files wait for a download than there are threads."""
        with self._changed:
            return len(self._loads) < MOST_LEASES and self._to_fetch.qsize() <= self._tools.settings.image_threads

    def _claim(self) -> SearchLease | None:
        worker, size = self._tools.worker, self._tools.settings.batch_size
        for _ in range(CLAIM_TRIES):
            lease = self._tools.run(lambda db: searches.claim(db, worker, size))
            if lease is not None or not self._tools.run(searches.any_due):
                return lease
            # Other workers have locked the due rows, so the claim is repeated after a short random pause.
            if self._tools.stop.wait(self._tools.rng.uniform(0.02, 0.2)):
                raise Stopped
        return None

    def _begin(self, lease: SearchLease) -> None:
        now = time.monotonic()
        load = Load(lease, len(lease.page_ids), renewed=now, began=now)
        with self._changed:
            self._loads.append(load)
        with self._context.activity.at(f"detect {lease.project_id}"):
            try:
                with self._tools.metrics.timed("look_up"):
                    jobs = detect.look_up(lease, self._tools)
            except WikiError as error:
                self._give_up_lease(load, error)
                return
            except Stopped:
                raise
            except Exception as error:
                log.exception("failed with an unexpected error", extra={"stage": "detect"})
                self._fail_lease(load, error)
                return
        self._rest = 0.0
        self._done(load, len(lease.page_ids) - len(jobs))
        for job in jobs:
            self._to_fetch.put((load, job))

    def _give_up_lease(self, load: Load, error: WikiError) -> None:
        """Give the lease back after a failed look-up; its files count as failed only if the error is permanent."""
        self._tools.check()
        log.warning("the look-up of %d files failed: %s", load.left, error, extra={"stage": "detect"})
        if passes(error):
            self._rest = min(LONGEST_REST, max(FIRST_REST, 2 * self._rest))
            self._rest_until = time.monotonic() + self._rest
            self._done(load, load.left)
        else:
            self._fail_lease(load, error)

    def _fail_lease(self, load: Load, error: Exception) -> None:
        for page_id in load.lease.page_ids:
            detect.fail(load.lease, page_id, error, self._tools)
        self._done(load, load.left)

    def _fetch(self, piece: tuple[Load, Job]) -> None:
        load, job = piece
        if self._skip_if_dropped(load):
            return
        try:
            with self._tools.metrics.timed("download"):
                data = detect.fetch(job, self._tools)
        except WikiError as error:
            self._tools.check()
            self._fail(load, job, error)
            return
        except Exception as error:
            self._fail_unexpectedly(load, job, error)
            return
        self._make_room(len(data))
        while not self._tools.stop.is_set():
            try:
                self._to_search.put((load, job, data), timeout=TICK)
                return
            except queue.Full:
                continue

    def _make_room(self, size: int) -> None:
        """Wait until `size` more bytes fit into the limit; a single picture is always accepted."""
        with self._changed:
            while self._bytes and self._bytes + size > self._most_bytes and not self._tools.stop.is_set():
                self._changed.wait(TICK)
            self._bytes += size

    def _skip_if_dropped(self, load: Load) -> bool:
        """Return whether the lease of a file was dropped; the file then counts as done."""
        if not load.dropped:
            return False
        self._done(load)
        return True

    def _search(self, first: Fetched) -> None:
        """Search a picture together with others that are waiting already, and store the results."""
        taken = [first, *self._more()]
        with self._changed:
            self._bytes -= sum(len(data) for _, _, data in taken)
            self._changed.notify_all()
        wanted = [piece for piece in taken if not self._skip_if_dropped(piece[0])]
        if wanted:
            for piece, found in zip(wanted, self._found(wanted), strict=True):
                self._contain_errors(self._settle, piece, found)

    def _found(self, pieces: list[Fetched]) -> Sequence[SearchResult | Exception]:
        projects_at_hand = ", ".join(sorted({str(load.lease.project_id) for load, _, _ in pieces}))
        try:
            with self._context.activity.at(f"search for {projects_at_hand}"), self._tools.metrics.timed("search"):
                return self._tools.pool.search_all([data for _, _, data in pieces])
        except Exception as error:
            return [error] * len(pieces)

    def _more(self) -> list[Fetched]:
        found = []
        with suppress(queue.Empty):
            for _ in range(self._tools.pool.share(1 + self._to_search.qsize()) - 1):
                found.append(self._to_search.get_nowait())
        return found

    def _settle(self, piece: Fetched, found: SearchResult | Exception) -> None:
        load, job, data = piece
        try:
            if isinstance(found, Exception):
                raise found
            result = detect.complete(job, data, found, self._tools)
            with self._tools.metrics.timed("store"):
                load.touched.update(detect.keep(job, result, self._tools))
            self._tools.metrics.file("searched")
            load.searched += 1
        except PoolStopped:
            raise Stopped from None
        except DetectorUnavailable as error:
            self._drop_all(error)
        except SearchError as error:
            self._tools.check()
            self._fail(load, job, error)
            return
        except (LeaseLost, Stopped) as error:
            if isinstance(error, Stopped):
                raise
            log.warning("the lease was lost; another worker searches the file", extra=_extra(job))
        except Exception as error:
            self._fail_unexpectedly(load, job, error)
            return
        self._done(load)

    def _fail(self, load: Load, job: Job, error: Exception) -> None:
        detect.fail(job.lease, job.page_id, error, self._tools)
        load.touched.add(job.lease.project_id)
        self._done(load)

    def _fail_unexpectedly(self, load: Load, job: Job, error: Exception) -> None:
        log.exception("failed with an unexpected error", extra=_extra(job))
        self._fail(load, job, error)

    def _done(self, load: Load, count: int = 1) -> None:
        """Subtract settled files from a lease; after the last one end it and request runs of the model."""
        with self._changed:
            load.left -= count
            over = load.left <= 0 and load in self._loads
            if over:
                self._loads.remove(load)
            self._changed.notify_all()
        if over:
            self._tools.run(lambda db: searches.give_back(db, load.lease))
            self._want_models(load.touched | {load.lease.project_id})
            log.info(
                "searched %d of %d files in %.1f s",
                load.searched,
                len(load.lease.page_ids),
                time.monotonic() - load.began,
                extra={"stage": "detect", "project": load.lease.project_id},
            )

    def _want_models(self, project_ids: set[int]) -> None:
        """Request runs of the model: at once every MODEL_EVERY seconds and after the last file, else with a delay."""
        now = time.monotonic()

        def work(db: Connection) -> None:
            for project_id in sorted(project_ids):
                due = now - self._modelled.get(project_id, -MODEL_EVERY) >= MODEL_EVERY
                at_once = due or searches.over(db, project_id)
                tasks.want(db, "model", project_id, delay=0.0 if at_once else MODEL_EVERY)

        self._tools.run(work)
        for project_id in project_ids:
            if now - self._modelled.get(project_id, -MODEL_EVERY) >= MODEL_EVERY:
                self._modelled[project_id] = now

    def _maintain_leases(self) -> None:
        """Renew leases, and drop those of projects that are no longer active."""
        now = time.monotonic()
        if now - self._looked < LOOK_AFTER:
            return
        self._looked = now
        with self._changed:
            loads = list(self._loads)
        for load in loads:
            self._maintain(load, now)

    def _maintain(self, load: Load, now: float) -> None:
        project = self._tools.run(lambda db: projects.get(db, load.lease.project_id))
        if project is None or project.status != "active":
            self._drop(load)
        elif now - load.renewed > RENEW_AFTER:
            load.renewed = now
            self._tools.run(lambda db: searches.renew(db, load.lease))

    def _drop(self, load: Load) -> None:
        """Give back the files of a lease that are not searched yet."""
        if not load.dropped:
            load.dropped = True
            self._tools.run(lambda db: searches.give_back(db, load.lease))

    def _drop_all(self, error: DetectorUnavailable) -> None:
        """Give back all leases and claim none for DETECTOR_REST seconds."""
        log.error("the detector is not available, all leases were given back: %s", error, extra={"stage": "detect"})
        self._rest_until = time.monotonic() + DETECTOR_REST
        with self._changed:
            loads = list(self._loads)
        for load in loads:
            self._drop(load)


def _extra(job: Job) -> dict[str, object]:
    return {"stage": "detect", "project": job.lease.project_id, "file": job.page_id}
