"""Scaling benchmark: throughput with more workers, and the time of a claim with more files in the tables.

    python -m bench.scale [--files 800] [--workers 1,2,4,8] [--tables 10000,100000,1000000] [--json FILE]

The same files of one project are searched by 1, 2, 4 and 8 real worker processes, each with one detector child that
sleeps 200 ms for each picture, so that the number of cores does not limit the result; the sandbox wiki, the database
and the pictures are real. Time is measured from adding the files, with all workers and children started, to storing the
last one. Then claims are timed with 10^4, 10^5 and 10^6 files in the table, nine tenths of them searched.

Exits with 1 unless throughput is at least 0.9 of linear, no file was downloaded or stored twice, and a claim's 95th
percentile grows at most 1.5 times from the smallest table to the largest.

`on_paper` estimates from the figures what would limit 100 workers and 10^8 files.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import migrate
from config import Settings
from database import Connection, Database
from store.accounts import users
from store.detection import files, search_turns, searches
from store.jobs import workers
from store.projects import projects
from store.projects.projects import NewProject
from testing import processes, servers
from testing.publishing import ITEM, Workshop, empty, workshop
from testing.sleeping_worker import SECONDS
from token_crypto import TokenBox

LEAST_OF_LINEAR = 0.9
MOST_GROWTH = 1.5
ROUNDS, CLAIMS_IN_A_ROUND = 20, 30
BATCH = 50
PROJECT_FILES = 5_000
WARM_EACH = 6  # files per worker that are searched before the measurement, so that its child has started
LONGEST_S = 900.0


@dataclass(frozen=True)
class Run:
    """The figures of one run.

    `seconds`: from adding the files to storing the last one. `load`: the machine's load average before the run.
    `core_ms`: CPU time of workers, children and database server per file; unlike `seconds`, it depends little on other
    load on the machine.
    """

    workers: int
    files: int
    seconds: float
    downloaded_twice: int
    statements: float  # SQL statements per file, of all workers
    core_ms: float
    load: float

    @property
    def per_second(self) -> float:
        return self.files / self.seconds


@dataclass(frozen=True)
class Claims:
    """Times of claims of BATCH files in ms, with `files` and `projects` rows in the tables."""

    files: int
    projects: int
    p50_ms: float
    p95_ms: float
    bytes_each: float  # per file in `files` and `project_files`, with indexes


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    with (
        tempfile.TemporaryDirectory(prefix="wikivisage-bench-") as folder,
        workshop(Path(folder), options.files + WARM_EACH * max(options.workers)) as shop,
    ):
        settings = replace(
            shop.settings, detector_children=1, detector="hog", contact="bench@localhost", max_files=1_000_000
        )
        runs = [side_by_side(count, options.files, settings, shop, Path(folder)) for count in options.workers]
        claims = timed_claims(options.tables, shop)
    found = report(runs, claims)
    show(runs, claims, found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0 if found["good"] else 1


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.scale", description="Workers side by side, and claims in large tables."
    )
    parser.add_argument("--files", type=int, default=800, help="files that are searched in each run")
    parser.add_argument(
        "--workers", type=_numbers, default=[1, 2, 4, 8], help="numbers of workers, separated by commas"
    )
    parser.add_argument("--tables", type=_numbers, default=[10_000, 100_000, 1_000_000], help="files in the table")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args(given)


def _numbers(value: str) -> list[int]:
    return [int(number) for number in value.split(",")]


def side_by_side(count: int, wanted: int, settings: Settings, shop: Workshop, folder: Path) -> Run:
    """Measure how fast `count` workers search `wanted` files of one project."""
    database, wiki = shop.database, shop.wiki
    empty(database)
    wiki.post("reset", {"keep_tokens": True})
    wiki.sandbox.world.counts.thumbnails.clear()
    wiki.sandbox.world.counts.originals.clear()
    pages = [
        (page["id"], page["title"].removeprefix("File:"))
        for page in wiki.state()["files"]
        if page["has_file"] and not page["deleted"] and not page["redirect"]
    ]
    warm, measured = pages[: WARM_EACH * count], pages[-wanted:]
    with all_of(count, settings, folder) as started:
        warming = project(database, "warm")
        _until(lambda: _alive(database) == count)
        add(database, warming, warm)
        _until(lambda: _left(database) == 0)
        load = os.getloadavg()[0]
        busy = project(database, "measured")
        asked, worked = _asked(database), _worked(started, folder)
        began = time.monotonic()
        add(database, busy, measured)
        _until(lambda: _left(database) == 0)
        seconds = time.monotonic() - began
        asked, worked = _asked(database) - asked, _worked(started, folder) - worked
    fetched = wiki.sandbox.world.counts.thumbnails + wiki.sandbox.world.counts.originals
    twice = sum(number - 1 for number in fetched.values())
    return Run(count, len(measured), seconds, twice, asked / len(measured), worked / len(measured), load)


def _worked(started: Sequence[servers.Process], folder: Path) -> float:
    """Return the CPU time of all workers, their children and the database server in ms."""
    server = int((folder / "mariadb" / "mariadb.pid").read_text())
    return sum(processes.busy_ms(pid) for pid in (server, *(p for each in started for p in processes.family(each.pid))))


@contextmanager
def all_of(count: int, settings: Settings, folder: Path) -> Iterator[list[servers.Process]]:
    """Run `count` workers with sleeping children for the duration of the block."""
    started = [servers.sleeping_worker(settings, f"worker-{number}", folder, SECONDS) for number in range(count)]
    try:
        yield started
    finally:
        for process in started:
            process.stop()


def project(database: Database, name: str) -> int:
    """Create a project whose category is not crawled, because its files are added directly; return its id."""

    def work(db: Connection) -> int:
        owner = users.sign_in(
            db, TokenBox([]), subject=name, name=name, blocked=False, access="a", refresh="r", expires_in=86_400
        )
        found = projects.create(db, owner.id, NewProject(ITEM, name, name))
        db.execute("UPDATE tasks SET due_at = NULL WHERE subject_id = %s", (found,))
        return found

    return database.retry(work)


def add(database: Database, project_id: int, found: Sequence[tuple[int, str]]) -> None:
    """Add files (page id, title) of the wiki to the project."""
    database.retry(lambda db: files.add_to_project(db, project_id, found, "source", 1_000_000))


def _alive(database: Database) -> int:
    return len(database.retry(workers.all_seen))


def _left(database: Database) -> int:
    return int(
        database.retry(lambda db: db.value("SELECT COUNT(*) FROM project_files WHERE search_due_at IS NOT NULL")) or 0
    )


def _asked(database: Database) -> int:
    """Return the number of SQL statements that the server has executed, without commits and pings."""
    names = ("Com_select", "Com_insert", "Com_insert_select", "Com_update", "Com_update_multi", "Com_delete")
    rows = database.retry(lambda db: db.rows("SHOW GLOBAL STATUS LIKE 'Com\\_%%'"))
    return sum(int(row["Value"]) for row in rows if row["Variable_name"] in names)


def _until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not look():
        assert time.monotonic() < deadline, f"not done after {LONGEST_S:.0f} s"
        time.sleep(0.1)


def timed_claims(counts: Sequence[int], shop: Workshop) -> list[Claims]:
    """Time claims with each number of files in the tables, alternately so that other load affects all equally."""
    with ExitStack() as stack:
        tables = [stack.enter_context(table(count, shop)) for count in counts]
        for _ in range(ROUNDS):
            for each in tables:
                each.claim(CLAIMS_IN_A_ROUND)
        return [each.claims() for each in tables]


@dataclass
class Table:
    """A database with `count` files, and the times of claims in it in ms."""

    count: int
    projects: int
    database: Database
    times: list[float]

    def claim(self, times: int) -> None:
        """Time this number of claims after one that is not counted, because it runs with other tables' cached data."""
        for number in range(times + 1):
            began = time.perf_counter()
            lease = self.database.retry(lambda db: searches.claim(db, "bench", BATCH))
            taken = 1000 * (time.perf_counter() - began)
            assert lease is not None
            _settled(self.database, lease)
            self.times += [taken] if number else []

    def claims(self) -> Claims:
        """Return the percentiles of the times and the size of a file in the tables."""
        sizes = self.database.retry(
            lambda db: db.value(
                """SELECT SUM(data_length + index_length) FROM information_schema.tables
                   WHERE table_schema = DATABASE() AND table_name IN ('files', 'project_files')"""
            )
        )
        p50, p95 = (float(np.percentile(self.times, q)) for q in (50, 95))
        return Claims(self.count, self.projects, p50, p95, float(sizes) / self.count)


