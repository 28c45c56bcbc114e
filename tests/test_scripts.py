"""The scripts for users: their messages, and the installation of missing parts only."""

import os
import re
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from testing import servers

ROOT = servers.ROOT
COMMANDS = ["setup", "demo", "test", "mariadb", "screenshots", "i18n", "lock", "audit", "backup"]
PINNED = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)(?:\[[\w,-]+\])?==(?P<version>\S+)", re.MULTILINE)
# A server given by the user, so that setup does not look for one; it is not connected to.
OWN_SERVER = {"TOOL_TOOLSDB_HOST": "127.0.0.1"}


def run(command: list[str], cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    env = servers.environment() | more
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return {canonicalize_name(found["name"]): found["version"] for found in PINNED.finditer(text)}


def needed(names: set[str], python: str) -> set[str]:
    """Return these packages and all their dependencies with this version of Python, without extras."""
    elsewhere = {"extra": "", "python_version": python, "python_full_version": f"{python}.0"}
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        asked = [Requirement(text) for text in metadata.requires(name) or []]
        waiting += [
            canonicalize_name(one.name) for one in asked if one.marker is None or one.marker.evaluate(elsewhere)
        ]
    return seen


@pytest.mark.parametrize("name", COMMANDS)
def test_help_prints_the_usage(name: str):
    done = run([f"script/{name}", "--help"])
    assert done.returncode == 0
    assert f"script/{name}" in done.stdout


@pytest.mark.parametrize("name", ["setup", "demo"])
def test_unknown_argument_is_refused_with_a_hint(name: str):
    done = run([f"script/{name}", "--nonsense"])
    assert done.returncode == 1
    assert done.stderr == f"script/{name}: unknown argument --nonsense; see script/{name} --help\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--photos", "no/such/folder"], "--photos: there is no folder no/such/folder"),
        (["--photos"], "--photos wants a value"),
        (["--person", "grace_hopper"], "--person belongs to --check"),
    ],
)
def test_demo_reports_invalid_arguments_before_it_starts_anything(arguments: list[str], message: str):
    done = run(["script/demo", *arguments])
    assert done.returncode == 1
    assert message in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("name", [f"script/{name}" for name in COMMANDS] + [".ci/run"])
def test_scripts_are_executable(name: str):
    assert os.access(ROOT / name, os.X_OK)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_to_what_is_installed(name: str):
    for package, version in pins(name).items():
        assert metadata.version(package) == version, package


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_dependencies_are_pinned_for_every_supported_python(name: str, python: str):
    """The files are compiled with one Python; packages that others need in addition would have no hash: pip fails."""
    pinned = pins(f"{name}.txt")
    chosen = pins("requirements.in") | (pins("requirements-dev.in") if name == "requirements-dev" else {})
    assert needed(set(chosen), python) <= set(pinned)


def test_only_required_packages_are_pinned():
    assert needed(set(pins("requirements.in")), "3.11") == set(pins("requirements.txt"))


def test_the_package_named_dlib_is_a_name_only():
    files = metadata.files("dlib") or []
    assert files
    assert not [file for file in files if ".dist-info" not in str(file)]
    assert metadata.requires("dlib") == [f"dlib-bin=={pins('requirements.txt')['dlib-bin']}"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the scripts and without Python packages to install."""
    shutil.copytree(ROOT / "script", tmp_path / "script")
    shutil.copytree(ROOT / "packages", tmp_path / "packages")
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_setup_installs_missing_parts_and_is_fast_the_second_time(checkout: Path):
    began = time.monotonic()
    first = run(["script/setup"], checkout, PYTHON=sys.executable, **OWN_SERVER)
    took = time.monotonic() - began
    assert first.returncode == 0, first.stderr
    assert "Making .venv" in first.stdout
    assert (checkout / ".venv/bin/python").exists()

    began = time.monotonic()
    second = run(["script/setup"], checkout, **OWN_SERVER)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert time.monotonic() - began < took / 2

    (checkout / "requirements.txt").write_text("./no-such-package\n")
    third = run(["script/setup"], checkout, **OWN_SERVER)
    assert third.returncode == 1
    assert "the Python packages could not be installed" in third.stderr.splitlines()[-1]

    (checkout / "requirements.txt").write_text("")
    fourth = run(["script/setup"], checkout, **OWN_SERVER)
    assert (fourth.returncode, fourth.stdout) == (0, "")


@pytest.fixture
def poor_path(tmp_path: Path) -> str:
    """A PATH with the basic commands, but without a browser, apt-get and sudo."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "env", "dirname", "basename", "cat", "cksum", "awk", "id", "cut", "sort", "tail"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return str(folder)


def lend_venv(checkout: Path) -> None:
    """Give the checkout this Python, and mark its (empty) requirements as installed."""
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").symlink_to(sys.executable)
    (checkout / ".venv/pyvenv.cfg").write_text((Path(sys.prefix) / "pyvenv.cfg").read_text())
    (checkout / ".venv/lib").symlink_to(Path(sys.prefix) / "lib")
    sum_of = "cat requirements-dev.txt .venv/pyvenv.cfg | cksum"
    stamp = subprocess.run(["bash", "-c", sum_of], cwd=checkout, capture_output=True, text=True, check=True).stdout
    (checkout / ".venv/requirements-dev.txt.stamp").write_text(stamp)


def test_setup_names_missing_packages_that_it_may_not_install(checkout: Path, poor_path: str):
    lend_venv(checkout)
    done = run(["script/setup", "--dev"], checkout, PATH=poor_path, **OWN_SERVER)
    assert done.returncode == 1
    assert done.stderr.startswith("script/setup: Chromium is needed for the browser tests; install it (Debian: apt-get")
    without = run(["script/setup", "--dev", "--no-browser"], checkout, PATH=poor_path, **OWN_SERVER)
    assert (without.returncode, without.stderr) == (0, "")


def test_setup_reports_that_backup_tests_need_a_dump_program(checkout: Path, poor_path: str):
    lend_venv(checkout)
    (checkout / "script/mariadb").write_text("")  # An existing server.
    done = run(["script/setup", "--dev", "--no-browser"], checkout, PATH=poor_path)
    assert done.returncode == 1
    assert done.stderr.startswith("script/setup: mariadb-dump is needed for the tests of script/backup; install it")


def test_database_of_dotenv_is_used_if_the_environment_sets_none(checkout: Path):
    lend_venv(checkout)
    (checkout / ".env").write_text(
        'TOOL_TOOLSDB_HOST=from-file\nTOOL_TOOLSDB_PASSWORD="it\'s $5"\nPORT=1\nFLASK_SECRET_KEY=kept-out\n'
    )
    show = '. script/_lib.sh; read_dotenv; echo "$TOOL_TOOLSDB_HOST|$TOOL_TOOLSDB_PASSWORD|$PORT|${FLASK_SECRET_KEY-}"'
    done = run(["bash", "-c", show, "script/x"], checkout, PORT="2")
    assert done.stdout == "from-file|it's $5|2|\n", done.stderr


@pytest.mark.full
def test_requirements_are_sufficient_to_run(tmp_path: Path):
    python = tmp_path / "venv/bin/python"
    for command in (
        [sys.executable, "-m", "venv", str(tmp_path / "venv")],
        [str(python), "-m", "pip", "install", "--quiet", "-r", "requirements.txt"],
        [str(python), "-m", "pip", "check"],
        [str(python), "-c", "import app, worker, migrate, pipeline, vision"],
    ):
        done = run(command)
        assert done.returncode == 0, done.stderr
