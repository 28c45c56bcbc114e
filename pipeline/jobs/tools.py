"""Tools passed to every stage: settings, database, wiki client, face pool, clock and the stop event of the worker."""

import logging
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import config
from config import VERSION, Settings
from database import Connection, Database, DatabaseUnavailable
from pipeline.jobs import quota
from pipeline.jobs.metrics import Metrics
from pipeline.jobs.outage import FIRST_PAUSE, LONGEST_PAUSE, Outage
from pipeline.jobs.outcome import Stopped
from pipeline.jobs.progress import Progress
from store.accounts import tokens
from vision.detection.pool import FacePool
from vision.detection.settings import SearchSettings, user_cache
from wiki.client import MAXLAG_SECONDS, Client, Endpoints, user_agent

log = logging.getLogger(__name__)

Value = TypeVar("Value")
NICE = 10  # of 19: niceness of children; on a shared machine a child gets a tenth of the CPU time of a web process


@dataclass(frozen=True)
class Tools:
    """The tools that all lanes of a worker share; all of them may be used by several threads at once."""

    settings: Settings
    database: Database
    wiki: Client
    pool: FacePool
    worker: str
    stop: threading.Event
    clock: Callable[[], float] = time.monotonic
    rng: random.Random = field(default_factory=random.Random)
    metrics: Metrics = field(default_factory=Metrics)
    outage: Outage = field(default_factory=Outage)
    progress: Progress = field(default_factory=Progress)

    def run(self, work: Callable[[Connection], Value]) -> Value:
        """Run `work` in a transaction of its own; wait while the database is not available. Raises Stopped.

        `work` may run several times, so it must do nothing but SQL.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                found = self.database.retry(work)
                self.progress.transaction_ended()
                return found
            except DatabaseUnavailable as error:
                self.outage.report(error, logging.WARNING if pause > 1 else logging.INFO)
                if self.stop.wait(pause):
                    raise Stopped from None
                self.outage.wait(self.database, self.stop)
                pause = min(LONGEST_PAUSE, pause * 2)

    def check(self) -> None:
        """Raise Stopped if the worker has to end."""
        if self.stop.is_set():
            raise Stopped


def open_tools(settings: Settings, worker: str, stop: threading.Event) -> Tools:
    """Create the tools of a worker; an invalid key for tokens ends the process.

    Connections are opened and children started when they are first needed.
    """
    try:
        tokens.box(settings.token_keys)
    except tokens.BadKey as error:
        config.stop(str(error))
    for warning in settings.warnings():
        log.warning("%s", warning)
    database = Database(settings, size=settings.pool_size)
    return Tools(settings, database, open_wiki(settings, stop), open_pool(settings), worker, stop)


def open_wiki(settings: Settings, stop: threading.Event) -> Client:
    """Create the wiki client for the endpoints in the settings."""
    return Client(
        Endpoints(**settings.endpoints),
        user_agent(VERSION, settings.contact or urlsplit(settings.oauth_redirect_uri).netloc),
        stop,
        maxlag=MAXLAG_SECONDS,
        download_throttle_seconds=settings.download_throttle,
        media_hosts=settings.media_hosts,
    )


def open_pool(settings: Settings) -> FacePool:
    """Create the pool of detector children; log their number and what determines it: settings, cores or limits."""
    count, why = _fitting(settings)
    log.info("%s", why)
    return FacePool(count, search_settings(settings))


def search_settings(settings: Settings) -> SearchSettings:
    """Return the configured search settings; the pool may fall back to a lesser detector (vision.detection.prepare)."""
    cache = Path(settings.cache_dir) if settings.cache_dir else user_cache()
    return SearchSettings(settings.detector, settings.encoder, cache, NICE)


def children(settings: Settings) -> int:
    """Return the number of detector children of this process."""
    return _fitting(settings)[0]


def _fitting(settings: Settings) -> tuple[int, str]:
    return quota.fitting(cores_here(), quota.limits(), settings.detector_children)


def cores_here() -> int:
    """Return the number of cores that this process may use by its CPU affinity."""
    return len(os.sched_getaffinity(0))
