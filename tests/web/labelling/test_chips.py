"""The small pictures of faces beside the rows of lists, and access to them."""

import re

import pytest

from database import Database
from store.accounts import users
from store.publishing import edits, plans
from tests.web.browser import JSON, Browser
from tests.web.conftest import Cast
from tests.web.publishing.support import Case, make_case
from tests.web.routes import UUID
from web.labelling.chips import KEEP


@pytest.fixture
def case(database: Database, cast: Cast) -> Case:
    """Two confirmed files that are about to be sent; the picture of the second face was deleted."""
    found = make_case(database, cast.project_id, {"Alice": cast.alice.id}, 2)
    for place in (0, 1):
        found.record_answer(place, "target")
    found.execute("DELETE FROM face_chips WHERE face_id = %s", found.face(1))
    with database.transaction() as db:
        plans.send(db, found.project_id, cast.alice.id)
    return found


def pictures(page: str) -> list[str]:
    return re.findall(r'<img [^>]*src="(/chip/[^"]+)"', page)


def batch(case: Case) -> str:
    return case.url(f"/batches/{case.value('SELECT id FROM batches')}")


def test_batch_shows_the_face_of_each_edit_whose_picture_is_stored(case: Case, alice: Browser, charlie: Browser):
    (address,) = pictures(alice.get(batch(case)).text)
    assert f"/{case.face(0)}.jpg?v=" in address
    assert alice.client.get(address).mimetype == "image/jpeg"
    assert charlie.client.get(address).status_code in {403, 404}


def test_edit_that_is_sent_again_is_marked(case: Case, alice: Browser, database: Database):
    case.execute("UPDATE edits SET state = 'reverted' WHERE page_id = %s", case.page(0))
    with database.transaction() as db:
        plans.send_again(db, case.project_id, [case.page(0)])
        assert edits.of_batch(db, case.value("SELECT id FROM batches"), ["undone"], 1, 0)
    assert "a human then asked for it to be sent once more" in alice.get(batch(case)).text


def test_dashboard_shows_the_portrait_or_else_an_initial(case: Case, alice: Browser):
    assert pictures(alice.get("/projects").text) == []
    for place, expected in ((0, 1), (1, 0)):
        case.execute("UPDATE projects SET portrait_page_id = %s", case.page(place))
        page = alice.get("/projects").text
        assert len(pictures(page)) == expected
        assert ("avatar letter" in page) == (expected == 0)


def test_browser_may_cache_a_picture_while_its_address_is_the_same(case: Case, alice: Browser):
    address = f"/chip/{case.project_id}/{case.face(0)}.jpg"
    for path, expected in (
        (f"{address}?v=1", f"private, max-age={KEEP}, immutable"),
        (address, "private, max-age=60"),
    ):
        first = alice.client.get(path)
        assert first.headers["Cache-Control"] == expected
        assert "Set-Cookie" not in first.headers
        again = alice.client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
    missing = alice.client.get(f"/chip/{case.project_id}/{case.face(1)}.jpg?v=1")
    assert (missing.status_code, "immutable" in missing.headers["Cache-Control"]) == (404, False)


@pytest.mark.parametrize("how", ["ended", "deleted"])
def test_requests_of_scripts_and_pictures_recognise_an_expired_session(
    case: Case, alice: Browser, cast: Cast, database: Database, how: str
):
    token = alice.token()
    step = {"client_id": UUID, "page": case.page(1), "face": case.face(1), "answer": "other"}
    body = {"steps": [{"step": UUID, "answers": [step]}]}
    before = case.value("SELECT COUNT(*) FROM answers")
    with database.transaction() as db:
        if how == "ended":
            users.sign_out_everywhere(db, cast.alice.id)
        else:
            db.execute("DELETE FROM users WHERE id = %s", (cast.alice.id,))
    posted = alice.client.post(case.url("/answers"), json=body, headers=JSON | {"X-CSRFToken": token})
    assert posted.status_code == 401
    assert case.value("SELECT COUNT(*) FROM answers") == before
    assert "user" not in alice.session()
    for path in (f"/chip/{case.project_id}/{case.face(0)}.jpg", case.url("/questions.json")):
        with alice.client.session_transaction() as session:
            session["user"], session["epoch"] = cast.alice.id, cast.alice.session_epoch
        assert alice.client.get(path, headers=JSON).status_code == 401, path
        assert "user" not in alice.session()
