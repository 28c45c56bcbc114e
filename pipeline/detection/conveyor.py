"""The detection lane: a pipeline of threads that claim leases of files, look them up, download, search and store them.

The next lease is claimed and downloaded while the children search the pictures of one, so that they never wait.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
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


@dataclass(eq=False)
class Load:
    """A lease in progress. `left`: ids of the files neither settled nor given back. `renewed` and `began` are monotonic
    times.

    `searched`: number of files stored. `dropped`: its files are not searched any more. `touched`: ids of projects whose
    model has to run.
    """

    lease: SearchLease
    left: set[int]
    renewed: float
    began: float
    searched: int = 0
    dropped: bool = False
    touched: set[int] = field(default_factory=set)


Wanted = tuple[Load, Job]
Fetched = tuple[Load, Job, bytes]
Piece = TypeVar("Piece", Wanted, Fetched)


class Conveyor:
    """The threads of detection and their queues. Call `threads` once.

    `_changed` guards the loads, their files, and the number of bytes that wait to be searched. Whatever fails, and
    wherever, a file leaves its load by `_done`, so that no place is lost, and the end of a load is tried until it works.
    """

    def __init__(self, context: WorkerContext, most_bytes: int = MOST_BYTES) -> None:
        self._context = context
        self._tools = context.tools
        self._children = children(context.tools.settings)
        self._to_fetch: queue.Queue[Wanted] = queue.Queue()
        self._to_search: queue.Queue[Fetched] = queue.Queue(2 * TOGETHER * self._children)
        self._changed = threading.Condition()
        self._most_bytes, self._bytes = most_bytes, 0  # bytes of the pictures that wait to be searched
        self._loads: list[Load] = []  # in the order in which they were claimed
        self._unended: list[Load] = []  # loads without files left, whose lease could not be ended yet
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
                self._contain_errors(piece, partial(work, piece))
            except Stopped:
                return

    def _contain_errors(self, piece: Wanted | Fetched, work: Callable[[], None]) -> None:
        """Call `work`; after an exception log it, return the place of the file, and pause. Raises Stopped.

        The file itself is given back when its load ends.
        """
        try:
            work()
        except Stopped:
            raise
        except Exception:
            load, job = piece[0], piece[1]
            log.exception("a file was not settled; it will be given back", extra=_extra(job))
            self._done(load, [job.page_id])
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
            if not self._loads and not self._unended:
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
        load = Load(lease, set(lease.page_ids), renewed=now, began=now)
        with self._changed:
            self._loads.append(load)
            self._tools.progress.begin(load, "detect")
        jobs: Sequence[Job] = ()
        try:
            with self._context.activity.at(f"detect {lease.project_id}"):
                jobs = self._look_up(load)
        finally:
            self._done(load, load.left - {job.page_id for job in jobs})
        for job in jobs:
            self._to_fetch.put((load, job))

    def _look_up(self, load: Load) -> Sequence[Job]:
        """Return the files to download; none if the look-up failed, as its files are settled or given back then."""
        try:
            with self._tools.metrics.timed("look_up"):
                jobs = detect.look_up(load.lease, self._tools)
        except WikiError as error:
            self._give_up_lease(load, error)
            return ()
        except Stopped:
            raise
        except Exception as error:
            log.exception("failed with an unexpected error", extra={"stage": "detect"})
            self._fail_lease(load, error)
            return ()
        self._rest = 0.0
        return jobs

    def _give_up_lease(self, load: Load, error: WikiError) -> None:
        """Rest after a failed look-up; its files count as failed only if the error is permanent."""
        self._tools.check()
        log.warning("the look-up of %d files failed: %s", len(load.left), error, extra={"stage": "detect"})
        if passes(error):
            self._rest = min(LONGEST_REST, max(FIRST_REST, 2 * self._rest))
            self._rest_until = time.monotonic() + self._rest
        else:
            self._fail_lease(load, error)

    def _fail_lease(self, load: Load, error: Exception) -> None:
        for page_id in load.lease.page_ids:
            detect.fail(load.lease, page_id, error, self._tools)

    def _fetch(self, piece: Wanted) -> None:
        load, job = piece
        if self._skip_if_dropped(load, job):
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

    def _skip_if_dropped(self, load: Load, job: Job) -> bool:
        """Return whether the lease of a file was dropped; the file then counts as done."""
        if not load.dropped:
            return False
        self._done(load, [job.page_id])
        return True

    def _search(self, first: Fetched) -> None:
        """Search a picture together with others that are waiting already, and store the results."""
        taken = [first]
        try:
            taken += self._more()
        finally:
            with self._changed:
                self._bytes -= sum(len(data) for _, _, data in taken)
                self._changed.notify_all()
        wanted = [piece for piece in taken if not self._skip_if_dropped(piece[0], piece[1])]
        if wanted:
            for piece, found in zip(wanted, self._found(wanted), strict=True):
                self._contain_errors(piece, partial(self._settle, piece, found))

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
        self._done(load, [job.page_id])

    def _fail(self, load: Load, job: Job, error: Exception) -> None:
        detect.fail(job.lease, job.page_id, error, self._tools)
        load.touched.add(job.lease.project_id)
        self._done(load, [job.page_id])

    def _fail_unexpectedly(self, load: Load, job: Job, error: Exception) -> None:
        log.exception("failed with an unexpected error", extra=_extra(job))
        self._fail(load, job, error)

    def _done(self, load: Load, page_ids: Iterable[int]) -> None:
        """Remove files from a load, whether they are settled or not; end it after the last one. Raises Stopped only."""
        with self._changed:
            load.left.difference_update(page_ids)
            over = not load.left and load in self._loads
            # Later loads wait in the queues behind this one. An earlier one has moved only if its own files have.
            behind = self._loads[self._loads.index(load) :] if load in self._loads else []
            self._tools.progress.move(*behind)
            if over:
                self._loads.remove(load)
            self._changed.notify_all()
        if over:
            self._end(load)

    def _end(self, load: Load) -> None:
        """End a lease and request runs of the model; if that fails, it is tried again soon. Raises Stopped only."""
        extra = {"stage": "detect", "project": load.lease.project_id}
        try:
            self._tools.run(lambda db: searches.give_back(db, load.lease))
            self._want_models(load.touched | {load.lease.project_id})
        except Stopped:
            raise
        except Exception:
            log.exception("a lease was not ended; it is tried again in %.0f s", LOOK_AFTER, extra=extra)
            with self._changed:
                self._unended.append(load)
            return
        self._tools.progress.end(load)
        log.info(
            "searched %d of %d files in %.1f s",
            load.searched,
            len(load.lease.page_ids),
            time.monotonic() - load.began,
            extra=extra,
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
        """Renew leases, drop those of projects that are no longer active, and end those that could not be ended."""
        now = time.monotonic()
        if now - self._looked < LOOK_AFTER:
            return
        self._looked = now
        with self._changed:
            loads = list(self._loads)
            unended, self._unended = self._unended, []
        for load in unended:
            self._end(load)
        for load in loads:
            self._maintain(load, now)

    def _maintain(self, load: Load, now: float) -> None:
        project = self._tools.run(lambda db: projects.get(db, load.lease.project_id))
        if project is None or project.status != "active":
            self._drop(load)
        elif now - load.renewed > RENEW_AFTER:
            self._tools.run(lambda db: searches.renew(db, load.lease))
            load.renewed = now

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
