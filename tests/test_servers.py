"""The basis of the integration tests: a private server, an empty database for each test, processes that end."""

import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pymysql
import pytest

import migrate
from config import Settings
from database import Connection, Database
from sandbox.server import Sandbox
from testing import servers
from testing.waiting import until


def test_variables_correspond_to_settings():
    settings = Settings(db_host="127.0.0.1", token_keys=("a", "b"), production=True, poll_interval=0.5)
    assert Settings.from_env(servers.variables(settings)) == settings


def test_child_process_gets_only_the_given_variables(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OAUTH_CLIENT_SECRET", "the person's own")
    assert "OAUTH_CLIENT_SECRET" not in servers.environment(Settings())


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_starts_with_the_tables_as_migrated(db: Connection, turn: int):
    assert db.column("SELECT counter FROM signals") == [0]
    db.execute("UPDATE signals SET counter = %s", [turn])


def test_new_database_has_no_tables(new_database: Settings):
    pool = Database(new_database, size=1)
    assert migrate.migrate(pool) == ["schema", *(name for name, _ in migrate.CHANGES)]
    pool.close()


def test_processes_are_stopped_and_killed_by_pid(tmp_path: Path):
    sleeper = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    with servers.running(sleeper, servers.environment(), tmp_path / "log") as process:
        until(lambda: "up" in process.output())
        assert process.runs()
    assert not process.runs()


@pytest.mark.integration
def test_private_server_ends_with_the_process_that_started_it(tmp_path: Path):
    program = f"""
from pathlib import Path
from urllib.request import urlopen
from testing import servers
from testing.waiting import until
with servers.mariadb(Path({str(tmp_path)!r}), "--max-connections=20") as variables:
    print(variables["TOOL_TOOLSDB_PORT"], variables["TOOL_TOOLSDB_PASSWORD"], flush=True)
    input()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, cwd=servers.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port, password = process.stdout.readline().split()
        settings = Settings(db_host="127.0.0.1", db_port=int(port), db_user="wikivisage", db_password=password)
        assert servers.administer(settings, "SELECT @@max_connections") == [(20,)]
        process.kill()
    _wait_until_refused(settings)


def _wait_until_refused(settings: Settings) -> None:
    def refused() -> bool:
        try:
            servers.administer(settings, "SELECT 1")
        except pymysql.err.OperationalError:
            return True
        return False

    until(refused, "the server outlives its owner")


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_starts_with_a_reset_sandbox(sandbox: Sandbox, turn: int):
    page = next(page for page in sandbox.world.state.pages.values() if page.namespace == 6)
    assert sandbox.world.settings.latency == 0
    sandbox.world.settings.latency = 0.001
    sandbox.world.state.pages.pop(page.id)
    assert sandbox.world.page_of_id(page.id) is None


def test_local_settings_contain_only_local_addresses(local_settings: Settings, sandbox: Sandbox):
    addresses = [value for value in vars(local_settings).values() if str(value).startswith("http")]
    assert len(addresses) == 8
    assert all(address.startswith((sandbox.base, "http://localhost:8000/")) for address in addresses)
    assert local_settings.media_hosts == (sandbox.base.removeprefix("http://"),)


def test_web_application_and_worker_run_as_processes(local_settings: Settings, tmp_path: Path):
    process = servers.worker(local_settings, "one", tmp_path)
    with servers.gunicorn(local_settings, tmp_path) as address, urlopen(f"{address}/health") as answer:
        assert answer.status == 200
    until(lambda: "started" in process.output() or not process.runs())
    assert process.stop() == 0, process.output()
