"""Benchmark of response times and SQL statements of every page and JSON endpoint.

    python -m bench.pages [--files 9000] [--faces 20000] [--rounds 40] [--only TEXT] [--json FILE]

The pages are taken from the application's URL map: every GET route as the owner of a project sees it, some of them also
with filters. gunicorn runs as in Procfile, on a private MariaDB, with a project of 9,000 files and 20,000 faces.

* Times are measured over loopback, from the first byte of the request to the last byte of the response. Pages are
  requested alternately, so that other load on the machine affects them equally.
* Statements are counted by the database server (SELECT, INSERT, UPDATE, DELETE, REPLACE; not BEGIN and COMMIT),
  including those that authenticate the user; the larger number of two requests counts.
* The entries of a list with different filters are compared, to detect filters that the page ignores.
* "busy" (the median) and "least" are the CPU time of gunicorn and MariaDB for one request. If they are far below p50,
  the machine was busy with other work.

Exits with 1 if a page's p95 is 50 ms or more, if it takes more than 10 statements, or if it did not return what was
requested.
"""

import argparse
import json
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles

import requests
from flask import Flask

import migrate
from app import create_app
from bench.traffic import delivered
from bench.traffic.filling import Filled, fill
from config import Settings
from database import Database
from sandbox.environment import variables
from store.labelling.question_data import FILES_KINDS
from store.labelling.review import SHOWS, SORTS
from testing import processes, servers
from testing.sessions import cookies

MOST_MS, MOST_STATEMENTS = 50.0, 10
WARM_UPS = 8  # There are two processes, and the first request in each compiles the template.
PAUSE = 1 / 18  # seconds between requests, to stay below the rate limit of one user
TOO_MANY, REFUSED_PAUSE = 429, 6.0
NOWHERE = "http://127.0.0.1:9"
# Pages whose time depends on other servers: endpoint -> why it is left out.
LEFT_OUT = {
    "account.start": "leads to the wiki",
    "account.callback": "waits for the wiki",
    "creation.people": "waits for the wiki",
}


def filters(filled: Filled) -> dict[str, list[str]]:
    """Return the query strings with which pages are requested a second time, by endpoint."""
    asked = ",".join(map(str, filled.asked))
    middle = filled.page_id
    return {
        "dashboard.index": ["?q=person+1", "?page=2"],
        "review.page": [
            *(f"?show={show}" for show in SHOWS[1:]),
            *(f"?show=non_matches&sort={sort}" for sort in SORTS[1:]),
            "?show=non_matches&page=100",
        ],
        "review.grid": ["?show=waiting&sort=doubt"],
        "review.listed": [f"?after={middle},0"],
        "classify.page": [f"?file={middle}&face={filled.face_id}"],
        "classify.questions": [f"?have={asked}"],
        "files.page": [*(f"?kind={kind}" for kind in FILES_KINDS[1:]), f"?after={middle}"],
        "publishing.page": ["?show=open", "?show=sent", "?show=sent&page=3", "?show=reverted"],
        "publishing.doubted": ["?page=2"],
        "publishing.history": [f"?before={filled.batch_id}"],
        "batches.page": ["?page=2", "?show=failed"],
        "batches.listed": ["?show=done&page=2"],
    }


COUNTED = re.compile("^Com_(select|insert|update|delete|replace)(_multi|_select)?$")


