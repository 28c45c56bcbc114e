"""Workers as processes: a project from its creation to its questions."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config import Settings
from database import Connection, Database
from pipeline.jobs import heartbeat_file, status
from pipeline.jobs.heartbeat_file import HeartbeatFile, read_heartbeat_file
from sandbox.server import Sandbox
from store import worker_claims
from store.jobs import tasks, workers
from store.projects.projects import NewProject
from testing import servers
from testing.waiting import PATIENCE, until
from tests.pipeline.support import Gate, downloads, hog, new_project, person, rows, searched, value
from vision import weights
from vision.detection.settings import SearchSettings


def test_worker_crawls_and_searches_a_project_and_runs_its_model(
    local_settings: Settings, database: Database, sandbox: Sandbox, tmp_path: Path
):
    project = new_project(database, person(sandbox, 2))
    worker = servers.worker(hog(local_settings), "one", tmp_path)
    try:
        until(lambda: searched(database, project))
        report = until(lambda: modelled(database, project))
    finally:
        assert worker.stop() == 0, worker.output()
    assert value(database, "SELECT COUNT(*) FROM files WHERE state = 'searched'") > 5
    gone = rows(database, "SELECT error, COUNT(*) AS n FROM files WHERE state <> 'searched' GROUP BY error")
    assert {row["error"]: row["n"] for row in gone} == {"redirect": 1, "no_file": 1}
    assert report["on"] is False
    assert value(database, "SELECT COUNT(*) FROM questions WHERE project_id = %s", project) > 2
    assert rows(database, "SELECT * FROM workers") == []


def modelled(database: Database, project: int) -> dict[str, Any] | None:
    """Return the model's report, once it includes the faces labelled by bootstrap."""
    report = json.loads(value(database, "SELECT model_json FROM projects WHERE id = %s", project) or "{}")
    return report if report.get("matches", {}).get("bootstrap") else None


def test_status_lists_the_work_of_each_worker(local_settings: Settings, database: Database, tmp_path: Path):
    def run(*arguments: str) -> tuple[int, str]:
        process = servers.worker(hog(local_settings), "one", tmp_path, *arguments)
        code = process.popen.wait(PATIENCE)
        output = process.output()
        process.log.unlink()
        return code, output

    assert run("--status") == (0, "No worker has been heard of in the last day.\n")
    assert run("--check") == (1, "worker one has not been heard of in the last day\n")
    project = new_project(database, NewProject("Q42", "Somebody", "Nothing"))
    with database.transaction() as db:
        worker_claims.register(db, "one", "here", 7)
        assert tasks.claim(db, "crawl", "one")
    code, output = run("--status")
    assert code == 0
    assert "one  alive" in output
    assert f"crawl      {project}" in output
    assert run("--check")[0] == 0
    with database.transaction() as db:
        db.execute("UPDATE workers SET heartbeat_at = NOW() - INTERVAL 2 MINUTE")
    code, output = run("--check")
    assert code == 1
    assert "12" in output


def test_worker_of_jobs_yaml_that_does_not_run_is_reported_as_missing(db: Connection):
    planned = status.workers_of_jobs()
    assert planned == ["worker-1", "worker-2"]
    assert list(status.status(db, planned)) == ["No worker has been heard of in the last day."]
    worker_claims.register(db, "one", "here", 7)
    assert "missing" not in "\n".join(status.status(db, planned))
    worker_claims.register(db, "worker-1", "here", 8)
    missing = [line for line in status.status(db, planned) if "missing" in line]
    assert missing == ["worker-2  missing: jobs.yaml starts it, and it does not run"]


def test_no_worker_is_missing_without_workers_in_jobs_yaml(tmp_path: Path):
    assert status.workers_of_jobs(tmp_path / "jobs.yaml") == []
    (tmp_path / "jobs.yaml").write_text("- name: backup\n  command: script/backup\n")
    assert status.workers_of_jobs(tmp_path / "jobs.yaml") == []


