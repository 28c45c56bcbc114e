"""Processes that run at the same time stay within ToolsDB's connection limit, and wait if no connection is free."""

import itertools
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import requests

import migrate
from app import create_app
from config import Settings
from database import Database, DatabaseFull, DatabaseUnavailable, create_database
from sandbox import environment
from sandbox.server import Sandbox
from store.accounts import users
from store.projects import projects
from testing import servers
from testing.sessions import cookies
from testing.waiting import until
from tests import deployment
from tests.pipeline.support import hog, new_project, person, searched
from token_crypto import TokenBox

TOOLSDB = 20
MOST = TOOLSDB - 2
CLIENTS = 8  # Per web service: as many as its processes have threads.
SECONDS = 4.0  # Of requests to the old and the new web service together.

LONGEST = 150  # Seconds for each wait.


@contextmanager
def ordinary_user(server: Settings, name: str, most: int = 0) -> Iterator[Settings]:
    """Return an account to which the server's limits apply, without administrative rights. `most`: its own limit."""
    bound = f" WITH MAX_USER_CONNECTIONS {most}" if most else ""
    servers.administer(server, f"CREATE OR REPLACE USER '{name}'@'127.0.0.1' IDENTIFIED BY 'secret'{bound}")
    servers.administer(server, f"GRANT ALL PRIVILEGES ON `{name}\\_\\_%`.* TO '{name}'@'127.0.0.1'")
    found = replace(server, db_user=name, db_password="secret", db_name="")
    create_database(found)
    try:
        yield found
    finally:
        servers.administer(server, f"DROP DATABASE IF EXISTS `{found.database}`")
        servers.administer(server, f"DROP USER '{name}'@'127.0.0.1'")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server with ToolsDB's limit minus two; it counts refused connections."""
    limits = (f"--max-user-connections={MOST}", "--userstat=1")
    with servers.mariadb(tmp_path_factory.mktemp("mariadb"), *limits) as variables:
        yield variables


@pytest.fixture
def administrator(server: dict[str, str]) -> Settings:
    """The account to which the limits do not apply."""
    return Settings.from_env(server)


@pytest.fixture
def one_connection(administrator: Settings) -> Iterator[Settings]:
    """An account that may have a single connection."""
    with ordinary_user(administrator, "single", most=1) as found:
        yield found


def test_pool_waits_if_the_account_has_no_free_connection(one_connection: Settings):
    holder, waiter = Database(one_connection, size=1), Database(one_connection, size=1)
    with holder.transaction() as db:
        assert db.value("SELECT 1") == 1
    free = threading.Timer(1.0, holder.close)  # Until then the idle connection occupies the limit.
    free.start()
    began = time.monotonic()
    with waiter.transaction() as db:
        assert db.value("SELECT 1") == 1
    assert time.monotonic() - began >= 0.5
    free.join()
    waiter.close()


def test_full_account_is_an_outage_after_the_timeout(one_connection: Settings):
    holder = Database(one_connection, size=1)
    with holder.transaction():
        waiter = Database(one_connection, size=1, patience=0.5)
        began = time.monotonic()
        with pytest.raises(DatabaseFull, match="no connection left"):
            waiter.retry(lambda db: db.value("SELECT 1"))
        assert time.monotonic() - began < 2
        assert issubclass(DatabaseFull, DatabaseUnavailable)
        with pytest.raises(DatabaseFull):
            create_database(one_connection, patience=0.2)
    holder.close()


def test_pool_waits_to_replace_a_lost_connection_while_the_account_is_full(
    one_connection: Settings, administrator: Settings
):
    """The server closed our idle connection, and another process took its place."""
    ours, theirs = Database(one_connection, size=1), Database(one_connection, size=1)
    with ours.transaction() as db:
        mine = db.value("SELECT CONNECTION_ID()")
    servers.administer(administrator, f"KILL {mine}")
    with theirs.transaction() as db:
        assert db.value("SELECT 1") == 1
    free = threading.Timer(1.0, theirs.close)
    free.start()
    with ours.transaction() as db:
        assert db.value("SELECT 1") == 1
    free.join()
    ours.close()


def test_idle_connections_are_closed_earlier_than_by_toolsdb(one_connection: Settings):
    database = Database(one_connection, size=1)
    with database.transaction() as db:
        assert db.value("SELECT @@wait_timeout") == 60
    database.close()


def test_most_recently_used_connection_is_used_first(administrator: Settings):
    """Other connections then become idle and are closed."""
    database = Database(replace(administrator, db_name="mysql"), size=3)
    with database.transaction(), database.transaction(), database.transaction():
        pass
    seen = set()
    for _ in range(6):
        with database.transaction() as db:
            seen.add(db.value("SELECT CONNECTION_ID()"))
    assert len(seen) == 1
    database.close()


@dataclass
class Web:
    """A web service as in the Procfile, and volunteers who send requests until `leave`."""

    address: str
    process: servers.Process
    cookies: list[dict[str, str]]
    paths: tuple[str, ...]
    statuses: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._left = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(each,)) for each in self.cookies]
        for thread in self._threads:
            thread.start()

    def _ask(self, cookie: dict[str, str]) -> None:
        with requests.Session() as browser:
            browser.cookies.update(cookie)
            for path in itertools.cycle(self.paths):
                if self._left.is_set():
                    return
                answer = browser.get(f"{self.address}{path}", timeout=60, allow_redirects=False)
                self.statuses[f"{answer.status_code} {path}" if answer.status_code != 200 else "200"] += 1

    def leave(self) -> None:
        """Let the volunteers stop."""
        self._left.set()
        for thread in self._threads:
            thread.join()


