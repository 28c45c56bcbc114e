"""The metrics of a working worker for Prometheus, read over HTTP."""

import re
from dataclasses import replace
from urllib.request import urlopen

import pytest

from boxes import Box
from config import Settings
from database import Database
from pipeline.jobs.metrics import Metrics
from pipeline.jobs.tools import Tools
from sandbox.server import Sandbox
from store.detection import faces, files
from store.jobs import queues
from store.projects.projects import NewProject
from testing import servers
from testing.waiting import PATIENCE, until
from tests.pipeline.detection.test_conveyor import Pool
from tests.pipeline.support import hog, new_project, new_user, person, searched
from tests.test_worker_side_by_side import Start, start  # noqa: F401 - a fixture


def numbers(text: str) -> dict[str, float]:
    """Return the value of each sample by its name and labels."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def scrape(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
        assert answer.status == 200
        return numbers(answer.read().decode())


def test_metrics_count_the_work_done(
    local_settings: Settings,
    database: Database,
    sandbox: Sandbox,
    start: Start,  # noqa: F811
):
    port = servers.free_port()
    project = new_project(database, person(sandbox))
    worker = start(hog(local_settings, metrics_port=port, max_files=12, detector_children=1), "one")
    until(lambda: searched(database, project))
    samples = scrape(port)
    assert samples['wikivisage_files_total{outcome="searched"}'] >= 10
    for stage in ("crawl", "look_up", "download", "search", "store"):
        assert samples[f'wikivisage_stage_seconds_count{{stage="{stage}"}}'] > 0, stage
    assert samples['wikivisage_stage_seconds_sum{stage="search"}'] > 0
    assert samples['wikivisage_waiting{queue="files"}'] == 0
    assert samples["wikivisage_workers_alive"] == 1
    assert samples["wikivisage_database_up"] == 1
    assert samples["wikivisage_children_alive"] == 1
    assert samples["process_resident_memory_bytes"] > 1e7
    assert not re.search(person(sandbox).label, str(samples))
    assert worker.stop() == 0


def test_metrics_named_in_the_guide_exist(tools: Tools, database: Database):
    guide = (servers.ROOT / "how-to-run-it.md").read_text()
    watched = guide.split("\n## 9. What to watch")[1].split("\n## ")[0]
    port = servers.free_port()
    Metrics().serve(port, database, tools.pool)
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    exported = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    exported |= {f"{name}_{part}" for name in exported for part in ("bucket", "count", "sum")}
    named = set(re.findall(r"\bwikivisage_\w+", watched))
    assert len(named) >= 7
    assert named <= exported
    assert set(re.findall(r'queue="(\w+)"', watched)) <= set(re.findall(r'queue="(\w+)"', text))


def test_worker_runs_without_metrics_if_the_port_is_in_use(
    tools: Tools, caplog: pytest.LogCaptureFixture, database: Database
):
    port = servers.free_port()
    Metrics().serve(port, database, tools.pool)
    Metrics().serve(port, database, tools.pool)
    assert "set WIKIVISAGE_METRICS_PORT" in caplog.text
    assert scrape(port)["wikivisage_database_up"] == 1


def test_unreachable_database_is_reported_as_a_metric(settings: Settings):
    port = servers.free_port()
    away = Database(replace(settings, db_port=servers.free_port()), size=1)
    Metrics().serve(port, away, Pool())
    samples = scrape(port)
    assert samples["wikivisage_database_up"] == 0
    assert not [name for name in samples if name.startswith("wikivisage_waiting")]


def test_waiting_work_is_counted_by_queue(database: Database):
    project = new_project(database, NewProject("Q42", "Somebody", "Somebody"))
    user = new_user(database)
    with database.transaction() as db:
        before = queues.lengths(db)

        files.add_to_project(db, project, [(1, "1.jpg"), (2, "2.jpg")], "source", 10)
        faces.draw(db, project, 1, user, Box(0.1, 0.1, 0.2, 0.2), replaces=None, sha1=None)
        now = queues.lengths(db)
    assert before["crawl"] == 1
    assert (before["files"], now["files"]) == (0, 2)
    assert now["drawn_faces"] == 1
    assert now["edits"] == 0
