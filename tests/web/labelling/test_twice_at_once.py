"""Each request that saves something, sent twice at once: a reload, or a Wi-Fi that changes while it is under way.

The two requests overlap in every round (`at_once`); each round is about rows of its own.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from database import Database
from tests.web.browser import HTML, JSON, Browser
from tests.web.conftest import Cast
from tests.web.publishing.support import Case, make_case
from tests.web.statements import at_once

ROUNDS = 50


@pytest.fixture
def case(database: Database, cast: Cast) -> Case:
    """A file for each round, with one face that is a match."""
    found = make_case(database, cast.project_id, {"Alice": cast.alice.id, "Bob": cast.bob.id}, ROUNDS)
    found.predict(*((place, "match", 0.9) for place in range(ROUNDS)))
    return found


class Twice:
    """Sends the same request of one user twice at once, from two browsers."""

    def __init__(self, browser: Browser, second: Browser) -> None:
        self._browsers = [browser, second]
        self._tokens = [browser.token(), second.token()]

    def json(self, url: str, body: dict[str, Any]) -> list[Any]:
        """Send JSON as scripts do, and return the JSON of both responses."""

        def request(place: int) -> Callable[[], TestResponse]:
            headers = JSON | {"X-CSRFToken": self._tokens[place]}
            return lambda: self._browsers[place].client.post(url, json=body, headers=headers)

        responses = at_once(request(0), request(1))
        assert [response.status_code for response in responses] == [200, 200], [one.text for one in responses]
        return [response.json for response in responses]

    def form(self, url: str, body: dict[str, Any]) -> list[TestResponse]:
        """Submit a form, and return both responses, which are redirects."""

        def request(place: int) -> Callable[[], TestResponse]:
            data = {"csrf_token": self._tokens[place], **body}
            return lambda: self._browsers[place].client.post(url, data=data, headers=HTML)

        responses = at_once(request(0), request(1))
        assert [response.status_code for response in responses] == [303, 303], [one.text for one in responses]
        assert responses[0].location == responses[1].location
        return responses


@pytest.fixture
def twice(alice: Browser, cast: Cast) -> Twice:
    return Twice(alice, Browser(alice.client.application, cast.alice))


def count(case: Case, what: str, *args: object) -> int:
    with case.database.transaction() as db:
        return int(db.value(f"SELECT COUNT(*) FROM {what}", args))


def ids() -> dict[str, str]:
    return {"step": str(uuid4()), "client_id": str(uuid4())}


def test_step_sent_twice_at_once_is_saved_for_both(case: Case, twice: Twice):
    for place in range(ROUNDS):
        new = ids()
        answers = [
            {"client_id": new["client_id"], "page": case.page(place), "face": case.face(place), "answer": "target"}
        ]
        sent = twice.json(case.url("/answers"), {"steps": [{"step": new["step"], "answers": answers}]})
        results = [one["results"][0] for one in sent]
        assert sorted(result["status"] for result in results) == ["repeated", "saved"]
        assert {result["text"] for result in results} == {""}
    assert count(case, "answers") == ROUNDS
    assert count(case, "user_stats WHERE answers = %s AND matches = %s", ROUNDS, ROUNDS) == 1


def test_answer_in_the_form_sent_twice_at_once_is_stored_once(case: Case, twice: Twice):
    for place in range(ROUNDS):
        body = {"step": str(uuid4()), "face": case.face(place), "page": case.page(place), "answer": "other"}
        twice.form(case.url("/classify"), body)
    assert count(case, "answers") == ROUNDS


def test_answer_about_a_file_sent_twice_at_once_is_stored_once(case: Case, twice: Twice):
    for place in range(ROUNDS):
        twice.form(case.url("/files"), {"step": str(uuid4()), "page": case.page(place), "answer": "shown"})
    assert count(case, "answers") == ROUNDS


def test_file_sent_twice_at_once_to_be_searched_again_waits_once(case: Case, twice: Twice):
    for place in range(ROUNDS):
        twice.form(case.url("/files"), {"page": case.page(place), "answer": "again"})


def test_box_sent_twice_at_once_makes_one_face(case: Case, twice: Twice):
    for place in range(ROUNDS):
        results = twice.json(case.url("/boxes"), {**ids(), "page": case.page(place), "box": [0.1, 0.1, 0.2, 0.2]})
        assert sorted(result["status"] for result in results) == ["repeated", "saved"]
        assert results[0]["face"] == results[1]["face"]
    assert count(case, "faces WHERE project_id IS NOT NULL") == count(case, "answers") == ROUNDS


def test_box_in_the_form_sent_twice_at_once_makes_one_face(case: Case, twice: Twice):
    for place in range(ROUNDS):
        box = {"left": "10", "top": "10", "width": "20", "height": "20"}
        twice.form(case.url(f"/files/{case.page(place)}/draw"), {**ids(), **box})
    assert count(case, "faces WHERE project_id IS NOT NULL") == count(case, "answers") == ROUNDS


def test_box_of_an_answer_that_is_stored_makes_no_face_without_an_answer(case: Case, alice: Browser):
    new, box = ids(), {"page": case.page(0), "box": [0.1, 0.1, 0.2, 0.2]}
    first = alice.send(case.url("/boxes"), {**new, **box})
    again = alice.send(case.url("/boxes"), {**new, **box, "step": str(uuid4())})
    assert first.json is not None
    assert again.json is not None
    assert (again.json["status"], again.json["face"]) == ("repeated", first.json["face"])
    assert count(case, "faces WHERE project_id IS NOT NULL") == 1


@pytest.mark.parametrize("action", ["reject", "not_face", "confirm"])
def test_faces_answered_twice_at_once_are_answered_once(case: Case, twice: Twice, action: str):
    key = "confirmed" if action == "confirm" else "rejected"
    path = f"/review/{action.replace('_', '-')}"
    for place in range(ROUNDS):
        body = {"faces": [case.face(place)], "step": str(uuid4())}
        assert [result[key] for result in twice.json(case.url(path), body)] == [1, 1]
    assert count(case, "answers") == ROUNDS


def test_approval_sent_twice_at_once_is_stored_once_and_withdrawn_by_both(case: Case, twice: Twice):
    for place in range(ROUNDS):
        body = {"faces": [case.face(place)], "step": str(uuid4())}
        twice.json(case.url("/review/approve"), body)
        assert count(case, "approvals WHERE step = %s", body["step"]) == 1
        undone = {"step": body["step"]} if place % 2 else {"faces": body["faces"]}
        twice.json(case.url("/review/withdraw"), undone)
    assert count(case, "approvals") == 0


def test_prominent_sent_twice_at_once_is_set(case: Case, twice: Twice):
    twice.json(case.url("/review/approve"), {"faces": [case.face(place) for place in range(ROUNDS)]})
    for place in range(ROUNDS):
        twice.json(case.url("/review/prominent"), {"faces": [case.face(place)], "on": 1})
    assert count(case, "approvals WHERE prominent") == ROUNDS


def answer_all(case: Case) -> None:
    for place in range(ROUNDS):
        case.record_answer(place, "target")


def test_step_undone_twice_at_once_is_withdrawn_alone(case: Case, twice: Twice):
    answer_all(case)
    for place in range(ROUNDS):
        with case.database.transaction() as db:
            step = str(uuid4())
            db.execute("UPDATE answers SET step = %s WHERE page_id = %s", (step, case.page(place)))
        results = twice.json(case.url("/undo"), {"step": step})
        assert sorted(result["withdrawn"] for result in results) == [0, 1]
        assert count(case, "answers WHERE withdrawn_at IS NULL") == ROUNDS - place - 1


def test_newest_step_undone_twice_at_once_is_withdrawn_alone_and_told_to_both(case: Case, twice: Twice):
    answer_all(case)
    for place in range(ROUNDS - 1):
        if place % 2:
            assert [result["withdrawn"] for result in twice.json(case.url("/undo"), {})] == [1, 1]
        else:
            twice.form(case.url("/undo"), {})
        assert count(case, "answers WHERE withdrawn_at IS NULL") == ROUNDS - place - 1


def test_skips_cleared_twice_at_once_are_cleared(case: Case, twice: Twice):
    for place in range(ROUNDS):
        case.record_answer(place, "skip")
        twice.form(case.url("/skips"), {})
    assert count(case, "answers WHERE withdrawn_at IS NULL") == 0