@dataclass
class Page:
    """A URL and its measurements.

    `statements`: of one request. `entries`: entries of the list, None if the page is not a list. `undelivered`: what is
    wrong with the entries. `ms`: time of each request. `busy_ms`: CPU time of each request.
    """

    endpoint: str
    path: str
    status: int = 0
    statements: int = 0
    bytes: int = 0
    entries: tuple[str, ...] | None = None
    undelivered: str = ""
    ms: list[float] = field(default_factory=list)
    busy_ms: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        return quantiles(self.ms, n=20, method="inclusive")[9]

    @property
    def p95(self) -> float:
        return quantiles(self.ms, n=20, method="inclusive")[18]

    @property
    def busy(self) -> float:
        """Median CPU time of web process and database for one request in ms, without waiting times; 0 if unknown."""
        return median(self.busy_ms) if self.busy_ms else 0.0

    @property
    def least(self) -> float:
        """Minimum CPU time of a request in ms, the figure least affected by other processes that share the CPU caches.

        Values that are not positive are ignored: they occur because the CPU time of a thread that ends is lost.
        """
        return min((ms for ms in self.busy_ms if ms > 0), default=0.0)

    @property
    def faults(self) -> list[str]:
        """A message for each target that the page misses."""
        found = [] if self.status == 200 or self.path == "/" else [f"answers {self.status}"]
        found += [self.undelivered] if self.undelivered else []
        if self.p95 >= MOST_MS:
            found.append(f"p95 {self.p95:.0f} ms")
        if self.statements > MOST_STATEMENTS:
            found.append(f"{self.statements} statements")
        return found


def pages(app: Flask, filled: Filled) -> list[Page]:
    """Return every GET route of the application with existing arguments.

    Raises KeyError for a route with an argument for which no value is known here.
    """
    arguments = {
        "project_id": filled.project_id,
        "page_id": filled.faceless_page_id,
        "face_id": filled.face_id,
        "batch_id": filled.batch_id,
        "version": app.extensions["assets"].version,
        "name": "css/base.css",
    }
    found, otherwise = [], filters(filled)
    with app.test_request_context():
        for rule in sorted(app.url_map.iter_rules(), key=str):
            if "GET" not in (rule.methods or ()) or rule.endpoint in LEFT_OUT:
                continue
            path = app.url_for(rule.endpoint, **{name: arguments[name] for name in rule.arguments})
            found += [Page(rule.endpoint, path + query) for query in ("", *otherwise.get(rule.endpoint, ()))]
    return found


def web_command(port: int) -> list[str]:
    """Return the command of the Procfile's web process, bound to this port on loopback only."""
    line = next(line for line in (servers.ROOT / "Procfile").read_text().splitlines() if line.startswith("web: "))
    command = shlex.split(line.removeprefix("web: ").replace("0.0.0.0:${PORT:-8000}", f"127.0.0.1:{port}"))
    return [sys.executable, "-m", *command]


@contextmanager
def served(settings: Settings, folder: Path) -> Iterator[tuple[str, int]]:
    """Run gunicorn as in production for the duration of the block; yield its address and process id."""
    port = servers.free_port()
    with servers.running(web_command(port), servers.environment(settings), folder / "gunicorn.log") as process:
        servers.wait_for_http(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}", process.pid


class Meter:
    """A client that requests pages one at a time, below the rate limit of one user, and measures them.

    `pids` returns the current ids of the web and database processes, because gunicorn replaces its processes.
    """

    def __init__(self, address: str, cookie: dict[str, str], database: Database, pids: Callable[[], list[int]]) -> None:
        self._address, self._cookie, self._database, self._pids = address, cookie, database, pids
        self._browser = requests.Session()

    def ask(self, page: Page) -> float:
        """Request a page, record status, size and entries of the response, and return the time in ms."""
        headers = {"Accept": "application/json" if page.path.split("?")[0].endswith(".json") else "text/html"}
        status = TOO_MANY
        while status == TOO_MANY:  # Refused by the page's own rate limit: wait, because a refusal is not the page.
            started = time.perf_counter()
            answer = self._browser.get(
                self._address + page.path, cookies=self._cookie, headers=headers, timeout=60, allow_redirects=False
            )
            taken, status = time.perf_counter() - started, answer.status_code
            time.sleep(REFUSED_PAUSE if status == TOO_MANY else 0)
        page.status, page.bytes = answer.status_code, len(answer.content)
        if page.endpoint in delivered.ENTRIES:
            page.entries = delivered.entries(page.endpoint, answer.text)
        time.sleep(max(0.0, PAUSE - taken))
        return 1000 * taken

    def measure(self, page: Page) -> None:
        """Request a page once and record its time and CPU time."""
        pids = self._pids()
        before = sum(map(processes.busy_ms, pids))
        page.ms.append(self.ask(page))
        if processes.known():
            page.busy_ms.append(sum(map(processes.busy_ms, pids)) - before)

    def count(self, page: Page) -> int:
        """Return the number of statements of one request; this requires that nobody else uses the database server."""
        before = self._counted()
        self.ask(page)
        return self._counted() - before

    def _counted(self) -> int:
        with self._database.transaction() as db:
            rows = db.rows("SHOW GLOBAL STATUS LIKE 'Com\\_%%'", ())
        return sum(int(row["Value"]) for row in rows if COUNTED.match(row["Variable_name"]))