def test_worker_without_pip_has_its_networks_and_reports_them(
    local_settings: Settings, database: Database, tmp_path: Path
):
    """As on Toolforge: pip is available when packages are installed, but not when they are used."""
    refusing = tmp_path / "first"
    (refusing / "pip").mkdir(parents=True)
    (refusing / "pip/__init__.py").write_text("raise ImportError('pip is not here')\n")
    settings = replace(local_settings, contact="test@localhost", cache_dir=str(tmp_path / "cache"))
    env = servers.environment(settings, PYTHONPATH=str(refusing), TMPDIR=str(tmp_path))
    assert subprocess.run([sys.executable, "-c", "import pip"], env=env, capture_output=True).returncode == 1
    command = [sys.executable, "worker.py", "--worker-id", "one"]
    with servers.running(command, env, tmp_path / "worker.log") as process:
        until(lambda: "networks: " in process.output() or not process.runs())
        until(lambda: value(database, "SELECT networks_json FROM workers"))
        checked = subprocess.run([*command, "--check"], env=env, cwd=servers.ROOT, capture_output=True, text=True)
        printed = subprocess.run([*command, "--status"], env=env, cwd=servers.ROOT, capture_output=True, text=True)
    ready = ", ".join(f"{network.name} ready" for network in weights.wanted(SearchSettings()))
    assert ready == "CenterFace ready, SFace ready"
    assert f"networks: {ready}\n" in process.output()
    assert checked.stdout.rstrip().endswith(f"networks: {ready}"), checked
    assert f"    networks   {ready}\n" in printed.stdout


def test_worker_reports_a_missing_network_with_the_reason(local_settings: Settings, database: Database, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    settings = replace(local_settings, contact="test@localhost", cache_dir=str(tmp_path / "file" / "weights"))
    process = servers.worker(settings, "one", tmp_path)
    try:
        until(lambda: value(database, "SELECT networks_json FROM workers"))
        with database.transaction() as db:
            (seen,) = workers.all_seen(db)
    finally:
        process.stop()
    assert seen.networks is not None
    assert list(seen.networks) == [network.name for network in weights.NETWORKS]
    for network in weights.NETWORKS:
        assert seen.networks[network.name].startswith(f"{network.without} The folder for weights")
    assert "networks: CenterFace missing: Searching with HOG alone" in process.output()


def test_worker_registered_again_reports_its_networks_again(database: Database):
    with database.transaction() as db:
        worker_claims.register(db, "one", "here", 7, {"CenterFace": ""})
        assert workers.all_seen(db)[0].networks == {"CenterFace": ""}
        worker_claims.register(db, "one", "here", 8)
        assert workers.all_seen(db)[0].networks is None
        workers.set_networks(db, "one", {})
        assert workers.all_seen(db)[0].networks == {}


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        (None, "not made ready yet"),
        ({}, "none"),
        ({"CenterFace": "", "SFace": ""}, "CenterFace ready, SFace ready"),
        ({"CenterFace": "HOG alone.", "SFace": ""}, "SFace ready, CenterFace missing: HOG alone."),
    ],
)
def test_networks_are_described(networks: dict[str, str] | None, words: str):
    assert status.in_words(networks) == words


@pytest.mark.parametrize(
    ("away", "heard", "sign", "alive", "words"),
    [
        (False, 5, None, True, "was heard"),
        (False, None, (5, 20, ""), True, "reached the database"),
        (False, 90, (5, 90, ""), False, "the database is there: it hangs or has ended"),
        (False, 5, (5, None, ""), True, "was heard"),
        (False, 90, (5, 90, "no connection"), True, "waits for the database (no connection)"),
        (False, 90, (90, 90, "no connection"), False, "hangs or has ended"),
        (False, None, None, False, "has not been heard of"),
        (True, 5, (5, 5, ""), True, "reached the database"),
        (True, 5, (5, 90, ""), True, "waits for the database (No database answers"),
        (True, 5, (90, 90, "no connection"), False, "hangs or has ended"),
        (True, 5, None, False, "does not run on this machine"),
    ],
)
def test_health_check_distinguishes_an_unreachable_database_from_a_dead_worker(
    local_settings: Settings,
    database: Database,
    tmp_path: Path,
    away: bool,
    heard: int | None,
    sign: tuple[int, int | None, str] | None,
    alive: bool,
    words: str,
):
    """`heard`: seconds since the heartbeat in the database. `sign`: age of the local file, seconds since the database
    was reached, and what the worker waits for according to the file.
    """
    path = tmp_path / "sign"
    if sign is not None:
        age, reached, waiting_for = sign
        now = time.time()
        HeartbeatFile(path).write(None if reached is None else now - reached, waiting_for)
        os.utime(path, (now - age, now - age))
    if heard is not None:
        with database.transaction() as db:
            worker_claims.register(db, "one", "here", 7)
            db.execute("UPDATE workers SET heartbeat_at = NOW() - INTERVAL %s SECOND", (heard,))
    settings = replace(local_settings, db_port=servers.free_port()) if away else local_settings
    found, message = status.healthy(lambda: Database(settings, size=1, patience=1), "one", path)
    assert (found, words in message) == (alive, True), message
    ages = [int(age) for age in re.findall(r"(\d+) s ago", message)]
    known = [age for age in (heard, *(sign or ())[:2]) if age is not None]
    assert all(age >= min(known) for age in ages), message


