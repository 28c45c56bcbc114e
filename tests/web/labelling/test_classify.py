"""Fetching questions and saving answers: the endpoints of the classify page, and the page without JavaScript."""

import re
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from boxes import Box
from config import Settings
from database import Database
from store.accounts import users
from store.accounts.users import User
from store.detection import depicted_items, faces, files
from store.jobs import tasks
from store.labelling import labels
from store.labelling.predictions import Prediction, Question, replace_questions
from store.projects import projects
from store.projects.projects import NewProject
from testing.labelling_project import Labelling, confirm, fill, nowhere, replace_predictions
from tests.web.browser import JSON, Browser
from tests.web.conftest import sign_up

OTHER_FILE = 9001


@pytest.fixture
def labelling(web_settings: Settings, database: Database, app: Flask) -> Labelling:
    """Twelve files of Alice's project; the fourth, eighth and twelfth have three faces."""
    return fill(web_settings, database, nowhere(12), 12, group_every=4)


def person(labelling: Labelling, name: str) -> User:
    with labelling.database.transaction() as db:
        if name == "Alice":
            found = users.get(db, labelling.user_id)
            assert found is not None
            return found
        user = sign_up(db, name)
        if name == "Bob":
            projects.add_member(db, labelling.project_id, user.id, "labeller")
        return user


@pytest.fixture
def alice(app: Flask, labelling: Labelling) -> Browser:
    return Browser(app, person(labelling, "Alice"))


@pytest.fixture
def bob(app: Flask, labelling: Labelling) -> Browser:
    return Browser(app, person(labelling, "Bob"))


def url(labelling: Labelling, rest: str) -> str:
    return f"/projects/{labelling.project_id}/{rest}"


def read(browser: Browser, address: str) -> dict[str, Any]:
    """Return the JSON at an address."""
    answer = browser.client.get(address, headers=JSON)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return dict(answer.json)


def post(browser: Browser, address: str, body: Any) -> dict[str, Any]:
    answer = browser.send(address, body)
    assert answer.json is not None
    return dict(answer.json)


def fetch_questions(browser: Browser, labelling: Labelling, have: str = "") -> dict[str, Any]:
    return read(browser, url(labelling, f"questions.json?have={have}"))


def answer_to(question: dict[str, Any], answer: str = "target", **more: Any) -> dict[str, Any]:
    return {
        "client_id": str(uuid4()),
        "page": question["page"],
        "face": question["face"],
        "answer": answer,
        "reason": question["reason"],
        "sha1": question["sha1"],
        **more,
    }


def step(*answers: dict[str, Any]) -> dict[str, Any]:
    return {"step": str(uuid4()), "answers": list(answers)}


def save(browser: Browser, labelling: Labelling, *steps: dict[str, Any]) -> list[dict[str, Any]]:
    return list(post(browser, url(labelling, "answers"), {"steps": list(steps)})["results"])


