"""Texts of the project page about current work: time left, active workers, and the two plots."""

import json

import pytest

from database import Database
from store.detection import files
from testing.file_copies import change_files
from tests.web.browser import Browser
from tests.web.conftest import Cast


@pytest.fixture
def going_on(database: Database, cast: Cast) -> str:
    """180 files: 60 were searched within the last minute, 120 wait; worker "w1" has leased some of them."""
    rows = [(page_id, f"{page_id}.jpg") for page_id in range(1, 181)]
    with database.transaction() as db:
        files.add_to_project(db, cast.project_id, rows, "source", 10_000)
        change_files(db, "UPDATE files SET state = 'searched', face_count = 1, searched_at = NOW() WHERE page_id <= 60")
        change_files(
            db,
            "UPDATE files SET lease_worker = 'w1', lease_token = REPEAT('t', 16), leased_at = NOW() WHERE page_id > 170",
        )
        db.execute(
            "UPDATE tasks SET lease_worker = 'w2', lease_token = REPEAT('t', 16), leased_at = NOW() WHERE kind = 'crawl'"
        )
    return f"/projects/{cast.project_id}"


def test_time_left_is_computed_from_the_recent_rate(going_on: str, database: Database, alice: Browser):
    """60 files were searched within the observed two minutes, so 120 take four."""
    assert "About 4 minutes left" in alice.get(going_on).text
    with database.transaction() as db:
        change_files(db, "UPDATE files SET searched_at = NOW() - INTERVAL 1 DAY")
    assert "The time left shows once a few pictures have been searched." in alice.get(going_on).text


def test_active_workers_are_listed_with_their_work(going_on: str, alice: Browser):
    page = alice.get(going_on).text
    assert "Worker w1 searches pictures." in page
    assert "Worker w2 lists the files." in page
    assert "Worker w2 lists the files." in alice.client.get(f"{going_on}/progress").json["html"]  # type: ignore[index]


def test_histogram_shows_the_threshold(going_on: str, database: Database, alice: Browser):
    bars = {"bins": 60, "to": 1.2, "target": [0] * 60, "other": [0] * 60, "match": [0] * 60, "unsure": [0] * 60}
    report = {"on": True, "histogram": {**bars, "no_match": [0] * 20 + [7] + [0] * 39}}
    with database.transaction() as db:
        db.execute("UPDATE projects SET model_json = %s, distance_threshold = 0.55", (json.dumps(report),))
    page = alice.get(going_on).text
    assert 'class="threshold" transform="translate(450.0 0)"' in page  # Half of the range from 0.1 to 1.0.
    assert "At 0.55, 7 faces that nobody judged lie within." in page
    with database.transaction() as db:
        db.execute("UPDATE projects SET distance_threshold = 0.3")
    assert "At 0.30, 0 faces that nobody judged lie within." in alice.get(going_on).text
