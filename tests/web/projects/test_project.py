"""The project page and the dashboard: their counts and texts, and their number of queries."""

import json
import uuid

import pytest
from flask import Flask

from database import Connection, Database
from store.detection import files
from store.labelling import answers, progress
from store.labelling.answers import NewAnswer
from store.labelling.predictions import Prediction
from store.projects import projects
from testing.file_copies import change_files
from testing.labelling_project import replace_predictions
from tests.web.browser import JSON, Browser
from tests.web.conftest import Cast
from web.site.short_cache import ShortCache


def add_files(db: Connection, project_id: int, number: int) -> list[tuple[int, int]]:
    """Insert searched files with one face each; return (page id, face id) of each."""
    rows = [(page_id, f"{page_id}.jpg") for page_id in range(1, number + 1)]
    files.add_to_project(db, project_id, rows, "source", 10_000)
    change_files(db, "UPDATE files SET state = 'searched', face_count = 1, sha1 = REPEAT('a', 40), searched_at = NOW()")
    db.many(
        """INSERT INTO faces (page_id, box_left, box_top, box_width, box_height, state)
           VALUES (%s, 0.1, 0.1, 0.5, 0.5, 'encoded')""",
        [(page_id,) for page_id, _ in rows],
    )
    return [(row["page_id"], row["id"]) for row in db.rows("SELECT page_id, id FROM faces ORDER BY id")]


def record_answer(db: Connection, cast: Cast, page_id: int, face_id: int, answer: str) -> None:
    key = str(uuid.uuid4())
    given = NewAnswer(key, key, page_id, face_id, answer)  # type: ignore[arg-type]
    answers.record(db, cast.project_id, cast.alice.id, [given])


def suggest(db: Connection, project_id: int, faces: list[tuple[int, int]]) -> None:
    found = [Prediction(face_id, page_id, 0.3, 0.99, "match") for page_id, face_id in faces]
    replace_predictions(db, project_id, 1, found)


def test_project_page_counts_files_and_answers(database: Database, cast: Cast):
    with database.transaction() as db:
        faces = add_files(db, cast.project_id, 10)
        for page_id, face_id in faces[:3]:
            record_answer(db, cast, page_id, face_id, "target")
        record_answer(db, cast, *faces[3], "other")
        suggest(db, cast.project_id, faces[4:])
        db.execute("UPDATE project_files SET stated = 1 WHERE page_id = %s", (faces[0][0],))
        counts = progress.counts(db, [cast.project_id])[cast.project_id]
        known = progress.breakdown(db, cast.project_id)
        curve = progress.curve(db, cast.project_id)
    assert (counts.files, counts.waiting, counts.confirmed, counts.suggested) == (10, 0, 3, 6)
    assert (counts.approved, counts.unsent, counts.sent) == (3, 2, 0)
    assert (known.human_yes, known.human_no, known.model_yes) == (3, 1, 6)
    assert curve.points == ((0, 0), (1, 1), (2, 2), (3, 3), (4, 3))


def test_failed_files_are_listed_with_reasons_and_can_be_retried(database: Database, alice: Browser, cast: Cast):
    with database.transaction() as db:
        add_files(db, cast.project_id, 4)
        change_files(db, "UPDATE files SET face_count = 0 WHERE page_id = 1")
        change_files(db, "UPDATE files SET state = 'error', error = 'image' WHERE page_id IN (2, 3)")
        found = progress.search(db, cast.project_id)
    assert (found.files, found.searched, found.no_face, found.faces) == (4, 2, 1, 1)
    assert found.troubles == (progress.Trouble("image", False, 2),)
    page = alice.get(f"/projects/{cast.project_id}").text
    assert "2 files could not be searched" in page
    assert "The picture is damaged" in page
    alice.post(f"/projects/{cast.project_id}/retry")
    with database.transaction() as db:
        assert progress.search(db, cast.project_id).waiting == 2


def test_project_page_reports_that_no_worker_runs(database: Database, alice: Browser, cast: Cast):
    url = f"/projects/{cast.project_id}"
    assert "No worker was seen" in alice.get(url).text
    with database.transaction() as db:
        db.execute(
            "INSERT INTO workers (id, host, pid, started_at, heartbeat_at) VALUES ('w', 'h', 1, NOW(), NOW() - INTERVAL 4 MINUTE)"
        )
    assert "No worker was seen" not in alice.get(url).text
    with database.transaction() as db:
        db.execute("UPDATE workers SET heartbeat_at = NOW() - INTERVAL 6 MINUTE")
    assert "No worker was seen" in alice.get(url).text


def test_mark_of_live_progress_changes_only_with_its_content(
    app: Flask, database: Database, alice: Browser, cast: Cast
):
    app.extensions["project_states"] = ShortCache(seconds=0)
    url = f"/projects/{cast.project_id}/progress"
    first = alice.client.get(url, headers=JSON).get_json()
    assert alice.client.get(url, headers=JSON).get_json() == first
    with database.transaction() as db:
        add_files(db, cast.project_id, 3)
    second = alice.client.get(url, headers=JSON).get_json()
    app.extensions.pop("project_states")
    assert second["mark"] != first["mark"]


