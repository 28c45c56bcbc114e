"""Malicious responses of the wiki over real HTTP: no request goes to other hosts, no code runs, memory stays bounded.

Only one file or one crawl fails, and the reason is stored.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from app import create_app
from config import Settings
from database import Database
from pipeline.detection import detect
from pipeline.jobs.lane import run_stage, settle
from pipeline.jobs.outcome import Done, Outcome
from pipeline.jobs.tools import Tools
from pipeline.projects import crawl
from sandbox.faults.hostile import MARKUP, SPOILERS
from sandbox.server import Sandbox
from store.accounts import users
from store.detection import searches
from testing import servers
from testing.waiting import until
from tests.pipeline.conftest import claimed
from tests.pipeline.detection.test_detect import impatient
from tests.pipeline.support import hog, new_project, person, pictures_in, rows, value
from tests.web.browser import Browser

MOST_MEGABYTES = 500  # A worker needs 150 by itself, one download up to 50, and as much for a copy of it.
# The result for a file whose picture is answered in this way; None: it is searched normally.
PICTURES = {
    "gigabyte": ("error", "too_large"),
    "promised_gigabyte": ("error", "too_large"),
    "endless": ("error", "too_large"),
    "redirect": ("error", "host_refused"),
    "bomb": ("error", "image"),
    "no_picture": ("error", "image"),
    "zip": ("error", "image"),
    "deep": ("error", "image"),
    "wrong_type": ("searched", None),
    "drip": ("waiting", None),  # The download ends after its limit of two minutes.
}


@contextmanager
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """A server on a host that is not allowed; its address, and the requests that it received."""
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            came.append(self.path)
            self.send_error(404)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/picture.jpg", came
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def spoil(sandbox: Sandbox, kind: str, path: str, to: str = "") -> None:
    """Queue a fault of this kind for all further requests to such a path."""
    sandbox.world.faults.add({"kind": kind, "match": {"path": path}, "count": None, "to": to})


def test_malicious_picture_affects_only_its_file(
    local_settings: Settings, database: Database, sandbox: Sandbox, tmp_path: Path
):
    titles = pictures_in(sandbox, person(sandbox).source)[: len(PICTURES) + 2]
    of = dict(zip(titles, PICTURES, strict=False))
    new = replace(person(sandbox), source_kind="titles", source="a list", source_text="\n".join(titles))
    with elsewhere() as (address, came):
        for title, kind in of.items():
            spoil(sandbox, kind, re.escape(title.replace(" ", "_")), address)
        new_project(database, new)
        worker = servers.worker(hog(local_settings), "one", tmp_path)
        try:
            until(lambda: len(states(database, titles, {"searched", "error"})) == len(titles) - 1)
            megabytes = most_megabytes(worker.pid)
            assert worker.runs()
        finally:
            assert worker.stop(20) == 0, worker.output()
    found = states(database, titles)
    assert {kind: found[title] for title, kind in of.items()} == PICTURES
    assert {found[title] for title in titles if title not in of} == {("searched", None)}
    assert came == []
    assert megabytes < MOST_MEGABYTES
    assert "Traceback" not in worker.output()


def states(database: Database, titles: list[str], only: set[str] | None = None) -> dict[str, tuple[str, str | None]]:
    found = rows(database, "SELECT title, state, error FROM files")
    return {
        row["title"]: (row["state"], row["error"])
        for row in found
        if row["title"] in titles and (only is None or row["state"] in only)
    }


def most_megabytes(pid: int) -> int:
    """Return the peak memory of a process."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def crawl_once(tools: Tools, database: Database) -> Outcome | None:
    """Crawl the source once and settle the task as a worker does."""
    task = claimed(database, "crawl")
    outcome = run_stage(task, crawl.run, replace(tools, wiki=impatient(tools)))
    settle(task, outcome, tools)
    return outcome


@pytest.mark.parametrize("kind", sorted(set(SPOILERS) - {"drip", "script", "bomb", "zip"}))
def test_malicious_response_makes_one_crawl_fail(sandbox: Sandbox, database: Database, tools: Tools, kind: str):
    project = new_project(database, person(sandbox))
    with elsewhere() as (address, came):
        spoil(sandbox, kind, "api.php", address)
        outcome = crawl_once(tools, database)
    assert came == []
    assert isinstance(outcome, Done) == (kind == "wrong_type"), outcome  # The content type of JSON is not checked.
    why = """SELECT COALESCE(t.error, p.barred) FROM tasks t JOIN projects p ON p.id = t.subject_id
             WHERE t.kind = 'crawl' AND p.id = %s"""
    assert bool(value(database, why, project)) == (kind != "wrong_type")
    sandbox.world.faults.clear()
    new_project(database, person(sandbox, 1), "Bob")
    assert isinstance(crawl_once(tools, database), Done)


def test_markup_in_texts_of_the_wiki_is_escaped(
    local_settings: Settings, sandbox: Sandbox, database: Database, tools: Tools
):
    project = new_project(database, person(sandbox))
    spoil(sandbox, "script", "api.php")
    crawl_once(tools, database)
    with database.transaction() as db:
        lease = searches.claim(db, "test", 50)
    if lease is not None:
        detect.look_up(lease, tools)
    new_project(database, person(sandbox, 1), "Bob")
    sandbox.world.faults.add({"kind": "readonly", "count": None})
    sandbox.world.faults.add({"kind": "internal_error", "count": None})
    crawl_once(tools, database)
    stored = rows(database, "SELECT * FROM files") + rows(database, "SELECT * FROM projects")
    assert MARKUP[:20] in str(stored), "nothing of what the wiki said is kept: the test shows nothing"
    with database.transaction() as db:
        ada = users.get(db, value(database, "SELECT owner_id FROM projects WHERE id = %s", project))
    browser = Browser(create_app(local_settings), ada)
    for path in ("", "/files", "/classify", "/review", "/send", "/history", "/settings"):
        page = browser.get(f"/projects/{project}{path}", follow_redirects=True)
        assert page.status_code == 200, path
        assert "<script>document" not in page.text
        assert 'src=x onerror="' not in page.text
