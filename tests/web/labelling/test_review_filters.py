"""Each filter of the review with faces of every kind, each order, and approvals withdrawn in one step."""

import re
from uuid import uuid4

import pytest

from boxes import Box
from database import Database
from store.detection import faces
from store.labelling import approvals
from store.labelling.answers import NewAnswer, record
from store.publishing import plans
from tests.web.browser import Browser
from tests.web.conftest import Cast
from tests.web.publishing.support import Case, make_case, post_json

CONFIRMED, REJECTED, UNSURE, BOOTSTRAP, SENT, MATCH, LIKELY, OPEN, NO_MATCH, BULK, NOT_FACE, DRAWN = range(12)


@pytest.fixture
def case(database: Database, cast: Cast) -> Case:
    """A file with one face for each kind."""
    found = make_case(database, cast.project_id, {"Alice": cast.alice.id, "Bob": cast.bob.id}, 12)
    for place, answer in ((CONFIRMED, "target"), (REJECTED, "other"), (UNSURE, "unsure"), (SENT, "target")):
        found.record_answer(place, answer)
    found.record_answer(NOT_FACE, "not_face")
    found.state(BOOTSTRAP)
    found.predict(
        (MATCH, "match", 0.9),
        (LIKELY, "match", 0.95),
        (BULK, "match", 0.99),
        (OPEN, "unsure", 0.5),
        (NO_MATCH, "no_match", 0.02),
        (BOOTSTRAP, "unsure", 0.7),
    )
    with database.transaction() as db:
        page = found.page(DRAWN)
        box = Box(0.5, 0.5, 0.2, 0.2)
        drawn = faces.draw(db, found.project_id, page, cast.alice.id, box, replaces=found.face(DRAWN), sha1=None)
        found.faces[page] = [drawn]
        given = NewAnswer(str(uuid4()), str(uuid4()), page, drawn, "target", reason="drawn")
        record(db, found.project_id, cast.alice.id, [given])
        approvals.approve_bulk(db, found.project_id, cast.bob.id, [found.face(BULK)])
        plans.send(db, found.project_id, cast.alice.id)
        db.execute("UPDATE edits SET state = 'done' WHERE page_id = %s", (found.page(SENT),))
    return found


def places(case: Case, page: str) -> list[int]:
    by_face = {listed[0]: place for place, listed in enumerate(case.faces.values())}
    return [by_face[int(face)] for face in re.findall(r'<li class="face [^"]*" data-face="(\d+)"', page)]


@pytest.mark.parametrize(
    ("show", "sort", "expected"),
    [
        ("matches", "certainty", [LIKELY, MATCH]),
        ("matches", "doubt", [MATCH, LIKELY]),
        ("matches", "similarity", [LIKELY, MATCH]),
        ("matches", "newest", [LIKELY, MATCH]),
        ("approved", "newest", [BULK]),
        ("confirmed", "newest", [DRAWN, SENT, CONFIRMED]),
        ("unsure", "certainty", [BOOTSTRAP, OPEN, UNSURE]),
        ("unsure", "doubt", [OPEN, BOOTSTRAP, UNSURE]),
        ("unsure", "similarity", [BOOTSTRAP, OPEN, UNSURE]),
        ("non_matches", "certainty", [NO_MATCH]),
        ("rejected", "newest", [NOT_FACE, REJECTED]),
        ("bootstrap", "certainty", [BOOTSTRAP]),
        ("drawn", "newest", [DRAWN]),
        ("stated", "certainty", [BOOTSTRAP]),
        ("waiting", "similarity", [BULK, CONFIRMED, DRAWN]),
    ],
)
def test_filter_lists_its_faces_in_the_requested_order(
    case: Case, alice: Browser, show: str, sort: str, expected: list[int]
):
    page = alice.get(case.url(f"/review?show={show}&sort={sort}")).text
    assert places(case, page) == expected
    count = re.search(rf'show={show}"[^>]*aria-current="page">[^<]*<span class="count num">(\d+)<', page)
    assert count is not None
    assert int(count[1]) == len(expected)


def test_approvals_of_one_step_are_withdrawn_in_one_step(case: Case, alice: Browser):
    step = str(uuid4())
    sent = {"all": 1, "show": "matches", "step": step}
    assert post_json(alice, case.url("/review/approve"), sent)["approved"] == 2
    assert post_json(alice, case.url("/review/withdraw"), {"step": step})["withdrawn"] == 2
    assert case.approved()[case.page(BULK)] == "bulk"  # Approved before, by another user.
    assert case.page(MATCH) not in case.approved()
    assert post_json(alice, case.url("/review/withdraw"), {"step": step})["withdrawn"] == 0


def test_step_of_another_user_cannot_be_withdrawn(case: Case, alice: Browser, bob: Browser):
    step = post_json(alice, case.url("/review/approve"), {"faces": [case.face(MATCH)]})["step"]
    assert post_json(bob, case.url("/review/withdraw"), {"step": step})["withdrawn"] == 0
    assert case.approved()[case.page(MATCH)] == "bulk"


@pytest.mark.parametrize("sent", [{"step": "nonsense"}, {"step": ""}, {"step": 7}, {}])
def test_invalid_step_is_refused(case: Case, alice: Browser, sent: dict[str, object]):
    assert alice.send(case.url("/review/withdraw"), sent).status_code == 400
