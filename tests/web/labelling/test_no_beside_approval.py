"""A "No" and a bulk approval at the same moment: the "No" counts, whichever of the two requests is first."""

import threading
from collections.abc import Callable
from uuid import uuid4

import pytest

from database import Database
from store.publishing import plans
from testing.waiting import joined, until
from tests.web.browser import Browser
from tests.web.conftest import Cast
from tests.web.publishing.support import Case, make_case, post_json

ROUNDS = 50
LOCK_WAITS = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"


@pytest.fixture
def case(database: Database, cast: Cast) -> Case:
    """Matches, one in each file."""
    found = make_case(database, cast.project_id, {"Alice": cast.alice.id, "Bob": cast.bob.id}, ROUNDS)
    found.predict(*((place, "match", 0.99) for place in range(ROUNDS)))
    return found


def started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def approve(case: Case, browser: Browser, place: int) -> None:
    post_json(browser, case.url("/review/approve"), {"faces": [case.face(place)]})


def refuse(case: Case, browser: Browser, place: int) -> None:
    assert post_json(browser, case.url("/review/reject"), {"faces": [case.face(place)]})["rejected"] == 1


def refuse_file(case: Case, browser: Browser, place: int) -> None:
    sent = {"page": case.page(place), "answer": "not_shown", "step": str(uuid4()), "sha1": ""}
    assert browser.post(case.url("/files"), **sent).status_code == 303


def waiting(case: Case, requests: int) -> bool:
    return int(case.value(LOCK_WAITS)) >= requests


@pytest.mark.parametrize("no", [refuse, refuse_file])
def test_no_counts_that_is_given_while_an_approval_is_being_stored(
    case: Case, alice: Browser, bob: Browser, no: Callable[[Case, Browser, int], None]
):
    """Another transaction holds the row of the approval, so that the approval has read and not yet written."""
    with case.database.transaction() as db:
        db.execute(
            "INSERT INTO approvals (project_id, page_id, face_id, user_id, kind) VALUES (%s, %s, %s, 1, 'bulk')",
            (case.project_id, case.page(0), case.face(0)),
        )
        approval = started(lambda: approve(case, alice, 0))
        until(lambda: waiting(case, 1), "the approval does not wait for the row")
        answer = started(lambda: no(case, bob, 0))
        until(lambda: not answer.is_alive() or waiting(case, 2), "the answer neither waits nor is stored")
        db.execute("DELETE FROM approvals WHERE project_id = %s", (case.project_id,))
    joined([approval, answer])
    assert case.approved() == {}
    with case.database.transaction() as db:
        assert plans.send(db, case.project_id, case.users["Alice"]) is None


def test_no_counts_that_is_given_at_the_same_moment_as_an_approval(case: Case, alice: Browser, bob: Browser):
    for place in range(ROUNDS):
        barrier = threading.Barrier(2)

        def at_once(work: Callable[[Case, Browser, int], None], browser: Browser, place: int = place) -> None:
            barrier.wait()  # noqa: B023
            work(case, browser, place)

        joined([started(lambda: at_once(approve, alice)), started(lambda: at_once(refuse, bob))])
    assert case.approved() == {}
    assert case.value("SELECT COUNT(*) FROM labels WHERE label = 'other' AND source = 'human'") == ROUNDS
