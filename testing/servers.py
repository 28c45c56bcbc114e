"""Context managers that run real MariaDB, gunicorn and worker processes. Each is ended by its own process id."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pymysql

from config import Settings
from testing.waiting import PATIENCE, until

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
OWN_DATABASE = ("TOOL_TOOLSDB_HOST", "TOOL_TOOLSDB_PORT", "TOOL_TOOLSDB_USER", "TOOL_TOOLSDB_PASSWORD")
GRACE = 30.0  # seconds between SIGTERM and SIGKILL, as in Kubernetes
# Variables of our own environment that a child process needs; the test sets everything else.
_PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


def free_port() -> int:
    """Return a loopback port on which nothing listens at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def variables(settings: Settings) -> dict[str, str]:
    """Return the environment variables for these settings; defaults are left out."""
    found = {}
    for field in fields(Settings):
        value = getattr(settings, field.name)
        if value != field.default:
            found[field.metadata["variable"]] = _text(value)
    return found


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def environment(settings: Settings | None = None, **more: str) -> dict[str, str]:
    """Return the complete environment of a child process: system variables and these settings, but no `.env`."""
    system = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return system | {"PYTHON_DOTENV_DISABLED": "1"} | (variables(settings) if settings else {}) | more


class Process:
    """A child process whose output goes to a file."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                command, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def output(self) -> str:
        """Return what the process has written so far."""
        return self.log.read_text(errors="replace")

    def runs(self) -> bool:
        """Return whether the process has not ended."""
        return self.popen.poll() is None

    def stop(self, seconds: float = GRACE) -> int:
        """Send SIGTERM and return the exit code; after `seconds` the process is killed and the test fails."""
        if self.runs():
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"process did not end within {seconds} s of SIGTERM:\n{self.output()}") from None

    def kill(self) -> None:
        """Send SIGKILL, as when the machine takes the process away."""
        self.popen.kill()
        self.popen.wait()


@contextmanager
def running(command: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator[Process]:
    """Run a process for the duration of the block."""
    process = Process(command, env, log)
    try:
        yield process
    finally:
        process.stop()


def worker(settings: Settings, worker_id: str, folder: Path, *arguments: str) -> Process:
    """Start `python worker.py --worker-id ID`; the test stops or kills it.

    The heartbeat file is kept in `folder`, because workers of other tests have the same name and would remove it.
    """
    command = [sys.executable, "worker.py", "--worker-id", worker_id, *arguments]
    return Process(command, environment(settings, TMPDIR=str(folder)), folder / f"worker-{worker_id}.log")


def sleeping_worker(settings: Settings, worker_id: str, folder: Path, seconds: float) -> Process:
    """Start a worker whose detector children sleep for `seconds` instead of searching a picture."""
    command = [sys.executable, "-m", "testing.sleeping_worker", "--worker-id", worker_id, "--sleep", str(seconds)]
    return Process(command, environment(settings, TMPDIR=str(folder)), folder / f"worker-{worker_id}.log")


@contextmanager
def gunicorn(settings: Settings, folder: Path, workers: int = 1) -> Iterator[str]:
    """Run the web application as in production; yield its address once it answers."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gunicorn", "app:app", "--bind", f"127.0.0.1:{port}", "--workers", str(workers)]
    command.append("--no-control-socket")
    with running(command, environment(settings), folder / "gunicorn.log") as process:
        wait_for_http(f"{address}/health", process)
        yield address


def wait_for_http(address: str, process: Process) -> None:
    """Return once `address` answers, with any status; fail with the process's output if it ends or does not answer."""

    def answers() -> bool:
        assert process.runs(), f"{address} does not answer:\n{process.output()}"
        try:
            with urlopen(address, timeout=PATIENCE):
                return True
        except HTTPError:
            return True
        except (URLError, ConnectionError, TimeoutError):
            return False

    until(answers, f"an answer of {address}")


@contextmanager
def mariadb(folder: Path, *options: str, port: int = 0) -> Iterator[dict[str, str]]:
    """Run a private server for the duration of the block, with further options such as `--max-connections=20`.

    Data is kept in `folder`; `port` 0 picks a free port. Yields the TOOL_TOOLSDB_* variables. The server ends when this
    process does, even if it is killed: script/mariadb runs it only while the pipe to it is open.
    """
    command = [sys.executable, str(ROOT / "script/mariadb"), "run", "--dir", str(folder)]
    command += [f"--port={port}", *(f"--option={option}" for option in options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        found = {}
        for line in process.stdout:
            name, _, value = line.removeprefix("export ").partition("=")
            found[name] = shlex.split(value)[0]
            if len(found) == len(OWN_DATABASE) + 1:
                break
        else:
            raise AssertionError(f"MariaDB did not start in {folder}; its message is above")
        yield {name: found[name] for name in OWN_DATABASE}
        process.stdin.close()
        process.wait(PATIENCE)


@contextmanager
def empty_database(server: Mapping[str, str], name: str) -> Iterator[Settings]:
    """Create an empty database for the duration of the block; yield the settings that reach it."""
    settings = Settings.from_env({**server, "WIKIVISAGE_DB_NAME": name})
    administer(settings, f"CREATE DATABASE `{name}`")
    try:
        yield settings
    finally:
        administer(settings, f"DROP DATABASE IF EXISTS `{name}`")


def administer(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement without selecting a database, for example CREATE DATABASE or KILL; return its rows."""
    connection = pymysql.connect(
        host=settings.db_host,
        port=settings.db_port,
        user=settings.db_user,
        password=settings.db_password,
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def chromium() -> Path | None:
    """Return the browser that script/setup finds, or None."""
    command = ["bash", "-c", ". script/_lib.sh && find_chromium"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    path = shutil.which(found) if found else None
    return Path(path) if path else None
