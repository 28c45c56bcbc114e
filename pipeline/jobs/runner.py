"""Runner of a worker: starts its lanes, sends heartbeats and watches the database signal for new work.

The caller passes the lanes (pipeline/lanes.py).
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping

from database import Connection, Database, DatabaseError, DatabaseUnavailable
from pipeline.jobs.activity import Activity
from pipeline.jobs.heartbeat_file import EVERY, HeartbeatFile, path_of
from pipeline.jobs.lane import AFTER_TROUBLE, WorkerContext
from pipeline.jobs.outcome import Stopped
from pipeline.jobs.status import in_words
from pipeline.jobs.tools import Tools
from pipeline.jobs.wake_signal import WakeSignal
from store import worker_claims
from store.jobs import signals, workers

log = logging.getLogger(__name__)

HEARTBEAT = 15.0
RELEASE_EVERY_S = 20.0
# (seconds since the last change, seconds between two reads of the signal): more changes are likely soon after one.
PACES = ((30.0, 0.5), (300.0, 1.0), (float("inf"), 1.5))
STOP_S = 5.0  # seconds for the lanes to end; their claims are released in any case
RELEASE_CLAIMS_S = 2.5


Lanes = Callable[[WorkerContext], list[threading.Thread]]
OnRegister = Callable[[Connection, Tools], object]


class Runner:
    """The lifetime of a worker: `run` returns when `tools.stop` is set and the lanes have ended or STOP_S is over.

    `lanes` makes the threads that do the work; `on_register` runs in the transaction that registers the worker.
    """

    def __init__(self, tools: Tools, lanes: Lanes, on_register: OnRegister) -> None:
        self._tools = tools
        self._lanes = lanes
        self._on_register = on_register
        self._context = WorkerContext(tools, WakeSignal(), Activity())
        self._heartbeat_file = HeartbeatFile(path_of(tools.worker))
        self._reached: float | None = None  # when a heartbeat was last stored, in seconds since 1970
        self._waiting_for = ""
        self._networks: Mapping[str, str] | None = None

    def run(self) -> None:
        """Register the worker, run the lanes until `tools.stop` is set, then release all claims."""
        threads = [threading.Thread(target=self._write_heartbeat_file, name="heartbeat-file", daemon=True)]
        threads[0].start()
        try:
            self._tools.run(self._register)
            self._database_reached()
            if self._tools.settings.metrics_port:
                self._tools.metrics.serve(self._tools.settings.metrics_port, self._tools.database, self._tools.pool)
            started = self._own_threads() + self._lanes(self._context)
            threads += started
            for thread in started:
                thread.start()
            log.info("started with %d threads", len(threads))
            self._watch_signal()
        except Stopped:
            log.info("told to stop")
        finally:
            self._end(threads)

    def _write_heartbeat_file(self) -> None:
        """Keep the local heartbeat file up to date, also while the database is unavailable."""
        while not self._tools.stop.is_set():
            self._write_heartbeat()
            self._tools.stop.wait(EVERY)

    def _write_heartbeat(self) -> None:
        stuck = self._tools.progress.stuck()
        self._heartbeat_file.write(self._reached, self._waiting_for, self._networks, stuck)

    def _register(self, db: Connection) -> None:
        worker_claims.register(db, self._tools.worker, socket.gethostname(), os.getpid(), self._networks)
        self._on_register(db, self._tools)

    def _own_threads(self) -> list[threading.Thread]:
        return [
            threading.Thread(target=self._beat, name="heartbeat", daemon=True),
            threading.Thread(target=self._make_networks_ready, name="networks", daemon=True),
        ]

    def _watch_signal(self) -> None:
        """Notify the lanes when the signal in the database changes, and every `poll_interval` seconds."""
        last, changed = -1, time.monotonic()
        notified = changed
        while not self._tools.stop.is_set():
            try:
                counter = self._tools.run(signals.read)
            except DatabaseError:
                log.exception("the signal cannot be read")
                self._tools.stop.wait(AFTER_TROUBLE)
                continue
            now = time.monotonic()
            if counter != last or now - notified >= self._tools.settings.poll_interval:
                changed = now if counter != last else changed
                last, notified = counter, now
                self._context.wake.notify()
            self._tools.stop.wait(pace(now - changed))

    def _beat(self) -> None:
        """Store a heartbeat every HEARTBEAT seconds, and release the claims of dead workers."""
        stored = time.monotonic()
        release_at = stored
        while not self._tools.stop.is_set():
            try:
                self._tools.database.retry(self._store_heartbeat)
                self._database_reached()
                now = time.monotonic()
                # The database was unavailable, to the other workers too: let them store their heartbeats first.
                if now - stored > 2 * HEARTBEAT:
                    release_at = now + workers.DEAD_AFTER_SECONDS
                stored = now
                if now >= release_at:
                    release_at = now + RELEASE_EVERY_S
                    self._release_dead_workers()
            except Stopped:
                return
            except DatabaseUnavailable as error:
                self._waiting_for = str(error)
                self._tools.outage.report(error)
            except Exception:
                log.exception("the heartbeat failed")
            self._tools.stop.wait(HEARTBEAT)

    def _make_networks_ready(self) -> None:
        """Load the networks before the first picture needs them; log and store which ones are available."""
        try:
            networks = self._tools.pool.make_ready()
            self._tools.check()
            self._networks = networks
            self._write_heartbeat()
            log.info("networks: %s", in_words(networks))
            self._tools.run(lambda db: workers.set_networks(db, self._tools.worker, networks))
        except Stopped:
            return
        except Exception:
            log.exception("the networks could not be made ready; it is tried again with the first picture")

    def _database_reached(self) -> None:
        """Note in the local heartbeat file that the database was reached just now."""
        if self._waiting_for:
            self._tools.progress.excuse()
        self._reached, self._waiting_for = time.time(), ""
        self._write_heartbeat()

    def _release_dead_workers(self) -> None:
        for dead in self._tools.run(_free):
            log.warning("worker %s has sent no heartbeat for a minute; its claims were released", dead)

    def _store_heartbeat(self, db: Connection) -> None:
        if not workers.beat(db, self._tools.worker, str(self._context.activity), self._tools.progress.stuck()):
            self._register(db)

    def _end(self, threads: list[threading.Thread]) -> None:
        """Stop the detector children first, so that threads that wait for one continue at once; then join and release claims."""
        until = time.monotonic() + STOP_S
        self._tools.stop.set()
        self._context.wake.notify()
        self._tools.pool.stop()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        release = threading.Thread(target=self._release_claims, daemon=True)
        release.start()
        release.join(RELEASE_CLAIMS_S)
        self._heartbeat_file.remove()
        late = [thread.name for thread in threads if thread.is_alive()]
        log.info("stopped%s", f"; given up: {', '.join(late)}" if late else "")

    def _release_claims(self) -> None:
        """Release every claim over a new connection, as the others may all be in use; idle ones are closed to make room."""
        self._tools.database.close()
        database = Database(self._tools.settings, size=1)
        try:
            database.retry(lambda db: worker_claims.unregister(db, self._tools.worker))
            database.retry(signals.wake)
        except DatabaseError as error:
            log.warning("could not release the claims; other workers release them in a minute: %s", error)


def pace(quiet: float) -> float:
    """Return the seconds until the next read of the signal, `quiet` seconds after its last change."""
    return next(seconds for until, seconds in PACES if quiet < until)


def _free(db: Connection) -> list[str]:
    dead = worker_claims.release_dead_workers(db)
    if dead:
        signals.wake(db)
    return dead