@contextmanager
def table(count: int, shop: Workshop) -> Iterator[Table]:
    """Create a database with `count` files for the duration of the block."""
    with servers.empty_database(shop.server.variables, f"{shop.settings.db_user}__bench_{count}") as settings:
        database = Database(settings, size=2)
        migrate.migrate(database)
        yield Table(count, fill(database, count), database, [])
        database.close()


def fill(database: Database, count: int) -> int:
    """Insert `count` files in projects of PROJECT_FILES, a tenth of them waiting; return the number of projects."""
    number = max(2, count // PROJECT_FILES)
    each = count // number
    for place in range(number):
        project_id = project(database, f"p{place}")
        first = 1 + place * each

        def work(db: Connection, first: int = first, project_id: int = project_id) -> None:
            db.execute(
                f"""INSERT INTO files (page_id, title, state, search_due_at)
                    SELECT seq, CONCAT(seq, '.jpg'), IF(seq %% 10, 'searched', 'waiting'), IF(seq %% 10, NULL, NOW())
                    FROM seq_{first}_to_{first + each - 1}""",
                (),
            )
            db.execute(
                """INSERT INTO project_files (project_id, page_id, search_due_at)
                   SELECT %s, page_id, search_due_at FROM files WHERE page_id BETWEEN %s AND %s""",
                (project_id, first, first + each - 1),
            )

        database.retry(work)
        database.retry(lambda db, first=first: search_turns.wait_for(db, range(first, first + 10)))  # type: ignore[misc]
    for table in ("files", "project_files", "projects", "search_turns"):
        database.retry(lambda db, table=table: db.execute(f"ANALYZE TABLE {table}"))  # type: ignore[misc]
    return number


def _settled(database: Database, lease: searches.SearchLease) -> None:
    """Release a lease as if its files were returned, so that there is always something to claim."""
    listed = ",".join(str(page_id) for page_id in lease.page_ids)

    def work(db: Connection) -> None:
        db.execute(
            f"UPDATE files SET lease_token = NULL, lease_worker = NULL, leased_at = NULL WHERE page_id IN ({listed})"
        )
        db.execute(f"UPDATE project_files SET search_due_at = NOW() WHERE page_id IN ({listed})")
        search_turns.wait_for(db, lease.page_ids)

    database.retry(work)


def report(runs: Sequence[Run], claims: Sequence[Claims]) -> dict[str, Any]:
    """Return the figures and whether they meet the targets."""
    one = runs[0].per_second / runs[0].workers
    speedup = {str(run.workers): round(run.per_second / one, 3) for run in runs}
    growth = claims[-1].p95_ms / claims[0].p95_ms
    twice = sum(run.downloaded_twice for run in runs)
    linear = min(run.per_second / one / run.workers for run in runs)
    return {
        "speedup": speedup,
        "files_per_s": {str(run.workers): round(run.per_second, 2) for run in runs},
        "least_of_linear": round(linear, 3),
        "searched_twice": twice,
        "claim_p95_ms": {str(each.files): round(each.p95_ms, 2) for each in claims},
        "claim_p50_ms": {str(each.files): round(each.p50_ms, 2) for each in claims},
        "claim_growth": round(growth, 2),
        "core_ms_per_file": {str(run.workers): round(run.core_ms, 2) for run in runs},
        "statements_per_file": {str(run.workers): round(run.statements, 1) for run in runs},
        "load": {str(run.workers): round(run.load, 1) for run in runs},
        "good": linear >= LEAST_OF_LINEAR and not twice and growth <= MOST_GROWTH,
    }


def show(runs: Sequence[Run], claims: Sequence[Claims], found: dict[str, Any]) -> None:
    """Print the figures as tables."""
    print(
        f"{'workers':>8}{'files':>8}{'seconds':>10}{'files/s':>10}{'speed-up':>10}{'core ms/file':>14}"
        f"{'twice':>7}{'load before':>13}"
    )
    for run in runs:
        speedup = found["speedup"][str(run.workers)]
        print(
            f"{run.workers:8}{run.files:8}{run.seconds:10.1f}{run.per_second:10.2f}{speedup:10.2f}"
            f"{run.core_ms:14.1f}{run.downloaded_twice:7}{run.load:13.1f}"
        )
    print(f"\n{'files':>9}{'projects':>10}{'claim p50':>12}{'claim p95':>12}")
    for each in claims:
        print(f"{each.files:9}{each.projects:10}{each.p50_ms:9.2f} ms{each.p95_ms:9.2f} ms")
    print(f"\n{on_paper(runs, claims)}\n\n{'good' if found['good'] else 'NOT GOOD'}")


def on_paper(runs: Sequence[Run], claims: Sequence[Claims]) -> str:
    """Return an estimate, from the figures, of what limits 100 workers with two children each and 10^8 files."""
    pool = Settings().pool_size
    rate = 100 * 2 / SECONDS
    batches = rate / BATCH
    hours = 1e8 / rate / 3600
    claim, statements, each = claims[-1].p50_ms, runs[-1].statements, claims[-1].bytes_each
    busy, room = batches * claim / 10, each * 1e8 / 1e9
    cores = rate * runs[-1].core_ms / 1000
    return f"""Estimate: 100 workers with two children at {SECONDS * 1000:.0f} ms search {rate:.0f} files per second,
10^8 files in {hours:.0f} hours. Limits, in the order in which they are reached:
1. Connections: {100 * pool} at {pool} per worker, but ToolsDB allows a user 20: three workers and the web service. More
   require a separate database server or a proxy that pools connections; the code needs no change.
2. Wikimedia: {rate:.0f} pictures per second are more than one tool should request, whatever the machine could do.
3. Statements: {statements:.0f} per file, {rate * statements:.0f} per second for one server, and a commit for each file.
   Workers and server together need {runs[-1].core_ms:.1f} ms of CPU time per file without the detection,
   {cores:.0f} cores in all. The next improvement is to store several files in one transaction.
4. Claims: {batches:.0f} per second at {claim:.1f} ms keep a thread of the server busy {busy:.0f} % of the time.
   A claim reads only the projects with waiting files. The signal is one row, written at least {batches:.0f} times a second.
5. Storage: {each:.0f} bytes per file in `files` and `project_files`, {room:.0f} GB. A face takes about 0.8 kB and
   its chip 5 kB: the chips would be moved to a file store first."""


if __name__ == "__main__":
    sys.exit(main())
