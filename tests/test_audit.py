"""The audit of dependencies: vulnerabilities, packages that cannot be looked up, an unreachable advisory service."""

import inspect
import json
import re
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from pip_audit._service import pypi as pip_audit_pypi

from testing import https_front, servers

ROOT = servers.ROOT
KNOWN = ("requests", "2.19.1")
# The host that pip-audit contacts, read from its own source code.
ADVISORY_HOST = re.findall(r"https://([\w.-]+)/pypi/", inspect.getsource(pip_audit_pypi))[0]
Advisories = Callable[[str, str], list[str] | None]  # For a package's version; None: the package does not exist.
Run = Callable[[int], subprocess.CompletedProcess[str]]


class PyPI(BaseHTTPRequestHandler):
    """PyPI's JSON API behind a proxy: CONNECT, then https, as a client with HTTPS_PROXY requests it."""

    protocol_version = "HTTP/1.1"
    context: ssl.SSLContext
    advisories: Advisories

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # The https connection; the server closes that of the CONNECT.

    def do_GET(self) -> None:
        found = re.fullmatch(r"/pypi/([^/]+)/([^/]+)/json", self.path)
        assert found
        names = type(self).advisories(found[1], found[2])
        content = json.dumps({} if names is None else {"vulnerabilities": [_advisory(name) for name in names]}).encode()
        self.send_response(404 if names is None else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _advisory(name: str) -> dict[str, Any]:
    return {"id": name, "aliases": [], "details": "a hole", "fixed_in": ["99"], "withdrawn": None}


@contextmanager
def pypi(advisories: Advisories, both: Path) -> Iterator[int]:
    """Yield the port of its proxy."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    handler = type("Handler", (PyPI,), {"context": context, "advisories": staticmethod(advisories)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """Key and certificate of the advisory service, for a client that is configured to trust it."""
    return https_front.certificate(tmp_path / "both.pem", ADVISORY_HOST)


@pytest.fixture
def audit(tmp_path: Path, both: Path) -> Run:
    """Run script/audit with the proxy on that port."""

    def run(port: int) -> subprocess.CompletedProcess[str]:
        env = servers.environment() | {
            "HTTPS_PROXY": f"http://127.0.0.1:{port}",
            "REQUESTS_CA_BUNDLE": str(both),
            "PIP_CACHE_DIR": str(tmp_path / "cache"),
        }
        return subprocess.run(["script/audit"], cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    return run


def test_audit_passes_if_every_package_was_looked_up_and_none_is_vulnerable(audit: Run, both: Path):
    asked = []

    def advisories(name: str, version: str) -> list[str] | None:
        asked.append((name, version))
        return ["PYSEC-2018-28"] if (name, version) == KNOWN else []

    with pypi(advisories, both) as port:
        done = audit(port)
    assert done.returncode == 0, done.stderr
    assert "No known vulnerabilities found" in done.stderr
    pinned = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    (own,) = [f"{name}=={version}" for name, version in pinned if name.startswith("wikivisage-")]
    assert f"{own} is this project's own and not looked up." in done.stdout
    wanted = {(name, version.partition("+")[0]) for name, version in pinned if not name.startswith("wikivisage-")}
    assert set(asked) == wanted | {KNOWN}


def test_audit_fails_for_a_vulnerability(audit: Run, both: Path):
    with pypi(lambda name, version: ["PYSEC-1"] if name in ("flask", "requests") else [], both) as port:
        done = audit(port)
    assert done.returncode == 1
    assert re.search(r"flask +\S+ +PYSEC-1 +99", done.stdout)


def test_audit_fails_for_a_package_that_cannot_be_looked_up(audit: Run, both: Path):
    def advisories(name: str, version: str) -> list[str] | None:
        return None if name == "flask" else ["PYSEC-2018-28"] if (name, version) == KNOWN else []

    with pypi(advisories, both) as port:
        done = audit(port)
    assert done.returncode == 1
    assert "flask" in done.stderr
    assert "could not be audited" in done.stderr


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "Dependency not found on PyPI"),  # a mirror without the JSON API knows no package
        ([], "what answers there knows of no vulnerability of requests==2.19.1"),  # a mirror without advisories
    ],
)
def test_service_without_advisories_is_reported_as_unreachable(
    audit: Run, both: Path, answer: list[str] | None, reason: str
):
    with pypi(lambda name, version: answer, both) as port:
        done = audit(port)
    assert done.returncode == 3
    assert "the advisory service cannot be reached, and nothing was looked up: " + reason in done.stderr


def test_unreachable_service_is_reported(audit: Run):
    done = audit(servers.free_port())
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("script/audit: the advisory service cannot be reached, and nothing was looked up: ")
    assert ADVISORY_HOST in line


def test_continuous_integration_runs_the_audit_in_a_separate_job():
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]
    (step,) = (step for step in jobs["audit"]["steps"] if "run" in step)
    assert step["run"] == "script/audit"
    assert "continue-on-error" not in step | jobs["audit"]