def test_questions_come_in_order_with_all_data_that_is_shown(alice: Browser, labelling: Labelling):
    questions = fetch_questions(alice, labelling)["questions"]
    firsts = [listed[len(listed) // 2] for listed in labelling.faces.values()]
    assert [question["face"] for question in questions] == firsts[:8]
    first, group = questions[0], questions[3]
    assert first["why"] == "Looks most like the faces known so far."
    assert first["age"] == "aged 21"
    assert first["file_url"].endswith("/File:001_Picture_0.jpg")
    assert (first["width"], first["height"]) == (960, 640)
    assert first["faces"][0]["box"] == [0.36, 0.1, 0.26, 0.34]
    assert [face["n"] for face in group["faces"]] == [1, 2, 3]
    left, top, side, _ = map(float, first["crop"].split())
    assert side == pytest.approx(0.26 * 960 * 1.6, abs=0.1)
    assert (left + side / 2, top + side / 2) == pytest.approx((0.49 * 960, 0.27 * 640), abs=0.1)


def test_questions_that_the_script_already_has_are_not_sent_again(alice: Browser, labelling: Labelling):
    first = fetch_questions(alice, labelling)["questions"]
    have = ",".join(str(question["face"]) for question in first)
    second = fetch_questions(alice, labelling, f"{have},nonsense,-1,99999999999999999999")["questions"]
    assert not {q["face"] for q in first} & {q["face"] for q in second}
    assert len(second) == 8  # Four more files, then the other faces of the groups.


def test_similar_faces_are_confirmed_ones(alice: Browser, labelling: Labelling):
    confirmed = confirm(labelling, 4)
    question = fetch_questions(alice, labelling)["questions"][0]
    chips = [int(re.search(r"/(\d+)\.jpg", address)[1]) for address in question["similar"]]  # type: ignore[index]
    assert chips == confirmed[:0:-1]
    picture = alice.get(question["similar"][0])
    assert picture.mimetype == "image/jpeg"
    assert "immutable" in picture.headers["Cache-Control"]
    assert "private" in picture.headers["Cache-Control"]
    assert alice.get(question["similar"][0], headers={"If-None-Match": picture.headers["ETag"]}).status_code == 304


def test_picture_of_a_face_is_served_to_members_only(app: Flask, alice: Browser, labelling: Labelling):
    confirm(labelling, 1)
    address = fetch_questions(alice, labelling)["questions"][0]["similar"][0]
    stranger = Browser(app, person(labelling, "Charlie"))
    assert stranger.get(address).status_code == 404
    assert Browser(app).get(address).status_code == 302


def test_repeated_step_is_saved_once(alice: Browser, labelling: Labelling):
    one, two = fetch_questions(alice, labelling)["questions"][:2]
    steps = step(answer_to(one)), step(answer_to(two, "other", other_item="Q42"))
    assert [result["status"] for result in save(alice, labelling, *steps)] == ["saved", "saved"]
    assert [result["status"] for result in save(alice, labelling, *steps)] == ["repeated", "repeated"]
    assert labelling.standing() == {one["face"]: "target", two["face"]: "other"}
    counts = fetch_questions(alice, labelling)["counts"]
    assert (counts["answered"], counts["confirmed"]) == (2, 1)
    again = alice.client.get(url(labelling, f"classify?file={two['page']}&face={two['face']}"))
    assert "Q42" in again.text


def test_reason_and_sha1_of_the_question_are_stored(alice: Browser, labelling: Labelling):
    question = fetch_questions(alice, labelling)["questions"][0]
    save(alice, labelling, step(answer_to(question)))
    with labelling.database.transaction() as db:
        row = db.row("SELECT reason, sha1 FROM answers")
    assert row == {"reason": "alike", "sha1": question["sha1"]}


def test_confirming_one_face_of_a_group_answers_the_others(alice: Browser, labelling: Labelling):
    group = fetch_questions(alice, labelling)["questions"][3]
    chosen = group["faces"][0]["id"]
    labelling.rank([face["id"] for face in group["faces"]])
    save(alice, labelling, step({**answer_to(group), "face": chosen}))
    assert labelling.standing() == {chosen: "target"}
    assert all(question["page"] != group["page"] for question in fetch_questions(alice, labelling)["questions"])


def test_step_that_cannot_be_saved_does_not_block_the_others(alice: Browser, labelling: Labelling):
    one, two, three = fetch_questions(alice, labelling)["questions"][:3]
    with labelling.database.transaction() as db:
        faces.draw(db, labelling.project_id, one["page"], 1, Box(0.1, 0.1, 0.3, 0.3), replaces=one["face"], sha1=None)
    elsewhere = {**answer_to(two), "page": OTHER_FILE}
    results = save(alice, labelling, step(answer_to(one)), step(elsewhere), step(answer_to(three)))
    assert [result["status"] for result in results] == ["stale", "missing", "saved"]
    assert "drawn anew" in results[0]["text"]
    assert "no longer part of the project" in results[1]["text"]
    assert labelling.standing() == {three["face"]: "target"}


def test_answer_about_a_face_of_another_file_is_refused(alice: Browser, labelling: Labelling):
    one, two = fetch_questions(alice, labelling)["questions"][:2]
    assert save(alice, labelling, step({**answer_to(one), "face": two["face"]}))[0]["status"] == "missing"
    assert labelling.standing() == {}


def test_volunteer_who_answered_differently_is_named(alice: Browser, bob: Browser, labelling: Labelling):
    question = fetch_questions(alice, labelling)["questions"][0]
    assert save(bob, labelling, step(answer_to(question, "other")))[0]["differs"] is None
    assert save(alice, labelling, step(answer_to(question)))[0]["differs"] == "Bob"
    assert labelling.standing() == {question["face"]: "target"}


BAD = {
    "no object": [],
    "no steps": {"steps": []},
    "too many steps": {"steps": [step(answer_to({"page": 1, "face": 1, "reason": None, "sha1": None}))] * 51},
    "no answers": {"steps": [{"step": str(uuid4()), "answers": []}]},
    "no uuid": {"steps": [{"step": "1", "answers": [{}]}]},
}
CHANGES: dict[str, dict[str, Any]] = {
    "an answer that is none": {"answer": "maybe"},
    "a file's answer about a face": {"answer": "shown"},
    "a face that is no number": {"face": "x"},
    "a negative file": {"page": -1},
    "true for a number": {"page": True},
    "an item that is none": {"answer": "other", "other_item": "Q0"},
    "no client id": {"client_id": None},
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_malformed_answer_is_refused(alice: Browser, labelling: Labelling, body: Any):
    assert post(alice, url(labelling, "answers"), body)["error"] == "bad_input"


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_request_with_an_unknown_answer_stores_nothing(alice: Browser, labelling: Labelling, change: dict[str, Any]):
    question = fetch_questions(alice, labelling)["questions"][0]
    body = {"steps": [step({**answer_to(question), **change})]}
    assert post(alice, url(labelling, "answers"), body)["error"] == "bad_input"
    assert labelling.standing() == {}


def test_invalid_reasons_and_hashes_are_not_stored(alice: Browser, labelling: Labelling):
    question = fetch_questions(alice, labelling)["questions"][0]
    save(alice, labelling, step(answer_to(question, reason="<b>", sha1="zz")))
    with labelling.database.transaction() as db:
        assert db.row("SELECT reason, sha1 FROM answers") == {"reason": None, "sha1": question["sha1"]}


def test_undo_withdraws_the_given_steps_or_else_the_newest(alice: Browser, bob: Browser, labelling: Labelling):
    steps = [step(answer_to(question)) for question in fetch_questions(alice, labelling)["questions"][:4]]
    save(alice, labelling, *steps)
    undo = url(labelling, "undo")
    assert post(alice, undo, {"step": steps[1]["step"]}) == {"withdrawn": 1}
    assert post(alice, undo, {"step": steps[1]["step"]}) == {"withdrawn": 0}
    assert post(bob, undo, {"step": steps[0]["step"]}) == {"withdrawn": 0}
    assert post(bob, undo, {}) == {"withdrawn": 0}
    assert [post(alice, undo, {})["withdrawn"] for _ in range(4)] == [1, 1, 1, 0]
    assert labelling.standing() == {}


def test_earlier_steps_are_listed_newest_first(alice: Browser, bob: Browser, labelling: Labelling):
    questions = fetch_questions(alice, labelling)["questions"]
    steps = [step(answer_to(question)) for question in questions]
    save(alice, labelling, *steps)
    found = read(alice, url(labelling, "steps.json"))["steps"]
    assert [one["step"] for one in found] == [one["step"] for one in reversed(steps)]
    assert [one["question"]["face"] for one in found] == [question["face"] for question in reversed(questions)]
    older = read(alice, url(labelling, f"steps.json?before={found[5]['id']}"))["steps"]
    assert [one["step"] for one in older] == [one["step"] for one in found[6:]]
    assert read(bob, url(labelling, "steps.json"))["steps"] == []


def drawing(question: dict[str, Any], *box: float, **more: Any) -> dict[str, Any]:
    ids = {"step": str(uuid4()), "client_id": str(uuid4())}
    return {**ids, "page": question["page"], "box": list(box), "sha1": question["sha1"], "replaces": None, **more}


def test_drawn_box_is_an_answer_and_is_stored_once(alice: Browser, labelling: Labelling):
    question = fetch_questions(alice, labelling)["questions"][0]
    body = drawing(question, 0.1, 0.2, 0.3, 0.4, replaces=question["face"])
    first = post(alice, url(labelling, "boxes"), body)
    assert first["status"] == "saved"
    assert post(alice, url(labelling, "boxes"), body) == {**first, "status": "repeated"}
    with labelling.database.transaction() as db:
        seen = faces.of_file(db, labelling.project_id, question["page"])
        label = db.value("SELECT label FROM labels WHERE face_id = %s", (first["face"],))
    assert [(face.id, face.box) for face in seen] == [(first["face"], Box(0.1, 0.2, 0.3, 0.4))]
    assert label == "target"
    state = read(alice, url(labelling, f"faces/{first['face']}.json"))
    assert state == {"state": "waiting"}
    alice.send(url(labelling, "undo"), {"step": body["step"]})
    with labelling.database.transaction() as db:
        assert [face.id for face in faces.of_file(db, labelling.project_id, question["page"])] == [question["face"]]
    assert read(alice, url(labelling, f"faces/{first['face']}.json")) == {"state": "gone"}


@pytest.mark.parametrize(
    "box", [(0.9, 0.1, 0.2, 0.2), (-0.1, 0.1, 0.2, 0.2), (0.1, 0.1, 0.003, 0.2), (0.1, 0.1, 0.2, 0)]
)
def test_box_that_is_too_small_for_a_face_is_refused_with_a_reason(
    alice: Browser, labelling: Labelling, box: tuple[float, ...]
):
    question = fetch_questions(alice, labelling)["questions"][0]
    answer = post(alice, url(labelling, "boxes"), drawing(question, *box))
    assert answer["status"] == "stale"
    assert "too small" in answer["text"]
    assert labelling.standing() == {}
    with labelling.database.transaction() as db:
        assert db.value("SELECT COUNT(*) FROM faces WHERE project_id IS NOT NULL") == 0


def test_box_of_three_pixels_in_a_small_picture_is_refused(alice: Browser, labelling: Labelling):
    question = fetch_questions(alice, labelling)["questions"][0]
    with labelling.database.transaction() as db:
        db.execute("UPDATE files SET width = 300, height = 200, searched_width = 300, searched_height = 200")
    three = post(alice, url(labelling, "boxes"), drawing(question, 0.1, 0.1, 3 / 300, 0.2))
    assert (three["status"], "too small" in three["text"]) == ("stale", True)
    assert post(alice, url(labelling, "boxes"), drawing(question, 0.1, 0.1, 7 / 300, 0.2))["status"] == "saved"


def test_answer_about_a_face_drawn_in_another_project_is_refused(alice: Browser, labelling: Labelling):
    question = fetch_questions(alice, labelling)["questions"][0]
    with labelling.database.transaction() as db:
        stranger = sign_up(db, "Charlie")
        elsewhere = projects.create(db, stranger.id, NewProject("Q7", "Somebody else", "Elsewhere"))
        files.add_to_project(db, elsewhere, [(question["page"], question["title"])], "source", 10)
        box = Box(0.1, 0.1, 0.3, 0.3)
        drawn = faces.draw(db, elsewhere, question["page"], stranger.id, box, replaces=None, sha1=None)
    result = save(alice, labelling, step({**answer_to(question), "face": drawn}))[0]
    assert (result["status"], result["text"] != "") == ("missing", True)
    assert labelling.standing() == {}


@pytest.mark.parametrize("box", [[0.1, 0.1, 0.1], ["0", 0, 0, 0], None, [0.1, 0.1, 0.2, 1e400]])
def test_malformed_box_is_refused(alice: Browser, labelling: Labelling, box: Any):
    question = fetch_questions(alice, labelling)["questions"][0]
    answer = alice.send(url(labelling, "boxes"), {**drawing(question), "box": box})
    assert answer.status_code == 400


def test_skipped_questions_come_last_and_can_be_cleared(alice: Browser, labelling: Labelling):
    question = fetch_questions(alice, labelling)["questions"][0]
    save(alice, labelling, step(answer_to(question, "skip")))
    everything = [q["face"] for q in fetch_questions(alice, labelling)["questions"]]
    assert question["face"] not in everything
    rest = ",".join(str(face) for listed in labelling.faces.values() for face in listed if face != question["face"])
    assert [(q["face"], q["reason"]) for q in fetch_questions(alice, labelling, rest)["questions"]] == [
        (question["face"], "skipped")
    ]
    page = alice.post(url(labelling, "skips"))
    assert page.status_code == 303
    assert "1 skipped question comes again" in alice.get(page.location).text


def everything_answered(labelling: Labelling) -> None:
    with labelling.database.transaction() as db:
        replace_questions(db, labelling.project_id, 2, [])
        predicted = [
            Prediction(face, page, 0.7, 0.01, "no_match") for page, listed in labelling.faces.items() for face in listed
        ]
        replace_predictions(db, labelling.project_id, 2, predicted)


def test_page_states_why_there_is_no_question(alice: Browser, labelling: Labelling):
    confirm(labelling, 1)
    everything_answered(labelling)
    ranking = fetch_questions(alice, labelling)
    assert (ranking["passes"], "learning from your answers" in ranking["none"]) == (True, True)
    with labelling.database.transaction() as db:
        db.execute("DELETE FROM tasks")
    done = fetch_questions(alice, labelling)
    assert (done["passes"], "You can stop here" in done["none"]) == (False, True)
    with labelling.database.transaction() as db:
        files.add_to_project(db, labelling.project_id, [(OTHER_FILE, "New.jpg")], "source", 9000)
    searching = fetch_questions(alice, labelling)
    assert (searching["passes"], "1 picture is still to be searched" in searching["none"]) == (True, True)
    with labelling.database.transaction() as db:
        projects.set_status(db, labelling.project_id, "paused")
    assert "paused" in fetch_questions(alice, labelling)["none"]
    page = alice.get(url(labelling, "classify")).text
    assert "The project is paused" in page
    assert "Is this Roger Federer?" in page  # It is in the form that is hidden until there is a question.


def test_page_of_a_project_without_files_or_faces_states_this(alice: Browser, labelling: Labelling):
    with labelling.database.transaction() as db:
        db.execute("DELETE FROM faces")
        db.execute("DELETE FROM questions")
    assert "No face was found" in fetch_questions(alice, labelling)["none"]
    with labelling.database.transaction() as db:
        db.execute("DELETE FROM project_files")
    assert "No pictures here" in fetch_questions(alice, labelling)["none"]


def fields(page: str) -> dict[str, str]:
    form = page[page.index('<form class="ask"') :]
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[: form.index("</form>")]))
    found.pop("csrf_token")
    return found


def test_questions_can_be_answered_without_javascript(alice: Browser, labelling: Labelling):
    classify = url(labelling, "classify")
    first = fields(alice.get(classify).text)
    assert alice.post(classify, **first, answer="target").status_code == 303
    assert alice.post(classify, **first, answer="target").status_code == 303  # The button was pressed twice.
    assert labelling.standing() == {int(first["face"]): "target"}
    second = fields(alice.get(classify).text)
    alice.post(classify, **second, answer="skip")
    third = fields(alice.get(classify).text)
    assert len({first["face"], second["face"], third["face"]}) == 3
    alice.post(classify, **third, answer="not_face")
    group = fields(alice.get(classify).text)
    listed = [int(face) for face in group["faces"].split(",")]
    alice.post(classify, **group, answer=f"face:{listed[2]}")
    assert labelling.standing()[listed[2]] == "target"
    back = alice.post(url(labelling, "undo"))
    shown = fields(alice.get(back.location).text)
    assert shown["page"] == group["page"]
    alice.post(classify, **shown, answer="none")
    assert {labelling.standing()[face] for face in listed} == {"other"}


def test_another_person_can_be_named_without_javascript(alice: Browser, labelling: Labelling):
    classify = url(labelling, "classify")
    page = alice.get(classify).text
    assert 'name="other_item"' in page
    refused = alice.post(classify, **fields(page) | {"answer": "other", "other_item": "my aunt"})
    assert (refused.status_code, "an item such as Q42" in refused.text) == (400, True)
    assert labelling.standing() == {}
    typed = " https://www.wikidata.org/wiki/q1001 "
    assert alice.post(classify, **fields(page) | {"answer": "other", "other_item": typed}).status_code == 303
    with labelling.database.transaction() as db:
        assert db.rows("SELECT answer, other_item FROM answers") == [{"answer": "other", "other_item": "Q1001"}]


def test_stale_answer_is_explained_without_javascript(alice: Browser, labelling: Labelling):
    classify = url(labelling, "classify")
    form = fields(alice.get(classify).text)
    with labelling.database.transaction() as db:
        box = Box(0.1, 0.1, 0.3, 0.3)
        faces.draw(db, labelling.project_id, int(form["page"]), 1, box, replaces=int(form["face"]), sha1=None)
    page = alice.get(alice.post(classify, **form, answer="target").location).text
    assert "drawn anew" in page


def test_undo_without_steps_shows_a_message(alice: Browser, labelling: Labelling):
    assert "nothing left to undo" in alice.get(alice.post(url(labelling, "undo")).location).text


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("classify", "get"), ("questions.json", "get"), ("session.json", "get"), ("steps.json", "get"), ("people.json", "get"),
        ("faces/1.json", "get"), ("answers", "send"), ("boxes", "send"), ("undo", "post"), ("skips", "post"), ("files", "get"),
        ("files/5001/draw", "get"),
    ],
)  # fmt: skip
def test_classify_endpoints_are_for_members_only(app: Flask, labelling: Labelling, path: str, method: str):
    bodies = {"answers": {"steps": [step(answer_to({"page": 5001, "face": 1, "reason": None, "sha1": None}))]}}
    bodies["boxes"] = drawing({"page": 5001, "sha1": None}, 0.1, 0.1, 0.2, 0.2)
    stranger = Browser(app, person(labelling, "Charlie"))
    address = url(labelling, path)
    answer = stranger.send(address, bodies[path]) if method == "send" else getattr(stranger, method)(address)
    if path == "session.json":  # The response does not disclose that the project exists.
        assert read(stranger, address)["user"] == person(labelling, "Charlie").id
    else:
        assert answer.status_code == 404
    assert labelling.standing() == {}
    if method == "get":
        assert Browser(app).client.get(address, headers=JSON).status_code == 401


