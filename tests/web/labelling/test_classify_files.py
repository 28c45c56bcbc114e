"""Files without a face: their lists, answers about them, boxes drawn with the form, and invalid input."""

import re
from uuid import uuid4

import pytest
from flask import Flask

from boxes import Box
from config import Settings
from database import Database
from store.accounts.users import User
from store.detection import faces
from store.labelling import question_data
from store.labelling.question_data import Faceless
from testing.file_copies import change_files
from testing.labelling_project import Labelling, fill, nowhere
from tests.web.browser import Browser

COUNT = 30


@pytest.fixture
def labelling(web_settings: Settings, database: Database, app: Flask) -> Labelling:
    """Thirty files; a face was found only in the last one."""
    made = fill(web_settings, database, nowhere(COUNT), COUNT)
    with database.transaction() as db:
        db.execute("DELETE FROM faces WHERE page_id < %s", (5000 + COUNT,))
        change_files(db, "UPDATE files SET face_count = 0 WHERE page_id < %s", (5000 + COUNT,))
    return made


@pytest.fixture
def alice(app: Flask, labelling: Labelling) -> Browser:
    return Browser(app, User(labelling.user_id, "alice", "Alice", None, False, 0, True))


def grid(labelling: Labelling, query: str = "") -> str:
    return f"/projects/{labelling.project_id}/files{query}"


def pages(text: str) -> list[int]:
    return [int(page) for page in re.findall(r'data-page="(\d+)"', text)]


def counts(labelling: Labelling) -> Faceless:
    with labelling.database.transaction() as db:
        return question_data.faceless_counts(db, labelling.project_id)


def answer(alice: Browser, labelling: Labelling, page: int, value: str, step: str = "") -> int:
    form = {"page": str(page), "answer": value, "step": step or str(uuid4()), "sha1": ""}
    return alice.post(grid(labelling), **form).status_code


def test_grid_continues_at_its_position_when_files_leave_it(alice: Browser, labelling: Labelling):
    first = alice.get(grid(labelling)).text
    assert pages(first) == list(range(5001, 5025))
    more = re.search(r'href="([^"]+)" rel="next"', first)
    assert more is not None
    assert [answer(alice, labelling, page, "not_shown") for page in (5003, 5004, 5026)] == [303, 303, 303]
    assert pages(alice.get(more[1].replace("&amp;", "&")).text) == [5025, 5027, 5028, 5029]


def test_each_kind_of_file_has_its_own_list(alice: Browser, labelling: Labelling):
    answer(alice, labelling, 5001, "shown")
    answer(alice, labelling, 5002, "not_shown")
    with labelling.database.transaction() as db:
        change_files(db, "UPDATE files SET state = 'error', error = 'truncated' WHERE page_id IN (5003, 5004)")
    assert counts(labelling) == Faceless(open=25, unread=2, shown=1, not_shown=1)
    assert pages(alice.get(grid(labelling, "?kind=shown")).text) == [5001]
    assert pages(alice.get(grid(labelling, "?kind=not_shown")).text) == [5002]
    unread = alice.get(grid(labelling, "?kind=unread")).text
    assert pages(unread) == [5003, 5004]
    assert unread.count('class="small error"') == 2  # The reason is given in words.
    assert pages(alice.get(grid(labelling, "?kind=nonsense&after=-1")).text)[0] == 5005


def test_repeated_answer_is_stored_once_and_can_be_changed(alice: Browser, labelling: Labelling):
    step = str(uuid4())
    answer(alice, labelling, 5001, "shown", step)
    answer(alice, labelling, 5001, "shown", step)
    with labelling.database.transaction() as db:
        assert db.value("SELECT COUNT(*) FROM answers") == 1
        approved = db.row("SELECT page_id, face_id FROM approvals")
    assert approved == {"page_id": 5001, "face_id": None}
    answer(alice, labelling, 5001, "not_shown")
    assert counts(labelling) == Faceless(open=28, unread=0, shown=0, not_shown=1)


def test_undo_redirects_to_the_grid(alice: Browser, labelling: Labelling):
    answer(alice, labelling, 5001, "shown")
    back = alice.post(f"/projects/{labelling.project_id}/undo", next=grid(labelling, "?kind=shown"))
    assert back.location == grid(labelling, "?kind=shown")
    assert counts(labelling).open == 29


