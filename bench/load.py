"""Load benchmark: response times, failed requests and lost answers with many concurrent volunteers.

    python -m bench.load [--volunteers 50] [--watchers 20] [--seconds 60] [--times 1] [--no-worker] [--json FILE]

Volunteers answer once per second (0.5 to 1.5 s between two answers), prefetching questions and the chips shown with
them; watchers poll the project's progress every 2 s. All are members of one project with 9,000 files and 20,000 faces.
gunicorn runs as in Procfile. A real worker runs the model after answers and continuously searches photographs from the
sandbox for faces, if there are photographs. All processes share this machine, including the simulated people.
--times 10 multiplies the number of people, to find out what fails first.

Exits with 1 if p95 is 100 ms or more, a request failed, an answer that was confirmed is not in the database, or there
were more than 20 database connections.
"""

import argparse
import json
import shlex
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import quantiles

import migrate
from app import create_app
from bench.pages import served
from bench.traffic.filling import Filled, fill
from bench.traffic.volunteers import Plan, Seen, crowd
from config import Settings
from database import Connection, Database, marks
from sandbox.environment import variables
from sandbox.server import Sandbox
from sandbox.state.people import label_of
from store.accounts import users
from store.accounts.tokens import box
from store.detection import files
from store.projects import projects
from store.projects.projects import NewProject
from testing import processes, servers
from testing.sessions import cookies

MOST_MS, MOST_CONNECTIONS = 100.0, 20
SETTLE_SECONDS = 8.0  # until the worker's children have started
EACH_PROCESS = 90  # simulated people per process
PHOTOGRAPHS = (servers.SHARED / "photos" / "scenes", servers.ROOT / ".local" / "photos")


@dataclass
class Found:
    """The figures of a run.

    `busy`: cores used by each part. `late_s`: maximum delay of an answer behind its planned time in seconds.
    `searched`: number of photographs searched meanwhile. `by_endpoint`: number of requests, p50 and p95 in ms.
    """

    volunteers: int
    watchers: int
    seconds: float
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    errors: int = 0
    answers: int = 0
    answers_lost: int = 0
    connections_max: int = 0
    requests: int = 0
    late_s: float = 0.0
    searched: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    by_endpoint: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    busy: dict[str, float] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """A message for each target that is missed."""
        told = {
            f"p95 {self.p95_ms:.0f} ms": self.p95_ms >= MOST_MS,
            f"{self.errors} requests failed": self.errors,
            f"{self.answers_lost} answers lost": self.answers_lost,
            f"{self.connections_max} connections": self.connections_max > MOST_CONNECTIONS,
        }
        return [text for text, wrong in told.items() if wrong]


class Watch:
    """A thread that counts the database connections, except its own, twice per second; `most` is the maximum."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings, size=1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.most = 0

    def _look(self) -> None:
        while not self._stop.wait(0.5):
            with self._database.transaction() as db:
                rows = db.rows("SELECT COUNT(*) AS n FROM information_schema.processlist WHERE id <> CONNECTION_ID()")
            self.most = max(self.most, int(rows[0]["n"]))

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._database.close()


def invite(db: Connection, project_id: int, count: int) -> list[int]:
    """Add `count` new users to the project as labellers; return their ids."""
    found = []
    for number in range(count):
        name = f"Volunteer {number}"
        user = users.sign_in(
            db, box(()), subject=f"load-{number}", name=name, blocked=False, access="a", refresh="r", expires_in=3600
        )
        projects.add_member(db, project_id, user.id, "labeller")
        found.append(user.id)
    return found


@contextmanager
def worker_beside(settings: Settings, database: Database, sandbox: Sandbox | None, folder: Path) -> Iterator[int]:
    """Run a worker for the duration of the block, with the sandbox's photographs to search; yield its process id."""
    if sandbox is not None:
        with database.transaction() as db:
            _something_to_search(db, sandbox)
    process = servers.worker(settings, "load", folder)
    try:
        yield process.pid
    finally:
        process.stop()