class Peak:
    """The maximum number of connections of an account, counted every 5 ms over a connection of the administrator."""

    def __init__(self, server: Settings, user: str) -> None:
        self._database, self._user = Database(server, size=1), user
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most = 0

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._database.close()

    def _watch(self) -> None:
        with self._database.transaction() as db:
            while not self._end.wait(0.005):
                sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = %s"
                self.most = max(self.most, int(db.value(sql, (self._user,))))


class Account:
    """All processes that use one account of a server with ToolsDB's limit minus two."""

    def __init__(self, stack: ExitStack, settings: Settings, folder: Path) -> None:
        self._stack, self.settings, self._folder = stack, settings, folder
        self._env = servers.environment(settings, TMPDIR=str(folder))
        self._numbers = itertools.count()

    def run(self, *command: str) -> servers.Process:
        log = self._folder / f"{next(self._numbers)}.log"
        return self._stack.enter_context(servers.running([sys.executable, *command], self._env, log))

    def worker(self, name: str) -> servers.Process:
        return self.run("-m", "testing.sleeping_worker", "--worker-id", name, "--sleep", "0.05")

    def web(self, cookies: list[dict[str, str]], paths: tuple[str, ...]) -> Web:
        port = servers.free_port()
        process = self.run("-m", *deployment.procfile(str(port))["web"].words)
        servers.wait_for_http(f"http://127.0.0.1:{port}/health", process)
        return Web(f"http://127.0.0.1:{port}", process, cookies, paths)

    def checks_and_migration(self) -> dict[str, tuple[int, str]]:
        """Return exit codes and output of both health checks and a migration that run at the same time."""
        commands = {name: ("worker.py", "--check", "--worker-id", name) for name in ("one", "two")}
        running = {name: self.run(*command) for name, command in (commands | {"migrate": ("migrate.py",)}).items()}
        return {name: (process.popen.wait(LONGEST), process.output()) for name, process in running.items()}


@pytest.fixture
def account(administrator: Settings, sandbox: Sandbox, tmp_path: Path) -> Iterator[tuple[Account, Settings]]:
    """The account, and the administrator's settings of its database."""
    with ordinary_user(administrator, "s1") as limited, ExitStack() as stack:
        wiki = environment.variables(sandbox.base, "http://localhost:8000")
        settings = hog(Settings.from_env(servers.variables(limited) | wiki), max_files=60, batch_size=4)
        yield Account(stack, settings, tmp_path), replace(administrator, db_name=limited.database)


def volunteers(database: Database, settings: Settings, project: int) -> list[dict[str, str]]:
    """The cookies of two groups of members of the project, each user within the rate limit."""
    app, found = create_app(settings), []
    for number in range(2 * CLIENTS):
        with database.transaction() as db:
            user = users.sign_in(
                db,
                TokenBox([]),
                subject=f"v{number}",
                name=f"V{number}",
                blocked=False,
                access="a",
                refresh="r",
                expires_in=60,
            )
            projects.add_member(db, project, user.id, "labeller")
        found.append(cookies(app, user.id))
    return found


def test_all_processes_together_stay_within_the_connection_limit(
    account: tuple[Account, Settings], sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
):
    here, server = account
    database = Database(server, size=2)
    migrate.migrate(database)
    project = new_project(database, person(sandbox))
    known = volunteers(database, here.settings, project)
    paths = (f"/projects/{project}", f"/projects/{project}/progress.json", "/projects", "/leaderboard")
    with Peak(server, "s1") as peak:
        workers = [here.worker("one"), here.worker("two")]
        old = here.web(known[:CLIENTS], paths)
        new = here.web(known[CLIENTS:], paths)  # The restart: the old web service runs until it is stopped.
        time.sleep(SECONDS / 2)
        done = here.checks_and_migration()
        time.sleep(SECONDS / 2)
        old.leave()
        ended = old.process.stop()
        until(lambda: searched(database, project))
        again = here.checks_and_migration()
        new.leave()
        refused = _refused(database)
        codes = [process.stop() for process in workers]
    database.close()
    statuses = old.statuses + new.statuses
    with capsys.disabled():
        print(f"\nat most {peak.most} connections of {MOST}, {refused} refused, requests {dict(statuses)}")
    logs = "".join(process.output() for process in (*workers, old.process, new.process))
    assert set(statuses) == {"200"}, logs
    assert {name: code for name, (code, _) in (done | again).items()} == dict.fromkeys(("one", "two", "migrate"), 0), (
        done
    )
    assert (ended, codes) == (0, [0, 0]), logs
    assert "no connection left" not in logs
    assert peak.most <= MOST
    assert refused == 0


def _refused(database: Database) -> int:
    """Return the number of connections that the server refused to the account."""
    with database.transaction() as db:
        sql = "SELECT denied_connections FROM information_schema.user_statistics WHERE user = 's1'"
        return int(db.value(sql))
