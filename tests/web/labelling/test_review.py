"""The review: the faces of each filter, permitted actions, and the distinction between answers and predictions."""

import re
from typing import Any

import pytest

from boxes import Box
from database import Database
from store.detection import faces
from store.labelling import approvals, review
from store.labelling.review import Place
from store.publishing import plans
from tests.web.browser import Browser
from tests.web.conftest import Cast
from tests.web.publishing.support import Case, json_of, make_case, post_json


@pytest.fixture
def case(database: Database, cast: Cast) -> Case:
    """Files: confirmed, rejected, unsure by Alice; 3 and 4 from Commons; matches 5, 6, 7; then unsure and no match."""
    users = {"Alice": cast.alice.id, "Bob": cast.bob.id}
    found = make_case(database, cast.project_id, users, 10)
    for place, answer in enumerate(("target", "other", "unsure")):
        found.record_answer(place, answer)
    found.state(3, 4)
    found.predict(
        (3, "match", 0.8),
        (4, "no_match", 0.01),
        (5, "match", 0.99),
        (6, "match", 0.95),
        (7, "match", 0.9),
        (8, "unsure", 0.5),
        (9, "no_match", 0.02),
    )
    return found


def places(case: Case, page: str) -> list[int]:
    """Return the places of the faces on a page, in the order of the page."""
    by_face = {listed[0]: place for place, listed in enumerate(case.faces.values())}
    return [by_face[int(face)] for face in re.findall(r'<li class="face [^"]*" data-face="(\d+)"', page)]


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        ("matches", [5, 6, 7, 3]),
        ("approved", []),
        ("confirmed", [0]),
        ("unsure", [8, 2]),
        ("non_matches", [9, 4]),
        ("rejected", [1]),
        ("bootstrap", [3, 4]),
        ("drawn", []),
        ("stated", [3, 4]),
        ("waiting", [0]),
    ],
)
def test_filter_lists_and_counts_its_faces(case: Case, alice: Browser, show: str, expected: list[int]):
    page = alice.get(case.url(f"/review?show={show}")).text
    assert places(case, page) == expected
    current = re.search(
        r'aria-current="page">[^<]*<span class="count num">(\d+)<', page.partition('class="filters"')[2]
    )
    assert current is not None
    assert int(current[1]) == len(expected)


@pytest.mark.parametrize(
    ("sort", "expected"), [("doubt", [3, 7, 6, 5]), ("similarity", [5, 6, 7, 3]), ("newest", [7, 6, 5, 3])]
)
def test_matches_can_be_sorted(case: Case, alice: Browser, sort: str, expected: list[int]):
    assert places(case, alice.get(case.url(f"/review?sort={sort}")).text) == expected


def test_page_number_beyond_the_end_shows_the_last_page(case: Case, alice: Browser):
    page = alice.get(case.url("/review?show=matches&page=77")).text
    assert places(case, page) == [5, 6, 7, 3]


def test_suggestions_and_answers_have_different_texts_icons_and_outlines(case: Case, alice: Browser):
    suggested = alice.get(case.url("/review?show=matches")).text
    confirmed = alice.get(case.url("/review?show=confirmed")).text
    assert ("face match" in suggested, "suggested" in suggested, "confirmed by" in suggested) == (True, True, False)
    assert ("face yes" in confirmed, "confirmed by Alice" in confirmed) == (True, True)


def test_face_with_a_corrected_box_is_listed_once(case: Case, alice: Browser, database: Database):
    with database.transaction() as db:
        drawn = faces.draw(
            db,
            case.project_id,
            case.page(5),
            case.users["Alice"],
            Box(0.3, 0.1, 0.2, 0.3),
            replaces=case.face(5),
            sha1=None,
        )
        assert [face.face_id for face in review.faces(db, case.project_id, [case.face(5), drawn])] == [drawn]
        assert review.counts(db, case.project_id).faces["drawn"] == 1
    listed = everything(alice, case)
    assert drawn in {face["face"] for face in listed}
    assert case.face(5) not in {face["face"] for face in listed}


def everything(browser: Browser, case: Case) -> list[dict[str, Any]]:
    found: dict[str, Any] = json_of(browser.get(case.url("/review.json")))
    return list(found["faces"])


def test_json_lists_all_faces(case: Case, alice: Browser):
    found = everything(alice, case)
    assert [face["face"] for face in found] == [listed[0] for listed in case.faces.values()]
    first, bootstrapped, suggested = found[0], found[3], found[5]
    assert (first["label"], first["source"], first["approved"]) == ("target", "human", "alone")
    assert (bootstrapped["label"], bootstrapped["source"]) == ("target", "bootstrap")
    assert (suggested["label"], suggested["suggestion"], suggested["approved"]) == (None, "match", None)
    assert suggested["probability"] == pytest.approx(0.99)