def measure(meter: Meter, found: Sequence[Page], rounds: int) -> None:
    """Warm up, count statements, check the entries of lists, then measure all pages alternately."""
    for page in found:
        for _ in range(WARM_UPS):
            meter.ask(page)
    for _ in range(2):  # Alternately, so that caches that last for seconds have expired when a page is counted again.
        for page in found:
            page.statements = max(page.statements, meter.count(page))
    wrong = delivered.faults((page.endpoint, page.path, page.entries) for page in found)
    for page in found:
        page.undelivered = wrong.get(page.path, "")
    for _ in range(rounds):
        for page in found:
            meter.measure(page)


def table(found: Sequence[Page]) -> str:
    """Return the measurements as a table, slowest page first."""
    lines = [f"{'p50 ms':>7} {'p95 ms':>7} {'busy ms':>7} {'least':>6} {'SQL':>4} {'kB':>6}  page"]
    for page in sorted(found, key=lambda page: -page.p95):
        fault = "".join(f"  <-- {fault}" for fault in page.faults)
        lines.append(
            f"{page.p50:7.1f} {page.p95:7.1f} {page.busy:7.1f} {page.least:6.1f} {page.statements:4} {page.bytes / 1000:6.1f}  "
            f"{page.path}{fault}"
        )
    return "\n".join(lines)


def main(given: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=9_000)
    parser.add_argument("--faces", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--only", default="", help="only pages whose URL or endpoint contains this text")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(given)
    command = shlex.join(["python", "-m", "bench.pages", *(sys.argv[1:] if given is None else given)])
    with tempfile.TemporaryDirectory(prefix="wikivisage-pages-") as folder:
        found = run(Path(folder), chosen.files, chosen.faces, chosen.rounds, chosen.only)
    wrong = [page for page in found if page.faults]
    print(f"{command}\n{table(found)}")
    print("Left out:", ", ".join(f"{endpoint} ({why})" for endpoint, why in LEFT_OUT.items()))
    print(
        f"{len(found)} pages, {len(wrong)} of them over {MOST_MS:.0f} ms (p95), {MOST_STATEMENTS} statements, or failing."
    )
    if chosen.json:
        rows = [
            {name: value for name, value in asdict(page).items() if name not in {"ms", "entries"}}
            | {"p50_ms": page.p50, "p95_ms": page.p95, "busy_ms": page.busy, "least_ms": page.least}
            for page in found
        ]
        chosen.json.write_text(json.dumps({"command": command, "pages": rows}, indent=1) + "\n")
    return 1 if wrong else 0


def run(folder: Path, files: int, faces: int, rounds: int, only: str = "") -> list[Page]:
    """Fill a database, start the server, and measure the pages."""
    with servers.mariadb(folder / "mariadb") as server:
        name = f"{server['TOOL_TOOLSDB_USER']}__pages"
        with servers.empty_database(server, name) as empty:
            wiki = variables(NOWHERE, "http://localhost:8000") | {"WIKIVISAGE_ADMINS": "Alice"}
            settings = Settings.from_env(servers.variables(empty) | wiki)
            database = Database(settings, size=2)
            migrate.migrate(database)
            filled = fill(settings, database, files, faces)
            app = create_app(settings)
            found = [page for page in pages(app, filled) if only in page.path or only in page.endpoint]
            with served(settings, folder) as (address, web):
                server_pid = int((folder / "mariadb" / "mariadb.pid").read_text())
                meter = Meter(
                    address, cookies(app, filled.user_id), database, lambda: [*processes.family(web), server_pid]
                )
                measure(meter, found, rounds)
            database.close()
    return found


if __name__ == "__main__":
    raise SystemExit(main())
