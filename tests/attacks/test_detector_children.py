"""The processes that decode strangers' bytes hold nothing that is worth taking."""

from pathlib import Path

import pytest

from config import Settings
from tests.attacks import processes
from tests.attacks.site import Site, until
from tests.attacks.verdict import Succeeded, repelled

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc, as Linux has it")
SECRETS = ("TOOL_TOOLSDB_PASSWORD", "OAUTH_CLIENT_SECRET", "FLASK_SECRET_KEY", "WIKIVISAGE_TOKEN_KEY")


@pytest.fixture
def children(site: Site) -> list[int]:
    """The process ids of the worker's detector children, which have searched a picture."""
    site.project("Alice", titles=[site.upload()])

    def look() -> list[int]:
        return [pid for pid in processes.below(site.worker.pid) if "resource_tracker" not in processes.command(pid)]

    return until(look, "the children")


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
        most = processes.limit(pid, "Max address space")
        repelled(most is not None, "there is no limit")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="A child may open as many files and sockets as the worker.")
def test_a_child_opens_files_and_sockets_without_end(children: list[int]):
    for pid in children:
        most = processes.limit(pid, "Max open files")
        repelled(most is not None and most <= 256, f"up to {most} files")


def test_a_child_has_the_databases_connection_open(site: Site, children: list[int]):
    assert site.settings.db_port in {one.remote_port for one in processes.connections(site.worker.pid)}
    for pid in children:
        ports = {one.remote_port for one in processes.connections(pid)}
        repelled(site.settings.db_port not in ports, "a connection to the database is open in it")