def test_json_list_continues_after_a_face(case: Case, alice: Browser):
    after = f"{case.page(6)},{case.face(6)}"
    rest = json_of(alice.get(case.url(f"/review.json?after={after}")))
    assert [face["face"] for face in rest["faces"]] == [case.face(place) for place in (7, 8, 9)]
    assert rest["next"] is None


@pytest.mark.parametrize("size", [1, 4, 100])
def test_long_json_list_is_paginated(case: Case, database: Database, size: int):
    seen: list[int] = []
    after: Place | None = Place(0, 0)
    with database.transaction() as db:
        while after is not None:
            part, after = review.everything(db, case.project_id, after, size)
            assert len(part) <= size
            seen += [face["face"] for face in part]
    assert seen == [listed[0] for listed in case.faces.values()]


def test_json_list_continues_after_files_without_a_face(case: Case, database: Database):
    with database.transaction() as db:
        db.execute("DELETE FROM faces WHERE page_id IN (%s, %s)", (case.page(2), case.page(3)))
        part, after = review.everything(db, case.project_id, Place(case.page(1), case.face(1)), 2)
        assert part == []
        assert after == Place(case.page(3), 0)
        part, _ = review.everything(db, case.project_id, after, 2)
    assert [face["face"] for face in part] == [case.face(4), case.face(5)]


def test_bulk_approval_allows_publishing_but_does_not_train(case: Case, alice: Browser):
    answer = alice.send(case.url("/review/approve"), {"faces": [case.face(5), case.face(6)]})
    assert json_of(answer)["approved"] == 2
    assert case.approved() == {case.page(0): "alone", case.page(5): "bulk", case.page(6): "bulk"}
    assert case.value("SELECT COUNT(*) FROM labels WHERE face_id = %s", case.face(5)) == 0


def test_repeated_approval_changes_nothing(case: Case, alice: Browser):
    for expected in (1, 0):
        answer = alice.send(case.url("/review/approve"), {"faces": [case.face(5)]})
        assert json_of(answer)["approved"] == expected


def test_all_matches_can_be_approved(case: Case, alice: Browser):
    assert post_json(alice, case.url("/review/approve"), {"all": 1, "show": "matches"})["approved"] == 4
    assert {case.approved()[case.page(place)] for place in (3, 5, 6, 7)} == {"bulk"}
    assert places(case, alice.get(case.url("/review")).text) == []


def test_only_matches_can_be_approved_all_at_once(case: Case, alice: Browser):
    answer = alice.send(case.url("/review/approve"), {"all": 1, "show": "non_matches"})
    assert answer.status_code == 400
    assert len(case.approved()) == 1


def test_page_states_the_expected_number_of_wrong_matches(case: Case, alice: Browser):
    page = alice.get(case.url("/review")).text
    assert "about 0.4" in page  # 0.01 + 0.05 + 0.1 + 0.2


def test_approving_all_is_refused_if_the_number_of_matches_changed(case: Case, alice: Browser):
    wanted = {"all": 1, "show": "matches", "count": 4, "run": 0}
    case.execute("UPDATE projects SET model_run = 2")
    case.predict((5, "match", 0.99))
    answer = alice.send(case.url("/review/approve"), wanted)
    assert answer.status_code == 409
    assert len(case.approved()) == 1


def test_face_rejected_by_a_human_is_never_approved_in_bulk(case: Case, alice: Browser):
    answer = alice.send(case.url("/review/approve"), {"faces": [case.face(1)]})
    assert json_of(answer)["approved"] == 0
    assert case.page(1) not in case.approved()


def test_file_searched_again_after_the_page_was_made_is_not_approved(case: Case, alice: Browser):
    seen = re.search(r'data-seen="([^"]+)"', alice.get(case.url("/review")).text)
    assert seen is not None
    case.execute("UPDATE files SET searched_at = NOW() + INTERVAL 1 MINUTE WHERE page_id = %s", case.page(5))
    faces = [case.face(5), case.face(6)]
    assert post_json(alice, case.url("/review/approve"), {"faces": faces, "seen": seen[1]})["approved"] == 1
    assert post_json(alice, case.url("/review/reject"), {"faces": faces, "seen": seen[1]})["rejected"] == 1


