"""The processes that decode strangers' bytes hold nothing that is worth taking."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config import Settings
from tests.attacks.site import Site, until
from tests.attacks.verdict import Succeeded, repelled

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc, as Linux has it")
SECRETS = ("TOOL_TOOLSDB_PASSWORD", "OAUTH_CLIENT_SECRET", "FLASK_SECRET_KEY", "WIKIVISAGE_TOKEN_KEY")


@pytest.fixture
def children(site: Site) -> Iterator[list[int]]:
    """The process ids of the worker's detector children, which have searched a picture."""
    site.project("Alice", titles=[site.upload()])

    def look() -> list[int]:
        below = psutil.Process(site.worker.pid).children(recursive=True)
        return [one.pid for one in below if "resource_tracker" not in " ".join(one.cmdline())]

    yield until(look, "the children")


def values(settings: Settings) -> list[str]:
    return [settings.db_password, settings.oauth_client_secret, settings.secret_key, *settings.token_keys]


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="A child inherits the worker's whole environment.")
def test_secrets_stand_in_a_childs_environment(site: Site, children: list[int]):
    for pid in children:
        there = Path(f"/proc/{pid}/environ").read_bytes().decode()
        named = [name for name in SECRETS if f"{name}=" in there]
        found = [value for value in values(site.settings) if value and value in there]
        repelled(not named and not found, f"it holds {', '.join(named)}")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="A child may gain rights by programs that give them.")
def test_a_child_can_gain_privileges(children: list[int]):
    for pid in children:
        status = Path(f"/proc/{pid}/status").read_text()
        repelled("NoNewPrivs:\t1" in status, "no_new_privs is not set")


def test_a_child_takes_all_memory(children: list[int]):
    for pid in children:
        (line,) = [line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "address space" in line]
        repelled("unlimited" not in line.split()[3], line)


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="A child may open as many files and sockets as the worker.")
def test_a_child_opens_files_and_sockets_without_end(site: Site, children: list[int]):
    workers = psutil.Process(site.worker.pid).rlimit(psutil.RLIMIT_NOFILE)[0]
    for pid in children:
        mine = psutil.Process(pid).rlimit(psutil.RLIMIT_NOFILE)[0]
        repelled(mine < min(workers, 256), f"up to {mine} files")


def test_a_child_has_the_databases_connection_open(site: Site, children: list[int]):
    for pid in children:
        ports = {one.raddr.port for one in psutil.Process(pid).net_connections("inet") if one.raddr}
        repelled(site.settings.db_port not in ports, "a connection to the database is open in it")
