"""Run the lanes of a worker side by side: with a heartbeat, and watching the signal that says when there is work.

Which lanes there are is said by whoever makes the runner (pipeline/lanes.py).
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping

from database import Connection, Database, DatabaseError, DatabaseUnavailable
from pipeline.jobs.activity import Doing
from pipeline.jobs.heartbeat_file import EVERY, Pulse, path_of
from pipeline.jobs.lane import AFTER_TROUBLE, Yard
from pipeline.jobs.outcome import Stopped
from pipeline.jobs.status import in_words
from pipeline.jobs.tools import Tools
from pipeline.jobs.wake_signal import Bell
from store import worker_claims
from store.jobs import signals, workers

log = logging.getLogger(__name__)

HEARTBEAT = 15.0
BURY_EVERY = 20.0
DEAD_AFTER_S = 60.0
# Between two looks at the signal: soon after a change more is likely to come, then ever more rarely.
PACES = ((30.0, 0.5), (300.0, 1.0), (float("inf"), 1.5))
STOP_S = 5.0  # for the lanes to end; what they hold is given back in any case
FAREWELL_S = 2.5


Lanes = Callable[[Yard], list[threading.Thread]]
OnRegister = Callable[[Connection, Tools], object]


class Runner:
    """`run` returns when `tools.stop` is set and the lanes have ended, or were given up.

    `lanes` makes the threads that do the work; `on_register` runs in the transaction that registers the worker.
    """

    def __init__(self, tools: Tools, lanes: Lanes, on_register: OnRegister) -> None:
        self._tools = tools
        self._lanes = lanes
        self._on_register = on_register
        self._yard = Yard(tools, Bell(), Doing())
        self._pulse = Pulse(path_of(tools.worker))
        self._reached: float | None = None  # when the database last heard of this worker, seconds since 1970
        self._waiting_for = ""
        self._networks: Mapping[str, str] | None = None

    def run(self) -> None:
        """Register, work until told to stop, give back what was claimed."""
        threads = [threading.Thread(target=self._live, name="pulse", daemon=True)]
        threads[0].start()
        try:
            self._tools.run(self._register)
            self._heard()
            if self._tools.settings.metrics_port:
                self._tools.metrics.serve(self._tools.settings.metrics_port, self._tools.database, self._tools.pool)
            started = self._own_threads() + self._lanes(self._yard)
            threads += started
            for thread in started:
                thread.start()
            log.info("started with %d threads", len(threads))
            self._watch()
        except Stopped:
            log.info("told to stop")
        finally:
            self._end(threads)

    def _live(self) -> None:
        """Leave a sign of life on this machine, whatever the database does."""
        while not self._tools.stop.is_set():
            self._pulse.beat(self._reached, self._waiting_for, self._networks)
            self._tools.stop.wait(EVERY)

    def _register(self, db: Connection) -> None:
        worker_claims.register(db, self._tools.worker, socket.gethostname(), os.getpid(), self._networks)
        self._on_register(db, self._tools)

    def _own_threads(self) -> list[threading.Thread]:
        return [
            threading.Thread(target=self._beat, name="heartbeat", daemon=True),
            threading.Thread(target=self._make_networks_ready, name="networks", daemon=True),
        ]

    def _watch(self) -> None:
        """Ring the bell when somebody left work, and for the full look around."""
        heard, changed = -1, time.monotonic()
        rung = changed
        while not self._tools.stop.is_set():
            try:
                counter = self._tools.run(signals.read)
            except DatabaseError:
                log.exception("the signal cannot be read")
                self._tools.stop.wait(AFTER_TROUBLE)
                continue
            now = time.monotonic()
            if counter != heard or now - rung >= self._tools.settings.poll_interval:
                changed = now if counter != heard else changed
                heard, rung = counter, now
                self._yard.bell.ring()
            self._tools.stop.wait(pace(now - changed))

    def _beat(self) -> None:
        """Say that this worker lives, and free what dead ones held."""
        heard = time.monotonic()
        bury_at = heard
        while not self._tools.stop.is_set():
            try:
                self._tools.database.retry(self._say)
                self._heard()
                now = time.monotonic()
                if now - heard > 2 * HEARTBEAT:  # the database was away, for the others too: let them speak first
                    bury_at = now + DEAD_AFTER_S
                heard = now
                if now >= bury_at:
                    bury_at = now + BURY_EVERY
                    self._bury()
            except Stopped:
                return
            except DatabaseUnavailable as error:
                self._waiting_for = str(error)
                log.warning("no heartbeat: %s", error)
            except Exception:
                log.exception("the heartbeat failed")
            self._tools.stop.wait(HEARTBEAT)

    def _make_networks_ready(self) -> None:
        """Before the first picture waits for them; says which there are in the log and to the database."""
        try:
            networks = self._tools.pool.make_ready()
            self._tools.check()
            self._networks = networks
            self._pulse.beat(self._reached, self._waiting_for, networks)
            log.info("networks: %s", in_words(networks))
            self._tools.run(lambda db: workers.set_networks(db, self._tools.worker, networks))
        except Stopped:
            return
        except Exception:
            log.exception("the networks could not be made ready; it is tried again with the first picture")

    def _heard(self) -> None:
        """The database has heard of this worker; the local heartbeat file says so at once."""
        self._reached, self._waiting_for = time.time(), ""
        self._pulse.beat(self._reached, "", self._networks)

    def _bury(self) -> None:
        for dead in self._tools.run(_free):
            log.warning("worker %s has been silent for a minute; its work is free", dead)

    def _say(self, db: Connection) -> None:
        if not workers.beat(db, self._tools.worker, str(self._yard.doing)):
            self._register(db)

    def _end(self, threads: list[threading.Thread]) -> None:
        """Children first: whoever waits for one of them goes on at once."""
        until = time.monotonic() + STOP_S
        self._tools.stop.set()
        self._yard.bell.ring()
        self._tools.pool.stop()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        farewell = threading.Thread(target=self._farewell, daemon=True)
        farewell.start()
        farewell.join(FAREWELL_S)
        self._pulse.end()
        late = [thread.name for thread in threads if thread.is_alive()]
        log.info("stopped%s", f"; given up: {', '.join(late)}" if late else "")

    def _farewell(self) -> None:
        """Give back every claim, over a connection of its own: the others may all be held up. Idle ones make room for it."""
        self._tools.database.close()
        database = Database(self._tools.settings, size=1)
        try:
            database.retry(lambda db: worker_claims.unregister(db, self._tools.worker))
            database.retry(signals.wake)
        except DatabaseError as error:
            log.warning("could not give back what was claimed; it is free in a minute: %s", error)


def pace(quiet: float) -> float:
    """Seconds until the next look at the signal, after so many quiet ones."""
    return next(seconds for until, seconds in PACES if quiet < until)


def _free(db: Connection) -> list[str]:
    dead = worker_claims.release_dead_workers(db)
    if dead:
        signals.wake(db)
    return dead