def test_withdrawing_approvals_cancels_waiting_edits(case: Case, alice: Browser, database: Database):
    alice.send(case.url("/review/approve"), {"faces": [case.face(5), case.face(6)]})
    with database.transaction() as db:
        plans.send(db, case.project_id, case.users["Alice"])
    answer = alice.send(case.url("/review/withdraw"), {"faces": [case.face(5), case.face(0)]})
    assert json_of(answer)["withdrawn"] == 1
    assert case.approved() == {case.page(0): "alone", case.page(6): "bulk"}
    states = "SELECT GROUP_CONCAT(state ORDER BY page_id) FROM edits"
    assert case.value(states) == "queued,cancelled,queued"


def test_rejection_is_one_step_that_can_be_undone(case: Case, alice: Browser):
    answer = alice.send(case.url("/review/reject"), {"faces": [case.face(5), case.face(6)]})
    assert json_of(answer)["rejected"] == 2
    rejected = "SELECT COUNT(*) FROM labels WHERE source = 'human' AND label = 'other'"
    assert case.value(rejected) == 3
    undone = alice.send(case.url("/undo"), {"step": json_of(answer)["step"]})
    assert json_of(undone)["withdrawn"] == 2
    assert case.value(rejected) == 1


def test_repeated_rejection_with_the_same_step_is_stored_once(case: Case, alice: Browser):
    step = "12345678-1234-4234-8234-123456789012"
    for _ in range(2):
        assert alice.send(case.url("/review/reject"), {"faces": [case.face(5)], "step": step}).status_code == 200
    assert case.value("SELECT COUNT(*) FROM answers WHERE face_id = %s", case.face(5)) == 1


def test_rejected_face_can_be_confirmed(case: Case, alice: Browser):
    assert post_json(alice, case.url("/review/confirm"), {"faces": [case.face(1)]})["confirmed"] == 1
    assert case.approved()[case.page(1)] == "alone"


def test_face_can_be_marked_as_not_a_face(case: Case, alice: Browser):
    alice.send(case.url("/review/not-face"), {"faces": [case.face(9)]})
    assert case.value("SELECT label FROM labels WHERE face_id = %s", case.face(9)) == "not_face"


def test_prominent_rank_can_be_set_and_unset(case: Case, alice: Browser):
    prominent = "SELECT prominent FROM approvals WHERE page_id = %s"
    for on in (1, 0):
        answer = alice.send(case.url("/review/prominent"), {"faces": [case.face(0)], "on": on})
        assert json_of(answer)["changed"] == 1
        assert case.value(prominent, case.page(0)) == on


def test_form_buttons_redirect_to_the_same_page(case: Case, alice: Browser):
    here = case.url("/review?show=matches&sort=doubt&page=1")
    answer = alice.post(case.url("/review/approve"), faces=[str(case.face(5)), str(case.face(6))], next=here)
    assert (answer.status_code, answer.location) == (303, here)
    assert "2 matches approved." in alice.get(here).text
    assert len(case.approved()) == 3


@pytest.mark.parametrize("name", ["approve", "withdraw", "reject", "confirm", "not-face", "prominent"])
@pytest.mark.parametrize("sent", [{}, {"faces": []}, {"faces": ["x"]}, {"faces": [-1]}, {"faces": {}}, {"faces": True}])
def test_request_without_valid_faces_is_refused_and_changes_nothing(case: Case, alice: Browser, name: str, sent: Any):
    before = case.value("SELECT COUNT(*) FROM answers"), case.approved()
    answer = alice.send(case.url(f"/review/{name}"), sent)
    assert answer.status_code == 400
    assert json_of(answer)["text"]
    assert (case.value("SELECT COUNT(*) FROM answers"), case.approved()) == before


def test_faces_of_other_projects_are_ignored(case: Case, alice: Browser):
    assert post_json(alice, case.url("/review/approve"), {"faces": [999_999]})["approved"] == 0
    assert post_json(alice, case.url("/review/reject"), {"faces": [999_999]})["rejected"] == 0


def test_request_with_too_many_faces_is_refused(case: Case, alice: Browser):
    assert alice.send(case.url("/review/approve"), {"faces": list(range(1, 1002))}).status_code == 400
    assert alice.send(case.url("/review/reject"), {"faces": list(range(1, 400))}).status_code == 400


def test_a_labeller_may_approve(case: Case, bob: Browser):
    assert post_json(bob, case.url("/review/approve"), {"faces": [case.face(5)]})["approved"] == 1


