"""Fixtures for all tests.

* `server`: the MariaDB of this test run (the TOOL_TOOLSDB_* variables), private unless TOOL_TOOLSDB_HOST is set.
* `settings`: a migrated database on it. `database`: the same, emptied, with a pool. `db`: an open transaction in it.
* `new_database`: settings of a database without tables, for one test only.
* `sandbox`: a stand-in for Wikimedia with photographs of several people, reset; `sandbox.base` is its address.
* `local_settings`: settings of the emptied database and of the sandbox together.
* `chromium`: the browser's program.
* `linked`: a folder of photographs with only a link for each person.

A test that uses a database is an integration test and is skipped unless WIKIVISAGE_TEST_DB=1.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from PIL import Image

import migrate
from config import Settings
from database import Connection, Database
from sandbox import environment
from sandbox.server import Sandbox
from sandbox.state import world as sandbox_world
from testing import servers

# A developer's .env is for their own server: no test reads it.
os.environ["PYTHON_DOTENV_DISABLED"] = "1"

NEEDS_SERVER = "needs MariaDB: set WIKIVISAGE_TEST_DB=1, as script/test does"
# The first existing folder is used. script/test fetches the demo's photographs if there are no others.
PHOTOGRAPHS = (servers.SHARED / "photos" / "scenes", servers.ROOT / ".local" / "photos")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that use a server, and skip them if it is not available."""
    wanted = os.environ.get("WIKIVISAGE_TEST_DB") == "1"
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "chromium" in fixtures:
            item.add_marker("browser")
        if "server" in fixtures:
            item.add_marker("integration")
        if not wanted and item.get_closest_marker("integration"):
            item.add_marker(pytest.mark.skip(reason=NEEDS_SERVER))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables that reach the MariaDB of this run; each parallel process of the run has its own server."""
    if os.environ.get("TOOL_TOOLSDB_HOST"):
        yield {name: os.environ[name] for name in servers.OWN_DATABASE if name in os.environ}
        return
    with servers.mariadb(tmp_path_factory.mktemp("mariadb")) as variables:
        yield variables


def _database_name(server: dict[str, str]) -> str:
    """Return a unique name; ToolsDB allows only names that begin with the user's name."""
    return f"{server['TOOL_TOOLSDB_USER']}__wikivisage_test_{secrets.token_hex(4)}"


@pytest.fixture
def new_database(server: dict[str, str]) -> Iterator[Settings]:
    """Settings of a database without tables."""
    with servers.empty_database(server, _database_name(server)) as settings:
        yield settings


@pytest.fixture(scope="session")
def settings(server: dict[str, str]) -> Iterator[Settings]:
    """Settings of a migrated database; the current test may use all its contents."""
    with servers.empty_database(server, _database_name(server)) as found:
        pool = Database(found, size=1)
        migrate.migrate(pool)
        pool.close()
        yield found


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """A pool of up to eight connections to the migrated database, with all tables as migrate.py leaves them."""
    pool = Database(settings, size=8)
    _empty(pool)
    yield pool
    pool.close()


@pytest.fixture
def db(database: Database) -> Iterator[Connection]:
    """One transaction for the whole test."""
    with database.transaction() as connection:
        yield connection


def _empty(pool: Database) -> None:
    """Delete every row, then insert those of the schema. TRUNCATE takes 20 times as long for small tables."""
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
    with pool.transaction() as db:
        names = [name for name in db.column(tables) if name != "schema_changes"]
        db.execute("SET FOREIGN_KEY_CHECKS = 0")
        for name in names:
            db.execute(f"DELETE FROM `{name}`")
        db.execute("SET FOREIGN_KEY_CHECKS = 1")
        for statement in migrate.statements(migrate.SCHEMA.read_text(encoding="utf-8")):
            if statement.startswith("INSERT"):
                db.execute(statement)


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The sandbox of this run; `sandbox` resets it for each test."""
    photographs = next((folder for folder in PHOTOGRAPHS if folder.is_dir()), None)
    if photographs is None:
        pytest.skip("needs photographs: python -m sandbox.photos .local/photos")
    found = Sandbox(photographs, cache=tmp_path_factory.mktemp("pictures")).start()
    yield found
    found.stop()


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    """A sandbox with complete photographs of several people, in its initial state."""
    running_sandbox.world.settings = sandbox_world.Settings()
    with urlopen(Request(f"{running_sandbox.base}/sandbox/reset", method="POST")):
        return running_sandbox


@pytest.fixture
def local_settings(settings: Settings, database: Database, sandbox: Sandbox) -> Settings:
    """Settings of the emptied database and of the sandbox, suitable to start any of our processes."""
    return Settings.from_env(servers.variables(settings) | environment.variables(sandbox.base, "http://localhost:8000"))


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser that the tests control."""
    found = servers.chromium()
    if found is None:
        pytest.skip("needs Chromium: script/setup --dev installs it or says how")
    return found


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """Return a folder with only a link for each person, as of a collection that is kept elsewhere."""
    for name in ("ada_lovelace", "grace_hopper"):
        folder = tmp_path / "elsewhere" / name / "more"
        folder.mkdir(parents=True)
        Image.new("RGB", (64, 64), "gray").save(folder.parent / f"{name}.jpg")
    root = tmp_path / "photos"
    root.mkdir()
    for folder in (tmp_path / "elsewhere").iterdir():
        (root / folder.name).symlink_to(folder, target_is_directory=True)
    return root
