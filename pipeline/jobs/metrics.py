"""Prometheus metrics of a worker: files, duration of stages, errors, children, and lengths of the queues.

Names and labels are those of /metrics; they contain no data about users, projects or files.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from database import Database, DatabaseError
from store.jobs import queues, workers
from vision.detection.pool import PoolStats

log = logging.getLogger(__name__)

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0, 600.0)


class Pool(Protocol):
    """A pool whose children are counted."""

    def stats(self) -> PoolStats: ...


class Metrics:
    """The metrics of one worker. Every method may be called by several threads at once."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._files = Counter(
            "wikivisage_files", "Files settled, by what became of them.", ["outcome"], registry=self.registry
        )
        self._errors = Counter(
            "wikivisage_errors", "What went wrong, by stage and reason.", ["stage", "reason"], registry=self.registry
        )
        self._stages = Histogram(
            "wikivisage_stage_seconds", "How long stages took.", ["stage"], registry=self.registry, buckets=SECONDS
        )

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Record the duration of a block, also if it raises."""
        with self._stages.labels(stage).time():
            yield

    def file(self, outcome: str) -> None:
        """Count a settled file; `outcome`: searched, failed or known (searched before)."""
        self._files.labels(outcome).inc()

    def error(self, stage: str, reason: str) -> None:
        """Count an error of a stage; `reason`: a key."""
        self._errors.labels(stage, reason).inc()

    def serve(self, port: int, database: Database, pool: Pool) -> None:
        """Serve /metrics on all addresses; if the port cannot be used, log an error and go on without metrics."""
        for collector in (Queues(database), Children(pool)):
            self.registry.register(collector)
        ProcessCollector(registry=self.registry)
        try:
            start_http_server(port, registry=self.registry)
        except OSError as error:
            log.error("no metrics: port %d cannot be used (%s); set WIKIVISAGE_METRICS_PORT to a free one", port, error)


class Queues(Collector):
    """Lengths of the queues, read from the database at each request; omitted while the database is not available."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[Metric]:
        """Return nothing, so that registration does not read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("wikivisage_database_up", "Whether the database answered.")
        try:
            with self._database.transaction() as db:
                lengths, alive = queues.lengths(db), workers.count_alive(db)
        except DatabaseError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        waiting = GaugeMetricFamily("wikivisage_waiting", "What waits, of all workers, by queue.", labels=["queue"])
        for name, length in lengths.items():
            waiting.add_metric([name], length)
        yield waiting
        yield GaugeMetricFamily("wikivisage_workers_alive", "Workers heard of in the last minute.", value=alive)


class Children(Collector):
    """Numbers of detector children, and of their starts and ends since the worker started."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        stats = self._pool.stats()
        yield GaugeMetricFamily("wikivisage_children_alive", "Detector children.", value=stats.alive)
        yield GaugeMetricFamily("wikivisage_children_busy", "Detector children at work.", value=stats.busy)
        events = CounterMetricFamily("wikivisage_children", "What became of children.", labels=["event"])
        for name in ("started", "crashed", "timed_out", "recycled"):
            events.add_metric([name], getattr(stats, name))
        yield events