def _something_to_search(db: Connection, sandbox: Sandbox) -> None:
    owner = users.sign_in(
        db, box(()), subject="searcher", name="Searcher", blocked=False, access="a", refresh="r", expires_in=3600
    )
    name = next(name for page in sandbox.world.state.pages.values() for name in page.people)
    project_id = projects.create(db, owner.id, NewProject("Q1", label_of(name), label_of(name)))
    pages = [
        (page.id, page.title.partition(":")[2])
        for page in sandbox.world.state.pages.values()
        if page.namespace == 6 and page.versions
    ]
    files.add_to_project(db, project_id, pages, "source", len(pages))


def search_again(database: Database, stop: threading.Event) -> None:
    """Queue searched photographs again until `stop` is set, so that the worker never runs out of work."""
    while not stop.wait(1.0):
        with database.transaction() as db:
            done = db.column(
                """SELECT f.page_id FROM files f JOIN project_files pf ON pf.page_id = f.page_id JOIN projects p
                   ON p.id = pf.project_id WHERE p.item = 'Q1' AND f.state = 'searched' AND f.lease_token IS NULL LIMIT 50"""
            )
            db.execute(f"UPDATE files SET searched_sha1 = NULL WHERE page_id IN ({marks(done)})", done)
            files.search_again(db, done)


def measure(
    settings: Settings, database: Database, filled: Filled, folder: Path, asked: Found, worker: int | None
) -> Found:
    """Run all volunteers and watchers against the Procfile's web process; return the figures.

    `asked`: the wanted number of people and seconds. `worker`: process id of the worker, None if there is none.
    """
    app = create_app(settings)
    people = asked.volunteers + asked.watchers
    with database.transaction() as db:
        ids = invite(db, filled.project_id, people)
    with served(settings, folder) as (address, web), Watch(settings) as watch:
        plans = [
            Plan(
                address,
                filled.project_id,
                next(iter(cookies(app, user_id).items())),
                asked.seconds,
                number,
                number >= asked.volunteers,
            )
            for number, user_id in enumerate(ids)
        ]
        roots = {"web": web, "database": int((folder / "mariadb" / "mariadb.pid").read_text())}
        before, started = spent(roots, worker), time.monotonic()
        seen = everybody(plans)
        after, seconds = spent(roots, worker), time.monotonic() - started
    busy = {name: round((after[name] - before[name]) / 1000 / seconds, 2) for name in after}
    busy["people"] = round(sum(one.busy_s for one in seen) / seconds, 2)
    return settle(database, seen, replace(asked, connections_max=watch.most, busy=busy))


def spent(roots: dict[str, int], worker: int | None) -> dict[str, float]:
    """Return the CPU time so far in ms by part; `searches` are the worker's children, which search pictures."""
    of = {name: processes.family(pid) for name, pid in roots.items()}
    if worker is not None:
        of |= {"worker": [worker], "searches": processes.family(worker)[1:]}
    return {name: sum(map(processes.busy_ms, pids)) for name, pids in of.items()}


def everybody(plans: list[Plan]) -> list[Seen]:
    """Run the people in several processes, so that they do not wait for each other; return what each one recorded."""
    parts = [plans[start : start + EACH_PROCESS] for start in range(0, len(plans), EACH_PROCESS)]
    with ProcessPoolExecutor(len(parts), mp_context=get_context("spawn")) as pool:
        return [seen for part in pool.map(crowd, parts) for seen in part]