def test_review_is_not_found_for_a_user_who_is_not_a_member(case: Case, charlie: Browser):
    assert charlie.get(case.url("/review")).status_code == 404
    assert charlie.get(case.url(f"/review/faces/{case.face(5)}")).status_code == 404
    for name in ("approve", "reject", "withdraw", "prominent", "confirm", "not-face"):
        assert charlie.send(case.url(f"/review/{name}"), {"faces": [case.face(5)]}).status_code == 404
    assert len(case.approved()) == 1


def test_page_of_one_face_shows_its_picture(case: Case, alice: Browser):
    page = alice.get(case.url(f"/review/faces/{case.face(1)}")).text
    assert "rejected by Alice" in page
    assert f"/files/{case.page(1)}/draw" in page
    assert alice.get(case.url("/review/faces/999999")).status_code == 404


def test_face_of_an_overwritten_file_is_to_be_reviewed_again(case: Case, alice: Browser, database: Database):
    case.execute("UPDATE labels SET suspended = 1 WHERE face_id = %s", case.face(0))
    case.execute("UPDATE approvals SET suspended = 1 WHERE page_id = %s", case.page(0))
    page = alice.get(case.url("/review?show=unsure")).text
    assert 0 in places(case, page)
    assert "overwritten since" in page
    assert places(case, alice.get(case.url("/review?show=confirmed")).text) == []


def test_approval_of_a_file_with_two_matches_is_for_the_likelier_face(database: Database, cast: Cast, alice: Browser):
    case = make_case(database, cast.project_id, {"Alice": cast.alice.id}, 1, each=2)
    first, second = case.faces[case.page(0)]
    rows = [(first, 0.97), (second, 0.99)]
    for face, chance in rows:
        case.execute(
            "INSERT INTO predictions VALUES (%s, %s, %s, 0.4, %s, 'match', 1)",
            case.project_id,
            face,
            case.page(0),
            chance,
        )
    assert post_json(alice, case.url("/review/approve"), {"all": 1, "show": "matches"})["approved"] == 1
    assert case.value("SELECT face_id FROM approvals") == second


def test_review_pages_need_few_queries(case: Case, alice: Browser, database: Database):
    with database.transaction() as db:
        approvals.approve_bulk(db, case.project_id, case.users["Alice"], [case.face(5)])
    for path in ("/review", "/review/grid?show=waiting", "/review.json"):
        before = questions(case)
        alice.get(case.url(path))
        assert questions(case) - before <= 11, path  # One of them is the query that counts.


def questions(case: Case) -> int:
    with case.database.transaction() as db:
        row = db.row("SHOW GLOBAL STATUS LIKE 'Com_select'")
    assert row is not None
    return int(row["Value"])


def all_counted_as_listed(case: Case, last_answer: int) -> None:
    """Counts are read from indices, lists from rows: assert that they agree."""
    with case.database.transaction() as db:
        counted = review.counts(db, case.project_id, review.settled(db, case.project_id, last_answer))
        listed = {show: len(review.ids(db, case.project_id, show, "newest", 1000)) for show in review.SHOWS}
        whole = review.matches(db, case.project_id)
    assert counted.faces == listed
    assert counted.matches.faces == whole.faces
    assert counted.matches.expected_wrong == pytest.approx(whole.expected_wrong, abs=1e-6)


def test_counts_agree_with_lists_while_predictions_are_outdated(case: Case, alice: Browser):
    known = case.value("SELECT MAX(id) FROM answers")
    all_counted_as_listed(case, known)
    alice.send(case.url("/review/approve"), {"faces": [case.face(5)]})
    case.record_answer(6, "other")
    case.record_answer(8, "target")
    all_counted_as_listed(case, known)
    case.execute("UPDATE labels SET suspended = 1 WHERE face_id = %s", case.face(0))
    case.execute(
        "INSERT INTO predictions VALUES (%s, %s, %s, 0.4, 0.97, 'match', 2)",
        case.project_id,
        case.face(0),
        case.page(0),
    )
    all_counted_as_listed(case, known)


def test_counts_agree_where_another_face_of_an_approved_file_is_likelier(
    database: Database, cast: Cast, alice: Browser
):
    case = make_case(database, cast.project_id, {"Alice": cast.alice.id}, 2, each=2)
    for page, (one, two) in case.faces.items():
        for face, chance in ((one, 0.9), (two, 0.95)):
            case.execute(
                "INSERT INTO predictions VALUES (%s, %s, %s, 0.4, %s, 'match', 1)", case.project_id, face, page, chance
            )
    alice.send(case.url("/review/approve"), {"faces": [case.face(0)]})
    all_counted_as_listed(case, 0)
    with case.database.transaction() as db:
        assert review.counts(db, case.project_id).matches.faces == 2
