"""What a worker tells Prometheus: what it did, how long each stage took, what went wrong, and how much waits.

Names and labels are those of /metrics; nothing in them says who a project or a file belongs to.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from database import Database, DatabaseError
from store.jobs import queues
from vision.detection.pool import PoolStats

log = logging.getLogger(__name__)

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0, 600.0)


class Pool(Protocol):
    """What has children to count."""

    def stats(self) -> PoolStats: ...


class Metrics:
    """The counts of one worker; safe to use from all lanes."""

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
        """Time a block, also where it raises."""
        with self._stages.labels(stage).time():
            yield

    def file(self, outcome: str) -> None:
        """A file was settled: searched, failed or known (searched before)."""
        self._files.labels(outcome).inc()

    def error(self, stage: str, reason: str) -> None:
        """Something went wrong."""
        self._errors.labels(stage, reason).inc()

    def serve(self, port: int, database: Database, pool: Pool) -> None:
        """Answer /metrics on all addresses; a port that is taken is said and done without."""
        for collector in (Queues(database), Children(pool)):
            self.registry.register(collector)
        ProcessCollector(registry=self.registry)
        try:
            start_http_server(port, registry=self.registry)
        except OSError as error:
            log.error("no metrics: port %d cannot be used (%s); set WIKIVISAGE_METRICS_PORT to a free one", port, error)


class Queues(Collector):
    """How much waits, read from the database when it is asked for; nothing while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[Metric]:
        """Nothing is read at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("wikivisage_database_up", "Whether the database answered.")
        try:
            with self._database.transaction() as db:
                lengths, alive = queues.lengths(db), queues.workers_alive(db)
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
    """The detector's children."""

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