def queries(database: Database) -> int:
    with database.transaction() as db:
        row = db.row("SHOW GLOBAL STATUS LIKE 'Com_select'")
    assert row is not None
    return int(row["Value"])


@pytest.mark.parametrize("path", ["classify", "questions.json", "steps.json", "files", "files/5004/draw"])
def test_each_page_needs_at_most_ten_queries(alice: Browser, labelling: Labelling, path: str):
    confirm(labelling, 5)
    alice.get(url(labelling, path))
    before = queries(labelling.database)
    assert alice.get(url(labelling, path)).status_code == 200
    assert 0 < queries(labelling.database) - before <= 10


def test_page_without_a_question_needs_at_most_ten_queries(alice: Browser, labelling: Labelling):
    everything_answered(labelling)
    before = queries(labelling.database)
    alice.get(url(labelling, "classify"))
    assert queries(labelling.database) - before <= 10


def test_classify_page_is_small(alice: Browser, labelling: Labelling):
    """HTML, styles and scripts of the page together, compressed, are far below 60 kB."""
    page = alice.get(url(labelling, "classify"), headers={"Accept-Encoding": "gzip"})
    assert page.headers["Content-Encoding"] == "gzip"
    text = alice.get(url(labelling, "classify")).text
    total = int(page.headers["Content-Length"])
    own = set(re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"', text))
    assert any("classify-outbox" in name for name in own)
    for name in own:
        total += len(alice.client.get(name, headers={"Accept-Encoding": "gzip"}).data)
    assert total < 40_000


def test_every_module_that_is_imported_is_preloaded(alice: Browser, labelling: Labelling):
    text = alice.get(url(labelling, "classify")).text
    preloaded = {name.rsplit("/js/", 1)[1] for name in re.findall(r'<link rel="modulepreload" href="([^"]+)"', text)}
    imported: set[str] = set()
    todo = ["classify.js"]
    prefix = re.search(r'src="(/static/\w+/js/)classify\.js"', text)
    assert prefix is not None
    while todo:
        code = alice.client.get(prefix[1] + todo.pop()).text
        found = {name.removeprefix("./").removeprefix("../") for name in re.findall(r'from "(\.[^"]+)"', code)}
        found = {name if name.startswith(("lib/", "classify")) else f"lib/{name}" for name in found}
        todo += found - imported
        imported |= found
    assert imported == preloaded


def test_saved_answers_change_the_labels(alice: Browser, labelling: Labelling):
    group = fetch_questions(alice, labelling)["questions"][3]
    ids = [face["id"] for face in group["faces"]]
    twice = [answer_to({**group, "face": face}, twice=True) for face in ids[:2]]
    save(alice, labelling, step(*twice))
    with labelling.database.transaction() as db:
        rows = db.rows(
            "SELECT face_id, label, source FROM labels WHERE page_id = %s ORDER BY face_id", (group["page"],)
        )
        assert tasks.claim(db, "model", "w") is None  # It is due half a second later.
        labels.rebuild(db, labelling.project_id, [group["page"]])
    assert [(row["label"], row["source"]) for row in rows] == [
        ("target", "human"),
        ("target", "human"),
        ("other", "implied"),
    ]


def test_other_people_in_the_picture_are_named(labelling: Labelling, alice: Browser):
    """People stated on Commons or named in answers are listed, except the person who is asked about."""
    page = next(iter(labelling.faces))
    with labelling.database.transaction() as db:
        target = db.value("SELECT item FROM projects WHERE id = %s", (labelling.project_id,))
        depicted_items.keep_stated(db, {page: [target, "Q1", "Q2", "Q3"]})
        depicted_items.keep_labels(
            db, {"Q1": {"en": "Berta", "es": "Berta la alta"}, "Q2": {"nb": "Kåre"}}, complete=True
        )
    question = fetch_questions(alice, labelling)["questions"][0]
    assert question["page"] == page
    assert [(one["item"], one["label"]) for one in question["others"]] == [
        ("Q1", "Berta"),
        ("Q2", "Kåre"),
        ("Q3", "Q3"),
    ]
    assert {one["hint"] for one in question["others"]} == {"stated on Commons"}
    html = alice.get(url(labelling, "classify")).text
    assert re.search(
        r'<p class="others" id="others-box"><span>Also here:</span> .*<bdi>Berta</bdi>.*<bdi>Kåre</bdi>', html
    )
    alice.client.set_cookie("language", "es")
    assert fetch_questions(alice, labelling)["questions"][0]["others"][0]["label"] == "Berta la alta"


def test_question_about_a_face_named_in_another_project_states_this(labelling: Labelling, alice: Browser):
    (page, (face,)) = next((page, listed) for page, listed in labelling.faces.items() if len(listed) == 1)
    with labelling.database.transaction() as db:
        replace_questions(db, labelling.project_id, 2, [Question(page, face, "named")])
    assert (
        fetch_questions(alice, labelling)["questions"][0]["why"]
        == "Somebody said in another project that this is them."
    )