def test_health_check_normally_needs_no_connection(tmp_path: Path):
    def no_database() -> Database:
        raise AssertionError("the check opened a connection")

    path = tmp_path / "sign"
    for reached, waiting_for in (
        (time.time(), ""),
        (None, "no connection left"),
        (time.time() - 900, "no connection left"),
    ):
        HeartbeatFile(path).write(reached, waiting_for)
        alive, message = status.healthy(no_database, "one", path)
        assert alive, message


def test_worker_with_a_lane_without_progress_is_not_healthy(
    local_settings: Settings, database: Database, tmp_path: Path
):
    """The file says so, and without a file the database does; while the database is away, no lane can make progress."""
    sentence = "the detect lane has made no progress for 700 s"
    sign = tmp_path / "sign"

    def check() -> tuple[bool, str]:
        return status.healthy(lambda: Database(local_settings, size=1, patience=1), "one", sign)

    HeartbeatFile(sign).write(time.time(), "", stuck=sentence)
    alive, message = check()
    assert not alive
    assert sentence in message
    HeartbeatFile(sign).write(time.time(), "no connection", stuck=sentence)
    assert check()[0]
    sign.unlink()
    with database.transaction() as db:
        worker_claims.register(db, "one", "here", 7)
        workers.beat(db, "one", "detect 5", sentence)
    alive, message = check()
    assert not alive
    assert sentence in message
    with database.transaction() as db:
        workers.beat(db, "one", "detect 5")
    assert check()[0]


@pytest.mark.parametrize("text", ["", "no connection", "[]", '{"reached": "now", "waiting_for": ""}'])
def test_unreadable_heartbeat_file_is_ignored(tmp_path: Path, text: str):
    path = tmp_path / "sign"
    path.write_text(text)
    assert read_heartbeat_file(path) is None


def test_wrong_database_password_is_reported_in_one_sentence(local_settings: Settings, tmp_path: Path):
    wrong = replace(local_settings, db_password="wrong")
    process = servers.worker(hog(wrong), "one", tmp_path)
    assert process.popen.wait(PATIENCE) == 2
    assert "refuses user" in process.output()
    assert "Traceback" not in process.output()


def test_worker_waits_for_an_unreachable_database_and_loses_nothing(
    local_settings: Settings, database: Database, sandbox: Sandbox, tmp_path: Path
):
    with Gate(local_settings.db_port) as gate:
        settings = replace(hog(local_settings), db_host="127.0.0.1", db_port=gate.port, batch_size=5, max_files=40)
        project = new_project(database, person(sandbox))
        worker = servers.sleeping_worker(settings, "one", tmp_path, 0.05)
        try:
            until(lambda: value(database, "SELECT COUNT(*) FROM files WHERE state = 'searched'") > 3)
            gate.close()
            time.sleep(4)  # Longer than all retries of Database.retry.
            assert worker.runs()
            sign = heartbeat_file.path_of("one", tmp_path)
            alive, message = status.healthy(lambda: Database(settings, size=1), "one", sign)
            assert alive, message
            until(
                lambda: "waits for the database" in status.healthy(lambda: Database(settings, size=1), "one", sign)[1]
            )
            gate.open()
            until(lambda: searched(database, project))
        finally:
            code = worker.stop()
    assert code == 0
    assert "Traceback" not in worker.output()
    assert max(downloads(sandbox).values()) == 1
    assert value(database, "SELECT COUNT(*) FROM files WHERE state NOT IN ('searched', 'gone')") == 0
