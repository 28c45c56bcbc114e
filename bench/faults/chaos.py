"""Random faults for bench/chaos.py: killed processes, a restarted database, failing requests to the wiki."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from config import Settings
from testing import servers
from testing.publishing import Workshop

WIKI_FAULTS = (
    "badtoken",
    "readonly",
    "maxlag",
    "editconflict",
    "lost_race",
    "internal_error",
    "too_many_requests",
    "unavailable",
    "html",
    "slow",
    "corrupt",
    "truncate",
    "cut_short",
    "drop_before",
    "drop_after",
)


@dataclass
class Crew:
    """Worker processes by name.

    `steady` is never killed, only its children; bench/chaos.py kills the last one at the end without restarting it.
    """

    settings: Settings
    folder: Path
    sleep: float  # seconds that a detector child takes for a picture
    names: tuple[str, ...] = ("steady", "one", "two", "last")
    running: dict[str, servers.Process] = field(default_factory=dict)
    children: dict[int, int] = field(default_factory=dict)  # every detector child seen -> its worker's process id
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, name: str) -> None:
        """Start the worker of that name."""
        self.running[name] = servers.sleeping_worker(self.settings, name, self.folder, self.sleep)

    def kill(self, name: str) -> None:
        """Kill the worker with SIGKILL but not its children, which have to notice it and end."""
        self.look()
        self.running.pop(name).kill()

    def look(self) -> list[int]:
        """Return the process ids of the living detector children, and remember their workers."""
        found = {child: process.pid for process in self.running.values() for child in children_of(process.pid)}
        self.children |= found
        return list(found)

    def orphans(self) -> list[int]:
        """Return the process ids of children that have outlived their worker."""
        living = {process.pid for process in self.running.values()}
        return [child for child, parent in self.children.items() if parent not in living and is_child(child)]

    def stop(self) -> list[int]:
        """Stop all workers with SIGTERM; return their exit codes."""
        return [process.stop(15) for process in self.running.values()]


def children_of(pid: int) -> list[int]:
    """Return the process ids of a worker's detector children."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(number) for number in (task / "children").read_text().split()]
    return [number for number in found if is_child(number)]


def is_child(pid: int) -> bool:
    """Return whether the process exists and was spawned by multiprocessing."""
    with suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def resident_mb(pid: int) -> float:
    """Return the resident memory of the process in MB; 0 if it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1000
    return 0.0


@dataclass
class Chaos:
    """Threads that inject one kind of fault each, from `start()` to `stop()`; `struck` counts the faults by kind."""

    shop: Workshop
    crew: Crew
    folder: Path
    rng: random.Random
    struck: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Start the threads; each waits a random time between two limits in seconds before every fault."""
        kinds: tuple[tuple[Callable[[], None], float, float], ...] = (
            (self.kill_worker, 4.0, 9.0),
            (self.kill_child, 1.0, 4.0),
            (self.fault, 0.5, 2.0),
            (self.restart_database, 15.0, 25.0),
        )
        for strike, least, most in kinds:
            thread = threading.Thread(target=self._loop, args=(strike, least, most), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop injecting faults, wait until killed servers run again, and clear the wiki's faults."""
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
        self.shop.wiki.calm()

    def _loop(self, strike: Callable[[], None], least: float, most: float) -> None:
        while not self._stop.wait(self.rng.uniform(least, most)):
            try:
                strike()
            except Exception as error:
                self.errors.append(f"{type(error).__name__}: {error}")

    def kill_worker(self) -> None:
        """Kill a worker at any moment and restart it under the same name after up to 2 s, as Kubernetes would."""
        with self.crew.lock:
            name = self.rng.choice([name for name in self.crew.running if name != "steady"])
            self.crew.kill(name)
            self.struck["worker killed"] += 1
        self._stop.wait(self.rng.uniform(0.0, 2.0))
        with self.crew.lock:
            self.crew.start(name)

    def kill_child(self) -> None:
        """Kill a detector child of any worker with SIGKILL."""
        with self.crew.lock:
            children = self.crew.look()
        if children:
            with suppress(ProcessLookupError):
                os.kill(self.rng.choice(children), signal.SIGKILL)
                self.struck["child killed"] += 1

    def fault(self) -> None:
        """Let the wiki fail up to six requests of any kind."""
        kind = self.rng.choice(WIKI_FAULTS)
        self.shop.wiki.faults({"kind": kind, "count": self.rng.randint(1, 6), "probability": 0.5, "seconds": 0.3})
        self.struck["wiki fault"] += 1

    def restart_database(self) -> None:
        """Stop or kill the database server and restart it after up to 2 s with the same data and port."""
        if self.rng.random() < 0.5:
            pid = int((self.folder / "mariadb" / "mariadb.pid").read_text())
            os.kill(pid, signal.SIGKILL)
        self.shop.server.stop()
        time.sleep(self.rng.uniform(0.0, 2.0))
        self.shop.server.start()
        self.struck["database restarted"] += 1