def test_live_progress_is_cached_for_all_watchers_but_pages_are_not(
    app: Flask, database: Database, alice: Browser, bob: Browser, cast: Cast
):
    app.extensions["project_states"] = ShortCache(seconds=60)
    path = f"/projects/{cast.project_id}"
    first = alice.client.get(f"{path}/progress", headers=JSON).get_json()
    with database.transaction() as db:
        for page_id, face_id in add_files(db, cast.project_id, 3):
            record_answer(db, cast, page_id, face_id, "target")
    assert bob.client.get(f"{path}/progress", headers=JSON).get_json()["said"] == first["said"]
    assert "3 approved matches can be sent" in alice.get(path).text
    app.extensions.pop("project_states")


def test_project_page_suggests_the_next_action(database: Database, alice: Browser, cast: Cast):
    url = f"/projects/{cast.project_id}"
    assert "about to look for the files" in alice.get(url).text
    with database.transaction() as db:
        faces = add_files(db, cast.project_id, 10)
    assert "Confirm 5 more faces" in alice.get(url).text
    with database.transaction() as db:
        for page_id, face_id in faces[:5]:
            record_answer(db, cast, page_id, face_id, "target")
    assert "5 approved matches can be sent" in alice.get(url).text
    with database.transaction() as db:
        suggest(db, cast.project_id, faces[5:6])
    assert "The model found 1 match." in alice.get(url).text


REPORT = {
    "on": True,
    "stop": {"may": True, "unsure": 0},
    "unfound": {"expected": 1.0, "low": 0, "high": 3},
    "changes": {"new": 4, "withdrawn": 1, "answers": 2},
    "histogram": {
        "to": 1.2,
        "bins": 120,
        **{name: [1] * 120 for name in ("target", "other", "match", "unsure", "no_match")},
    },
    "curve": [{"budget": 100, "matches": 7, "expected_wrong": 0.25}],
}


def test_project_page_shows_the_report_of_the_model(database: Database, alice: Browser, cast: Cast):
    with database.transaction() as db:
        projects.modelled(db, cast.project_id, 1, json.dumps(REPORT))
    page = alice.get(f"/projects/{cast.project_id}").text
    assert "You can stop here." in page
    assert "probably 0 to 3 matches are still unfound" in page
    assert "4 new proposals, 1 withdrawn" in page
    assert "At 0.60, 180 faces that nobody judged lie within." in page
    assert page.count('<rect class="yes"') == 45
    assert "7 matches proposed, probably 0.2 of them wrong" in alice.get(f"/projects/{cast.project_id}/settings").text


@pytest.mark.parametrize("path", ["/projects", "/projects/{0}", "/projects/{0}/progress", "/projects/{0}/settings"])
def test_each_project_page_needs_at_most_ten_queries(
    app: Flask, database: Database, alice: Browser, cast: Cast, path: str
):
    with database.transaction() as db:
        faces = add_files(db, cast.project_id, 20)
        suggest(db, cast.project_id, faces)
    url = path.format(cast.project_id)
    alice.get(url)
    before = select_count(database)
    assert alice.get(url).status_code == 200
    assert select_count(database) - before - 1 <= 10


def select_count(database: Database) -> int:
    """Return the number of SELECT statements that the server has executed, including this one."""
    with database.transaction() as db:
        row = db.row("SHOW GLOBAL STATUS LIKE 'Com_select'")
        db.value("SELECT 1")
    assert row is not None
    return int(row["Value"])


def test_dashboard_shows_own_and_invited_projects(alice: Browser, bob: Browser, charlie: Browser):
    assert "Douglas Adams" in alice.get("/projects").text
    assert "invited by Alice" in bob.get("/projects").text
    assert "Begin with one person" in charlie.get("/projects").text


@pytest.mark.parametrize(
    ("typed", "found"), [("doug", True), ("q42", True), ("ADAMS", True), ("%", False), ("_", False)]
)
def test_dashboard_can_be_searched(alice: Browser, typed: str, found: bool):
    page = alice.get("/projects", query_string={"q": typed}).text
    assert ("writer" in page) is found
    assert ("No project matches" in page) is not found


def test_dashboard_is_paginated(database: Database, alice: Browser, cast: Cast):
    with database.transaction() as db:
        for number in range(13):
            projects.create(
                db, cast.alice.id, projects.NewProject(item=f"Q{number + 100}", label=f"P{number}", source="S")
            )
    assert "Page 1 of 2" in alice.get("/projects").text
    assert "Douglas Adams" in alice.get("/projects?page=2").text
    assert alice.get("/projects?page=x").status_code == 200


def test_names_are_escaped(database: Database, alice: Browser, cast: Cast):
    name = "<script>alert(1)</script>{{ 7*7 }}' OR 1=1 -- \u202eabc 🙂"
    with database.transaction() as db:
        settings = projects.ProjectSettings(name, 0.6, 5, 100, False)
        projects.change_settings(db, cast.project_id, settings)
    for path in ("", "/settings", "/delete"):
        page = alice.get(f"/projects/{cast.project_id}{path}").text
        assert "<script>alert" not in page
        assert "{{ 7*7 }}&#39; OR 1=1" in page
    assert "<script>alert" not in alice.get("/projects").text