def test_file_whose_faces_were_all_rejected_as_no_face_is_listed(alice: Browser, labelling: Labelling):
    (face,) = labelling.faces[5000 + COUNT]
    step = {"step": str(uuid4()), "answers": []}
    rejection = {"client_id": str(uuid4()), "page": 5000 + COUNT, "face": face, "answer": "not_face"}
    alice.send(f"/projects/{labelling.project_id}/answers", {"steps": [{**step, "answers": [rejection]}]})
    assert counts(labelling).open == 30


def test_unreadable_file_is_searched_again_on_request(alice: Browser, labelling: Labelling):
    with labelling.database.transaction() as db:
        change_files(db, "UPDATE files SET state = 'error', error = 'network' WHERE page_id = 5003")
    assert answer(alice, labelling, 5003, "again") == 303
    assert answer(alice, labelling, 77, "again") == 303  # It is in none of her projects: nothing happens.
    with labelling.database.transaction() as db:
        assert db.column("SELECT page_id FROM files WHERE state = 'waiting'") == [5003]


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"page": "5001", "answer": "target"}, 400),
        ({"page": "x", "answer": "shown"}, 400),
        ({"page": "5001", "answer": "shown", "step": "1"}, 400),
        ({"page": "77", "answer": "shown"}, 404),
    ],
)
def test_malformed_answer_about_a_file_is_refused(
    alice: Browser, labelling: Labelling, form: dict[str, str], status: int
):
    assert alice.post(grid(labelling), **{"step": str(uuid4()), **form}).status_code == status
    assert counts(labelling).open == 29


def box(alice: Browser, labelling: Labelling, page: str = "5001", /, **change: str) -> tuple[int, str]:
    form = {"step": str(uuid4()), "client_id": str(uuid4()), "left": "10", "top": "20", "width": "30", "height": "40.5"}
    answer = alice.post(grid(labelling, f"/{page}/draw"), **{**form, **change})
    return answer.status_code, answer.text


def test_box_in_percent_is_stored_as_an_answer(alice: Browser, labelling: Labelling):
    step = str(uuid4())
    assert box(alice, labelling, step=step)[0] == 303
    assert box(alice, labelling, step=step)[0] == 303
    with labelling.database.transaction() as db:
        seen = faces.of_file(db, labelling.project_id, 5001)
    assert [face.box for face in seen] == [Box(0.1, 0.2, 0.3, 0.405)]
    assert counts(labelling).open == 28
    assert "10,5" not in alice.get(grid(labelling, f"/5001/draw?face={seen[0].id}")).text
    assert box(alice, labelling, replaces=str(seen[0].id), left="10,5")[0] == 303
    with labelling.database.transaction() as db:
        assert [face.box.left for face in faces.of_file(db, labelling.project_id, 5001)] == [0.105]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"left": ""}, "four numbers"),
        ({"left": "nan"}, "cannot be used"),
        ({"width": "0.2"}, "too small"),
        ({"left": "80"}, "outside the picture"),
        ({"replaces": "999"}, "has changed meanwhile"),
    ],
)
def test_impossible_box_is_refused_with_a_reason(
    alice: Browser, labelling: Labelling, change: dict[str, str], words: str
):
    status, text = box(alice, labelling, **change)
    assert (status, words in text) == (400, True)
    assert counts(labelling).open == 29


def test_box_on_a_file_outside_the_project_is_refused(alice: Browser, labelling: Labelling):
    assert box(alice, labelling, "77")[0] == 404
    assert alice.get(grid(labelling, "/77/draw")).status_code == 404


def test_questions_answered_after_the_ranking_are_skipped(database: Database, labelling: Labelling):
    """However many there are: the other faces of the group are first in the ranking."""
    with database.transaction() as db:
        last = labelling.faces[5000 + COUNT][0]
        for place in range(20):
            db.execute(
                """INSERT INTO faces (page_id, box_left, box_top, box_width, box_height, state)
                   VALUES (5001, %s, 0.1, 0.01, 0.1, 'encoded')""",
                (place / 30,),
            )
        crowd = db.column("SELECT id FROM faces WHERE page_id = 5001 ORDER BY id")
        db.execute(
            f"""INSERT INTO labels (project_id, face_id, page_id, label, source) SELECT {labelling.project_id}, id, page_id,
                'other', 'implied' FROM faces WHERE page_id = 5001"""
        )
    labelling.faces[5001] = crowd
    labelling.rank([*crowd, last])
    with database.transaction() as db:
        assert [one.question.face_id for one in question_data.ask(db, labelling.project_id, labelling.user_id, 8)] == [
            last
        ]