def settle(database: Database, seen: list[Seen], found: Found) -> Found:
    """Complete the figures from the people's records and from the database."""
    ms = defaultdict(list)
    for one in seen:
        for endpoint, taken in one.ms:
            ms[endpoint].append(taken)
    every = [taken for listed in ms.values() for taken in listed]
    saved = {name for one in seen for name in one.saved}
    with database.transaction() as db:
        stored = set(db.column("SELECT client_id FROM answers"))
        searched = db.value(
            "SELECT COUNT(*) FROM files WHERE page_id < 1000000 AND searched_at > NOW() - INTERVAL 10 MINUTE"
        )
    return replace(
        found,
        p50_ms=_percentile(every, 50),
        p95_ms=_percentile(every, 95),
        errors=sum(len(one.errors) for one in seen),
        answers=len(saved),
        answers_lost=len(saved - stored),
        requests=len(every),
        late_s=max(one.late for one in seen),
        searched=int(searched),
        kinds=dict(Counter(error for one in seen for error in one.errors)),
        by_endpoint={
            endpoint: (len(taken), _percentile(taken, 50), _percentile(taken, 95)) for endpoint, taken in ms.items()
        },
    )


def _percentile(values: Sequence[float], percent: int) -> float:
    return round(quantiles(values, n=100, method="inclusive")[percent - 1], 1) if len(values) > 1 else 0.0


def run(folder: Path, asked: Found, *, with_worker: bool) -> Found:
    """Fill a database, start all servers, and measure."""
    photographs = next((place for place in PHOTOGRAPHS if place.is_dir()), None)
    sandbox = Sandbox(photographs, cache=folder / "pictures").start() if photographs and with_worker else None
    base = sandbox.base if sandbox else "http://127.0.0.1:9"
    with servers.mariadb(folder / "mariadb") as server:
        name = f"{server['TOOL_TOOLSDB_USER']}__load"
        with servers.empty_database(server, name) as empty:
            settings = Settings.from_env(servers.variables(empty) | variables(base, "http://localhost:8000"))
            database = Database(settings, size=2)
            migrate.migrate(database)
            filled = fill(settings, database)
            stop = threading.Event()
            again = threading.Thread(target=search_again, args=(Database(settings, size=1), stop))
            try:
                if with_worker:
                    with worker_beside(settings, database, sandbox, folder) as worker:
                        again.start()
                        time.sleep(SETTLE_SECONDS)
                        return measure(settings, database, filled, folder, asked, worker)
                return measure(settings, database, filled, folder, asked, None)
            finally:
                stop.set()
                if again.is_alive():
                    again.join()
                database.close()
                if sandbox is not None:
                    sandbox.stop()


def table(found: Found) -> str:
    """Return the figures as text."""
    lines = [
        f"{found.volunteers} volunteers and {found.watchers} watchers for {found.seconds:.0f} s: {found.requests} requests, "
        f"p50 {found.p50_ms:.1f} ms, p95 {found.p95_ms:.1f} ms, {found.errors} failed",
        f"{found.answers} answers saved, {found.answers_lost} lost; at most {found.connections_max} connections; "
        f"an answer was at most {found.late_s:.1f} s behind its turn; {found.searched} photographs searched beside it",
        "cores: " + ", ".join(f"{name} {cores:.2f}" for name, cores in found.busy.items()),
    ]
    for endpoint, (count, p50, p95) in sorted(found.by_endpoint.items()):
        lines.append(f"  {endpoint:10} {count:7} p50 {p50:7.1f} ms  p95 {p95:7.1f} ms")
    lines += [f"  {count} x {kind}" for kind, count in found.kinds.items()]
    return "\n".join(lines)


def main(given: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--volunteers", type=int, default=50)
    parser.add_argument("--watchers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--times", type=int, default=1, help="factor for the number of people")
    parser.add_argument("--no-worker", action="store_true", help="run no worker at the same time")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(given)
    command = shlex.join(["python", "-m", "bench.load", *(sys.argv[1:] if given is None else given)])
    asked = Found(chosen.volunteers * chosen.times, chosen.watchers * chosen.times, chosen.seconds)
    with tempfile.TemporaryDirectory(prefix="wikivisage-load-") as folder:
        found = run(Path(folder), asked, with_worker=not chosen.no_worker)
    print(f"{command}\n{table(found)}")
    for fault in found.faults:
        print(f"  <-- {fault}")
    if chosen.json:
        chosen.json.write_text(json.dumps({"command": command} | asdict(found), indent=1) + "\n")
    return 1 if found.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
