"""Pages about the model show the results that its functions return for the same answers."""

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from app import create_app
from config import Settings
from database import Database
from pipeline.jobs.tools import Tools
from pipeline.labelling.face_arrays import Memory
from pipeline.labelling.model import Model
from sandbox.environment import variables
from store.projects import projects
from store.projects.projects import NewProject, ProjectSettings
from testing import servers
from tests.pipeline.labelling.test_model import made_up, model, record_answer
from tests.pipeline.support import rows
from tests.web.browser import Browser
from tests.web.conftest import NOWHERE, sign_up
from vision.recognition import estimate, matching
from vision.recognition.matching import Predictions


@dataclass(frozen=True)
class Project:
    """Alice's project: her browser, and the person of each face (0: the project's person)."""

    id: int
    owner: int
    browser: Browser
    who: dict[int, int]
    stage: Model

    def page(self, path: str = "") -> str:
        answer = self.browser.get(f"/projects/{self.id}{path}")
        assert answer.status_code == 200
        return answer.text

    def answer(self, database: Database, face: int, reason: str | None = None) -> None:
        """Give a truthful answer."""
        record_answer(database, self.id, self.owner, face, "target" if self.who[face] == 0 else "other", reason)


@pytest.fixture
def project(settings: Settings, database: Database) -> Project:
    """Of 30 faces of four people, five of the person and five of another are answered."""
    with database.transaction() as db:
        alice = sign_up(db, "Alice")
        number = projects.create(db, alice.id, NewProject("Q42", "Somebody", "Faces"))
    who = made_up(database, number, people=4, each=30)
    app = create_app(Settings.from_env(servers.variables(settings) | variables(NOWHERE, "http://localhost:8000")))
    made = Project(number, alice.id, Browser(app, alice), who, Model())
    for person in (0, 1):
        for face in [face for face in who if who[face] == person][:5]:
            made.answer(database, face)
    return made


def found(database: Database, project: Project, budget: int = 100) -> Predictions:
    """Call the functions of the model with the same answers."""
    with database.transaction() as db:
        known = Memory().gather(db, project.id).known
    return matching.infer(known, error_budget=budget)


def test_review_shows_the_probabilities_of_the_model(tools: Tools, database: Database, project: Project):
    model(tools, project.id, project.stage)
    predicted = found(database, project)
    stored = rows(database, "SELECT probability FROM predictions WHERE suggestion = 'match'")
    assert sorted(row["probability"] for row in stored) == pytest.approx(
        sorted(predicted.probability[predicted.matches]), abs=1e-4
    )
    page = project.page("/review?show=matches")
    assert len(re.findall(r'<li class="face [^"]*" data-face="\d+"', page)) == predicted.matches.sum()
    assert "Wrong statements to be expected among them" in page
    certainties = {float(number) for number in re.findall(r'title="certainty">(?:over )?(\d+(?:\.\d+)?)', page)}
    assert certainties
    assert min(certainties) >= 100 * predicted.cut - 1


def test_question_page_shows_the_reason_of_the_model(tools: Tools, database: Database, project: Project):
    model(tools, project.id, project.stage)
    stored = {row["face_id"]: row["reason"] for row in rows(database, "SELECT face_id, reason FROM questions")}
    asked = json.loads(project.browser.get(f"/projects/{project.id}/questions.json").text)["questions"]
    assert asked
    for question in asked:
        assert question["reason"] == stored[question["face"]]
        assert question["why"]


def test_settings_show_the_number_of_suggestions_for_each_error_budget(
    tools: Tools, database: Database, project: Project
):
    model(tools, project.id, project.stage)
    page = project.page("/settings")
    for budget in (50, 100, 500):
        count = int(found(database, project, budget).matches.sum())
        assert re.search(rf"1 in {budget}\b.*?{count} match(es)? proposed", page), budget


def test_project_page_shows_the_last_change_and_the_answers_that_caused_it(
    tools: Tools, database: Database, project: Project
):
    new = model(tools, project.id, project.stage)["changes"]["new"]
    page = " ".join(project.page().split())
    assert f"After the last 10 answers: {new} new proposals" in page
    with database.transaction() as db:
        projects.change_settings(db, project.id, ProjectSettings("Somebody", 0.1, 5, 100, write_position=False))
    withdrawn = model(tools, project.id, project.stage)["changes"]["withdrawn"]
    assert withdrawn == new
    assert f"After the last change: {withdrawn} withdrawn" in " ".join(project.page().split())


def test_page_suggests_to_stop_after_enough_spot_checks(tools: Tools, database: Database, project: Project):
    report = model(tools, project.id, project.stage)
    for _ in range(12):
        if report["stop"]["may"]:
            break
        for row in rows(database, "SELECT face_id, reason FROM questions ORDER BY position LIMIT 5"):
            project.answer(database, row["face_id"], row["reason"])
        report = model(tools, project.id, project.stage)
    assert report["stop"]["may"]
    with database.transaction() as db:
        gathered = Memory().gather(db, project.id)
    predicted = matching.infer(gathered.known)
    missing = estimate.from_predictions(gathered.known, predicted, gathered.checked)
    assert (report["unfound"]["low"], report["unfound"]["high"]) == (missing.low, missing.high)
    left = gathered.known.open & ~predicted.matches
    truth = sum(project.who[int(face)] == 0 for face in gathered.ids[left])
    assert missing.low <= truth <= missing.high
    assert "You can stop here." in project.page()
    assert unhidden(project.page("/classify"))


def unhidden(page: str) -> bool:
    """Return whether the page of the question shows the line."""
    line: Any = re.search(r'<p[^>]*id="stop"[^>]*>', page)
    return line is not None and "hidden" not in line.group(0)


def test_two_similar_faces_in_one_file_lead_to_a_question_instead_of_suggestions(
    tools: Tools, database: Database, project: Project
):
    """A second face is as near to the confirmed ones as the first, on their other side; therefore it becomes a question."""
    model(tools, project.id, project.stage)
    first = rows(database, "SELECT face_id, page_id FROM predictions WHERE suggestion = 'match' LIMIT 1")[0]
    with database.transaction() as db:
        (encoding,) = db.column("SELECT encoding FROM faces WHERE id = %s", (first["face_id"],))
        known = Memory().gather(db, project.id).known
        middle = known.encodings[known.confirmed].mean(axis=0)
        middle /= np.linalg.norm(middle)
        face = np.frombuffer(encoding, "<f4")
        near = (2 * (face @ middle) * middle - face).astype("<f4")
        db.execute(
            """INSERT INTO faces (page_id, box_left, box_top, box_width, box_height, encoding, encoder, state)
               VALUES (%s, 0.6, 0.2, 0.3, 0.3, %s, 'sface-1', 'encoded')""",
            (first["page_id"], near.tobytes()),
        )
    model(tools, project.id, project.stage)
    both = rows(database, "SELECT suggestion FROM predictions WHERE page_id = %s", first["page_id"])
    assert [row["suggestion"] for row in both] == ["unsure", "unsure"]
    asked = rows(database, "SELECT reason FROM questions WHERE page_id = %s", first["page_id"])
    assert "unsure" in [row["reason"] for row in asked]
