"""What the pages say of the model's suggestions: people who are hard to tell apart, a weaker network, files missed."""

import json
from typing import Any

import pytest

from database import Database
from store.labelling.predictions import replace_questions
from store.projects import projects
from tests.web.browser import JSON, Browser
from tests.web.conftest import Cast
from tests.web.publishing.support import Case, make_case, post_json

HARD = {
    "en": "The people in these files are hard to tell apart.",
    "nb": "Menneskene i disse filene er vanskelige å skille fra hverandre.",
    "es": "Cuesta distinguir a las personas de estos archivos.",
    "fr": "Les personnes de ces fichiers sont difficiles à distinguer.",
}
WEAK = {
    "en": "The operator of this tool can change that.",
    "nb": "Den som driver verktøyet, kan endre det.",
    "es": "Quien administra la herramienta puede cambiarlo.",
    "fr": "L’exploitant de l’outil peut y remédier.",
}
MISSED = {
    "en": "In 3 files the person may have been missed",
    "nb": "I 3 filer kan personen være oversett",
    "es": "En 3 archivos puede haberse pasado por alto a la persona",
    "fr": "Dans 3 fichiers, la personne a pu passer inaperçue",
}
PAGES = ("", "/progress", "/classify", "/questions.json", "/review", "/review?show=approved", "/send")
SFACE, DLIB = "sface-1", "dlib-resnet-v1+mirror"


@pytest.fixture
def case(database: Database, cast: Cast) -> Case:
    """Six files: the first confirmed by Alice, the second approved in bulk, the others suggested."""
    found = make_case(database, cast.project_id, {"Alice": cast.alice.id, "Bob": cast.bob.id}, 6)
    found.record_answer(0, "target")
    found.predict(*((place, "match", 0.99) for place in range(1, 6)))
    return found


def report(case: Case, **more: Any) -> None:
    """Store a report of the model."""
    with case.database.transaction() as db:
        projects.modelled(db, case.project_id, 1, json.dumps({"on": True, **more}))


def approve(case: Case, alice: Browser) -> None:
    post_json(alice, case.url("/review/approve"), {"faces": [case.face(1)]})


def text_of(browser: Browser, url: str, language: str = "en") -> str:
    """Return a page, or the texts of a JSON response, in a language."""
    answer = browser.get(url, headers={"Accept-Language": language})
    assert answer.status_code == 200
    return answer.text if answer.json is None else " ".join(map(str, answer.json.values()))


@pytest.mark.parametrize("language", HARD)
def test_every_page_with_suggestions_says_once_that_people_are_hard_to_tell_apart(
    case: Case, alice: Browser, language: str
):
    approve(case, alice)
    report(case, hard=True, encoder=SFACE)
    for page in PAGES:
        text = text_of(alice, case.url(page), language)
        assert (text.count(HARD[language]), text.count(WEAK[language])) == (1, 0), page


@pytest.mark.parametrize("language", WEAK)
def test_every_page_with_suggestions_says_once_that_the_network_was_the_weaker_one(
    case: Case, alice: Browser, language: str
):
    approve(case, alice)
    report(case, hard=False, encoder=DLIB)
    for page in PAGES:
        text = text_of(alice, case.url(page), language)
        assert (text.count(HARD[language]), text.count(WEAK[language])) == (0, 1), page


@pytest.mark.parametrize("content", [{}, {"hard": False, "encoder": SFACE}, {"on": False, "encoder": DLIB}])
def test_nothing_is_said_for_older_reports_usual_projects_and_a_model_without_suggestions(
    case: Case, alice: Browser, content: dict[str, Any]
):
    approve(case, alice)
    report(case, **content)
    for page in PAGES:
        text = text_of(alice, case.url(page))
        assert HARD["en"] not in text, page
        assert WEAK["en"] not in text, page


def test_lists_of_what_humans_looked_at_do_not_speak_of_suggestions(case: Case, alice: Browser):
    report(case, hard=True, encoder=DLIB)
    for page in ("/review?show=confirmed", "/send"):
        text = text_of(alice, case.url(page))
        assert HARD["en"] not in text, page
        assert WEAK["en"] not in text, page


def test_progress_for_programs_contains_both(case: Case, alice: Browser):
    def both() -> tuple[bool, bool]:
        progress = alice.client.get(case.url("/progress.json"), headers=JSON).json
        assert progress is not None
        return progress["hard"], progress["weak"]

    assert both() == (False, False)
    report(case, hard=True, encoder=DLIB)
    assert both() == (True, True)


def without_face(case: Case, place: int) -> None:
    case.execute("UPDATE faces SET state = 'gone' WHERE page_id = %s", case.page(place))
    case.change_files("UPDATE files SET state = 'searched', face_count = 0 WHERE page_id = %s", case.page(place))


@pytest.mark.parametrize("language", MISSED)
def test_stopping_names_the_files_without_a_face_and_those_with_other_people_only(
    case: Case, alice: Browser, language: str
):
    without_face(case, 5)
    report(case, stop={"may": True}, files_of_others=2)
    with case.database.transaction() as db:
        replace_questions(db, case.project_id, 2, [])
        db.execute("DELETE FROM tasks")
        projects.crawled(db, case.project_id, cut=False, newest=None)
    for page in ("", "/classify", "/questions.json"):
        assert MISSED[language] in text_of(alice, case.url(page), language), page


def test_number_of_files_missed_is_not_given_where_the_report_does_not_count_other_people(case: Case, alice: Browser):
    without_face(case, 5)
    report(case, stop={"may": True})
    page = text_of(alice, case.url())
    assert "In 1 file no face was found." in page
    assert "may have been missed" not in page
