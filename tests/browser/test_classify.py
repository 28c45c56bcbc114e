"""Answering questions in a real browser: keyboard, mouse, touch, no JavaScript, no network, two tabs, two users."""

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Dialog, Page, Route, expect

from boxes import Box
from database import Database
from sandbox.server import Sandbox
from store.detection import captions, depicted_items, faces, files
from store.labelling import question_data
from store.projects import projects
from store.projects.projects import NewProject
from testing import servers
from testing.file_copies import change_files
from testing.labelling_project import Labelling, confirm, fill, photographs, sign_up
from testing.waiting import until
from tests.browser.classify_page import Classify
from tests.browser.conftest import Opener, Site
from tests.pipeline.support import person

COUNT = 32
Start = Callable[..., Classify]


@pytest.fixture(scope="session")
def pictures(running_sandbox: Sandbox) -> list[dict[str, Any]]:
    return photographs(running_sandbox, 12)


@pytest.fixture
def labelling(site: Site, database: Database, sandbox: Sandbox, pictures: list[dict[str, Any]]) -> Labelling:
    """Files of Alice's project, every fourth with three faces."""
    return fill(site.settings, database, pictures, COUNT, group_every=4)


@pytest.fixture
def start(open_page: Opener, labelling: Labelling) -> Start:
    """Return a function that opens the classify page as Alice."""

    def begin(**context: Any) -> Classify:
        path = f"/projects/{labelling.project_id}/classify"
        return Classify(open_page(path, labelling.cookie(), **context), labelling)

    return begin


def answers_of(labelling: Labelling, face: int) -> list[dict[str, Any]]:
    with labelling.database.transaction() as db:
        return db.rows("SELECT * FROM answers WHERE face_id = %s AND withdrawn_at IS NULL", (face,))


def somebody_else(sandbox: Sandbox) -> NewProject:
    """Return a person of the sandbox other than the project's."""
    return next(found for found in (person(sandbox, 0), person(sandbox, 1)) if found.label != "Roger Federer")


def test_all_questions_can_be_answered_by_keyboard(start: Start, labelling: Labelling):
    classify = start()
    one, two, three = classify.press("y", "ArrowLeft", "s")
    group = classify.face()
    page_of_group = next(listed for listed in labelling.faces.values() if group in listed)
    classify.press("3")
    five, six = classify.press("i", "n")
    classify.face()
    classify.page.keyboard.press("z")
    classify.wait_for_face(six)
    classify.press("ArrowRight")
    seven = classify.face()
    classify.page.keyboard.press("o")
    classify.page.keyboard.type("Q42")
    classify.page.keyboard.press("Enter")
    crowd = classify.face()
    classify.press("n")
    classify.settle()
    standing = labelling.standing()
    assert [standing[face] for face in (one, two, three)] == ["target", "other", "skip"]
    assert standing[page_of_group[2]] == "target"
    assert group not in standing
    assert [standing[face] for face in (five, six, seven)] == ["not_face", "target", "other"]
    assert answers_of(labelling, seven)[0]["other_item"] == "Q42"
    none = next(listed for listed in labelling.faces.values() if crowd in listed)
    assert {standing[face] for face in none} == {"other"}


def test_two_faces_of_a_collage_can_be_confirmed(start: Start, labelling: Labelling):
    classify = start()
    classify.press("s", "s", "s")
    group = classify.face()
    listed = next(listed for listed in labelling.faces.values() if group in listed)
    classify.page.keyboard.press("t")
    classify.page.keyboard.press("1")
    classify.page.keyboard.press("3")
    assert classify.page.locator("#yes-text").inner_text() == "Yes, these 2 faces"
    classify.page.keyboard.press("y")
    classify.settle()
    rows = [answers_of(labelling, face) for face in listed]
    assert [[(row["answer"], row["twice"]) for row in found] for found in rows] == [
        [("target", 1)],
        [],
        [("target", 1)],
    ]
    with labelling.database.transaction() as db:
        steps = db.column("SELECT DISTINCT step FROM answers WHERE twice")
    assert len(steps) == 1


def test_each_button_has_the_effect_of_its_key(start: Start, labelling: Labelling):
    classify = start()
    given = {}
    for action in ("yes", "no", "skip"):
        given[classify.face()] = {"yes": "target", "no": "other", "skip": "skip"}[action]
        classify.page.click(f"[data-act={action}]")
    group = classify.face()
    left = next(listed for listed in labelling.faces.values() if group in listed)[0]
    classify.page.click("#numbers .number >> nth=0")
    given[left] = "target"
    given[classify.face()] = "not_face"
    classify.page.click("[data-act=not_face]")
    classify.face()
    classify.page.click("[data-act=undo]")
    classify.settle()
    undone = classify.face()
    given.pop(undone)
    assert labelling.standing() == given


def test_face_is_selected_by_a_click_on_the_photograph(start: Start, labelling: Labelling):
    classify = start()
    classify.press("s", "s", "s")
    group = classify.face()
    listed = next(listed for listed in labelling.faces.values() if group in listed)
    box = classify.page.locator(f"#outlines .face[data-face='{listed[0]}'] .line").bounding_box()
    assert box is not None
    classify.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    classify.settle()
    assert labelling.standing()[listed[0]] == "target"


def swipe(page: Page, across: int, down: int) -> None:
    """Swipe on the photograph with the events of a touch screen."""
    session = page.context.new_cdp_session(page)
    x, y = 180, 150
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for part in (0.3, 0.6, 1.0):
        point = {"x": x + across * part, "y": y + down * part}
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


def test_questions_can_be_answered_by_touch(start: Start, labelling: Labelling):
    classify = start(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    given = {}
    for (across, down), answer in {(140, 5): "target", (-140, 5): "other", (0, -110): "skip"}.items():
        given[classify.face()] = answer
        classify.at_rest()
        swipe(classify.page, across, down)
        classify.wait_for_another_face(list(given)[-1])
    swipe(classify.page, 20, 20)  # This gesture is no answer.
    group = classify.face()
    listed = next(listed for listed in labelling.faces.values() if group in listed)
    classify.at_rest()
    classify.page.tap(f"#outlines .face[data-face='{listed[2]}'] .line")
    given[listed[2]] = "target"
    classify.wait_for_another_face(group)
    last = classify.face()
    given[last] = "target"
    classify.at_rest()
    classify.page.tap("[data-act=yes]")
    classify.wait_for_another_face(last)
    classify.settle()
    assert labelling.standing() == given


SIZES = {
    "phone": (360, 640), "long phone": (412, 915), "phone on its side": (740, 360), "tablet": (820, 1180),
    "laptop": (1280, 720), "desktop": (1280, 900), "wide": (1920, 1080), "4K": (3840, 2160),
}  # fmt: skip


@pytest.mark.parametrize("language", ["en", "fr"])
def test_page_fits_on_one_screen(start: Start, labelling: Labelling, language: str):
    confirm(labelling, 3)
    crowd = {f"Q{number}": {"en": f"Somebody with quite a long name {number}"} for number in range(1, 9)}
    with labelling.database.transaction() as db:
        depicted_items.keep_stated(db, {page: list(crowd) for page in labelling.faces})
        depicted_items.keep_labels(db, crowd, complete=True)
        captions.keep(db, {page: {"de": "Ein Bild mit vielen Worten. " * 9} for page in labelling.faces})
        db.execute("UPDATE questions SET reason = 'named'")
    classify = start(locale=language)
    for name, (width, height) in SIZES.items():
        classify.page.set_viewport_size({"width": width, "height": height})
        classify.face()  # A question about a group has the most content.
        check_screen(classify.page, name, width, height)


def check_screen(page: Page, name: str, width: int, height: int) -> None:
    assert page.locator("#numbers .number").count() == 3
    assert page.evaluate("document.documentElement.scrollHeight") <= height, name
    assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    wanted = [
        "#question",
        "#photo-img",
        "#crop",
        "#age",
        "#file",
        "#others-box",
        *(f"[data-act={action}]" for action in ACTIONS),
    ]
    for selector in [*wanted, "#numbers .number"]:
        boxes = page.locator(selector).evaluate_all(RECTANGLES)
        assert boxes, selector
        for box in boxes:
            where = (name, selector, box)
            assert min(box["width"], box["height"]) > 10, where
            assert -0.5 <= box["left"] <= box["right"] <= width + 0.5, where
            assert -0.5 <= box["top"] <= box["bottom"] <= height + 0.5, where
    photo = page.locator("#photo").bounding_box()
    assert photo is not None
    assert photo["height"] >= 0.2 * height, name
    assert overlaps(page, ["#photo", ".side"]) == [], name
    assert overlaps(page, [".head", ".compare", ".about", ".answers"]) == [], name


RECTANGLES = "all => all.map((one) => one.getBoundingClientRect().toJSON())"
ACTIONS = ("yes", "no", "skip", "undo", "else", "not_face", "draw", "edit", "twice", "keys")


def overlaps(page: Page, selectors: list[str]) -> list[str]:
    boxes = {selector: page.locator(selector).first.bounding_box() for selector in selectors}
    found = []
    for one, two in pairwise(selectors):
        first, second = boxes[one], boxes[two]
        assert first is not None
        assert second is not None
        beside = first["x"] + first["width"] <= second["x"] + 1
        if not beside and first["y"] + first["height"] > second["y"] + 1:
            found.append(f"{one} {first} over {two} {second}")
    return found


# Positions of the picture inside its element and of the outline of the face asked about: left, top, width, height.
WHERE = """() => {
  const image = document.querySelector('#photo-img');
  const box = image.getBoundingClientRect();
  const scale = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  const line = document.querySelector('#outlines .asked .line').getBoundingClientRect();
  const [left, top] = [box.left + (box.width - width) / 2, box.top + (box.height - height) / 2];
  return [[left, top, width, height], [line.left, line.top, line.width, line.height]];
}"""


def displayed_captions(page: Page) -> list[tuple[str, str, str]]:
    """Return the text, `lang` and text direction of caption and description."""
    found = page.locator("#description > *").evaluate_all(
        "all => all.map(e => [e.textContent, e.getAttribute('lang') ?? '', getComputedStyle(e).direction])"
    )
    return [tuple(one) for one in found]


def test_caption_comes_before_the_description_and_has_its_language(start: Start, labelling: Labelling):
    """Captions in a right-to-left language, in the reader's, and none; on the initial page and on later questions."""
    words = "Roger Federer at tournament number {}, on the court after the match"
    first, second, *_ = labelling.faces
    with labelling.database.transaction() as db:
        captions.keep(db, {first: {"ar": "صورة <b>"}, second: {"en": "On the court", "ar": "صورة"}})
    classify = start()
    for expected in (
        [("صورة <b>", "ar", "rtl"), (words.format(1), "", "ltr")],
        [("On the court", "", "ltr"), (words.format(2), "", "ltr")],
        [("", "", "ltr"), (words.format(3), "", "ltr")],
    ):
        classify.face()
        assert displayed_captions(classify.page) == expected
        spoken = classify.page.locator("#spoken").inner_text()
        assert all(text in spoken for text, _, _ in expected)
        classify.press("s")


def test_outlines_are_at_the_positions_of_the_faces(start: Start, labelling: Labelling):
    confirm(labelling, 3)
    for width, height in ((360, 640), (1280, 900), (900, 500)):
        classify = start(viewport={"width": width, "height": height})
        classify.face()
        image, line = classify.page.evaluate(WHERE)
        fractions = [
            (line[0] - image[0]) / image[2], (line[1] - image[1]) / image[3], line[2] / image[2], line[3] / image[3]
        ]  # fmt: skip
        assert fractions == pytest.approx([0.4, 0.12, 0.2, 0.3], abs=0.012)  # half of the outline's width


PHOTOGRAPHS_LOADED = """performance.getEntriesByType('resource')
  .filter((one) => one.name.includes('/w/images/') && one.responseEnd > 0).length"""


def test_answers_given_offline_are_saved_when_the_network_is_back(
    start: Start, open_page: Opener, labelling: Labelling
):
    open_page.allow("ERR_INTERNET_DISCONNECTED")
    classify = start()
    before = classify.press("y")
    classify.settle()
    until(lambda: classify.page.evaluate(PHOTOGRAPHS_LOADED) >= 5, "a few photographs ahead")
    classify.page.context.set_offline(True)
    during = classify.press("y", "n")
    classify.page.keyboard.press("z")
    again = classify.press("y")
    assert again == during[1:]
    status = classify.page.locator("#status")
    status.filter(has_text="2 answers not saved yet").wait_for()
    assert "No connection" in status.inner_text()
    assert labelling.standing() == {before[0]: "target"}
    classify.page.context.set_offline(False)
    classify.settle()
    assert labelling.standing() == {before[0]: "target", during[0]: "target", during[1]: "target"}
    classify.wait_for_message("All answers are saved.")
    with labelling.database.transaction() as db:
        assert db.value("SELECT COUNT(*) FROM answers") == 3  # A step that was undone before it was sent is never sent.


def test_answer_whose_response_was_lost_is_stored_once(start: Start, open_page: Opener, labelling: Labelling):
    open_page.allow("ERR_FAILED")
    classify = start()
    lost: list[str] = []

    def lose(route: Route) -> None:
        if len(lost) < 2:
            lost.append(str(route.fetch().status))
            route.abort()
        else:
            route.continue_()

    classify.page.route("**/answers", lose)
    given = classify.press("y", "n", "y")
    classify.settle()
    assert lost == ["200", "200"]
    assert labelling.standing() == dict(zip(given, ["target", "other", "target"], strict=True))
    with labelling.database.transaction() as db:
        assert db.value("SELECT COUNT(*) FROM answers") == 3


def test_saving_is_retried_while_the_server_is_down(start: Start, open_page: Opener, labelling: Labelling):
    open_page.allow("503")
    classify = start()
    refused: list[int] = []

    def refuse(route: Route) -> None:
        refused.append(1)
        body = json.dumps({"error": "database", "text": "Back in a moment"})
        if len(refused) < 3:
            route.fulfill(status=503, headers={"Retry-After": "1"}, content_type="application/json", body=body)
        else:
            route.continue_()

    classify.page.route("**/answers", refuse)
    given = classify.press("y", "y")
    classify.page.locator("#status", has_text="The server does not answer").wait_for()
    classify.settle()
    assert list(labelling.standing()) == given


def test_unsaved_answers_survive_a_reload_and_leaving_shows_a_warning(
    start: Start, open_page: Opener, labelling: Labelling
):
    open_page.allow("ERR_FAILED")
    classify = start()
    page = classify.page
    page.route("**/answers", lambda route: route.abort())
    given = classify.press("y", "n")
    page.locator("#status", has_text="2 answers not saved yet").wait_for()
    warned: list[str] = []

    def leave(dialog: Dialog) -> None:
        warned.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.reload()
    assert warned == ["beforeunload"]
    assert classify.face() not in given
    assert classify.unsaved() == 2
    page.keyboard.press("z")  # It was undone before it was sent.
    classify.wait_for_face(given[1])
    page.unroute("**/answers")
    page.evaluate("dispatchEvent(new Event('online'))")
    classify.settle()
    assert labelling.standing() == {given[0]: "target"}


def test_twenty_answers_can_be_undone_after_a_reload(start: Start, labelling: Labelling):
    classify = start()
    given: list[int] = []
    while len(given) < 20:
        given += classify.press("y")
    classify.settle()
    assert len(labelling.standing()) == 20
    classify.page.reload()
    classify.face()
    for face in reversed(given):  # The steps from before the reload are fetched first.
        classify.page.keyboard.press("z")
        classify.wait_for_face(face)
    classify.wait_for_message("Undone.")
    classify.settle()
    assert labelling.standing() == {}
    classify.page.keyboard.press("z")
    classify.wait_for_message("There is nothing left to undo.")
    assert classify.press("y", "y", "y") == given[:3]


def test_answers_can_be_undone_on_another_device(start: Start, labelling: Labelling):
    phone, laptop = start(), start()
    given = phone.press("y", "n")
    phone.settle()
    laptop.page.reload()
    laptop.face()
    laptop.page.keyboard.press("u")
    until(lambda: len(labelling.standing()) == 1)  # The steps of the other device are fetched first.
    laptop.settle()
    assert labelling.standing() == {given[0]: "target"}
    laptop.wait_for_face(given[1])


def test_answers_are_kept_when_the_session_expires(start: Start, open_page: Opener, labelling: Labelling):
    open_page.allow("40[01]")
    classify = start()
    first = classify.press("y")
    classify.settle()
    with labelling.database.transaction() as db:
        db.execute("UPDATE users SET session_epoch = 1")
    more = classify.press("n", "y")
    classify.page.locator("#signed-out").wait_for()
    assert classify.page.locator("#signed-out a").get_attribute("target") == "_blank"
    more += classify.press("y")
    assert labelling.standing() == {first[0]: "target"}
    classify.page.context.add_cookies([labelling.cookie(epoch=1)])  # Signed in again in another tab.
    classify.settle()
    assert not classify.page.locator("#signed-out").is_visible()
    assert labelling.standing() == dict(zip(first + more, ["target", "other", "target", "target"], strict=True))


def test_unsaved_answers_are_not_sent_for_another_user(start: Start, open_page: Opener, labelling: Labelling):
    open_page.allow("40[01]")
    classify = start()
    classify.face()
    with labelling.database.transaction() as db:
        db.execute("UPDATE users SET session_epoch = 1")
        bob = sign_up(db, "Bob")
        projects.add_member(db, labelling.project_id, bob, "labeller")
    given = classify.press("y")
    classify.page.locator("#signed-out").wait_for()
    classify.page.once("dialog", lambda dialog: dialog.accept())
    with classify.page.expect_navigation():
        classify.page.context.add_cookies([labelling.cookie(bob)])
    classify.page.locator(".menu", has_text="Bob").wait_for()
    classify.face()
    assert labelling.standing() == {}
    assert classify.unsaved() == 1  # Alice's answers are kept until she returns.
    assert classify.face() in given


def test_stale_answer_is_explained_and_the_next_question_is_asked(start: Start, labelling: Labelling):
    classify = start()
    face = classify.face()
    page_id = next(page for page, listed in labelling.faces.items() if face in listed)
    with labelling.database.transaction() as db:
        faces.draw(db, labelling.project_id, page_id, 1, Box(0.1, 0.1, 0.3, 0.3), replaces=face, sha1=None)
    given = classify.press("y", "y")
    classify.wait_for_message("drawn anew")
    classify.settle()
    assert labelling.standing() == {given[1]: "target"}


def test_deletion_of_the_project_is_explained(start: Start, open_page: Opener, labelling: Labelling):
    open_page.allow("4(04|10)")
    classify = start()
    classify.face()
    with labelling.database.transaction() as db:
        projects.delete(db, labelling.project_id)
    classify.press("y")
    classify.wait_for_message("deleted")
    assert classify.unsaved() == 0
    assert labelling.standing() == {}


def test_two_tabs_and_two_users_can_answer_at_the_same_time(start: Start, open_page: Opener, labelling: Labelling):
    first = start()
    second = Classify(open_page.tab(first.page.context, f"/projects/{labelling.project_id}/classify"), labelling)
    with labelling.database.transaction() as db:
        bob_id = sign_up(db, "Bob")
        projects.add_member(db, labelling.project_id, bob_id, "labeller")
    bob = Classify(open_page(f"/projects/{labelling.project_id}/classify", labelling.cookie(bob_id)), labelling)
    given: list[int] = []
    for _ in range(4):
        given += first.press("y")
        given += second.press("y")
        bob.press("n")
    for tab in (first, second, bob):
        tab.settle()
    first.page.wait_for_timeout(300)
    with labelling.database.transaction() as db:
        rows = db.rows("SELECT user_id, face_id, answer FROM answers ORDER BY id")
    alice = [(row["face_id"], row["answer"]) for row in rows if row["user_id"] == labelling.user_id]
    assert sorted(alice) == sorted((face, "target") for face in given)
    assert {row["answer"] for row in rows if row["user_id"] == bob_id} == {"other"}


def test_user_is_told_about_a_different_answer_of_another_user(start: Start, labelling: Labelling):
    classify = start()
    face = classify.face()
    with labelling.database.transaction() as db:
        bob = sign_up(db, "Bob")
        projects.add_member(db, labelling.project_id, bob, "labeller")
    confirm(labelling, 1, bob)
    assert classify.press("n") == [face]
    classify.wait_for_message("Bob had answered otherwise")


def test_box_drawn_by_mouse_is_stored_in_fractions_of_the_picture(start: Start, labelling: Labelling):
    classify = start()
    classify.face()
    page = classify.page
    page.keyboard.press("d")
    outline = page.locator("#outlines .line").bounding_box()
    assert outline is not None
    x, y, width, height = outline["x"], outline["y"], outline["width"], outline["height"]
    # Drawn beside the suggested box, which would be moved otherwise: half as large, from its left top to the left.
    page.mouse.move(x - width, y - height * 0.2)
    page.mouse.down()
    page.mouse.move(x - width / 2, y + height / 2, steps=5)
    page.mouse.move(x - width / 4, y + height * 0.8, steps=5)
    page.mouse.up()
    page.click("[data-draw=save]")
    classify.settle()
    (drawn,) = drawn_faces(labelling)
    assert drawn == pytest.approx((0.36 - 0.26, 0.1 - 0.34 * 0.2, 0.26 * 0.75, 0.34), abs=0.012)


def test_box_can_be_corrected_by_keyboard(start: Start, labelling: Labelling):
    classify = start()
    face = classify.face()
    page = classify.page
    page.keyboard.press("e")
    for key in (
        "ArrowRight",
        "ArrowRight",
        "ArrowDown",
        "Shift+ArrowRight",
        "Shift+ArrowUp",
        "Shift+ArrowUp",
        "Control+ArrowLeft",
    ):
        page.keyboard.press(key)
    assert "Box at" in page.locator("#spoken").inner_text()
    page.keyboard.press("Enter")
    classify.wait_for_another_face(face)
    classify.settle()
    (drawn,) = drawn_faces(labelling)
    assert drawn == pytest.approx((0.36 + 0.018, 0.1 + 0.01, 0.26 + 0.01, 0.34 - 0.02), abs=1e-6)
    with labelling.database.transaction() as db:
        assert db.value("SELECT replaces FROM faces WHERE project_id IS NOT NULL") == face


def drawn_faces(labelling: Labelling) -> list[tuple[float, ...]]:
    with labelling.database.transaction() as db:
        rows = db.rows(
            "SELECT box_left, box_top, box_width, box_height FROM faces WHERE project_id IS NOT NULL AND state <> 'gone'"
        )
    return [tuple(row.values()) for row in rows]


def test_cancelled_box_is_not_saved_and_saved_box_can_be_undone(start: Start, labelling: Labelling):
    classify = start()
    face = classify.face()
    classify.page.keyboard.press("d")
    classify.page.keyboard.press("Escape")
    assert classify.face() == face
    classify.page.keyboard.press("d")
    classify.page.keyboard.press("y")  # Keys have no effect while a box is drawn.
    classify.page.keyboard.press("Enter")
    classify.settle()
    assert len(drawn_faces(labelling)) == 1
    classify.page.keyboard.press("z")
    classify.wait_for_face(face)
    classify.settle()
    assert drawn_faces(labelling) == []


def test_page_reports_when_a_drawn_face_was_encoded(start: Start, labelling: Labelling):
    classify = start()
    classify.face()
    classify.page.keyboard.press("d")
    classify.page.keyboard.press("Enter")
    classify.wait_for_message("A worker is reading the face")
    with labelling.database.transaction() as db:
        (claimed,) = faces.claim_drawn(db, "w1", 5)
        faces.not_encoded(db, claimed, again=False)
    classify.wait_for_message("could not be read")


def test_photograph_that_cannot_be_loaded_is_explained_and_can_be_skipped(
    start: Start, open_page: Opener, labelling: Labelling
):
    open_page.allow("404", "ERR_FAILED")
    with labelling.database.transaction() as db:
        db.execute("UPDATE files SET thumb_url = REPLACE(thumb_url, '/w/images/', '/w/nothing/') WHERE page_id = 5001")
    classify = start()
    page = classify.page
    page.locator("#broken").wait_for()
    page.keyboard.press("y")  # Answers about a picture that is not visible are not accepted.
    classify.wait_for_message("still loading")
    page.keyboard.press("s")
    second = classify.face()
    assert not page.locator("#broken").is_visible()
    classify.settle()
    assert labelling.standing() == {labelling.faces[5001][0]: "skip"}
    assert second == labelling.faces[5002][0]


def test_skipped_questions_come_at_the_end(start: Start, labelling: Labelling):
    last = [labelling.faces[page][0] for page in (5001, 5002, 5003)]
    with labelling.database.transaction() as db:
        db.execute("DELETE FROM faces WHERE page_id > 5003")
    classify = start()
    skipped = classify.press("s")
    classify.press("y", "y")
    classify.wait_for_face(skipped[0])
    classify.press("y")
    classify.page.locator("#none h1").wait_for()
    classify.settle()
    assert labelling.standing() == dict.fromkeys(last, "target")


def test_page_without_questions_states_the_reason_and_continues_automatically(start: Start, labelling: Labelling):
    with labelling.database.transaction() as db:
        db.execute("DELETE FROM questions")
        db.execute("UPDATE faces SET state = 'gone'")
        files.add_to_project(db, labelling.project_id, [(9001, "New.jpg")], "source", 9000)
    classify = start()
    heading = classify.page.locator("#none h1")
    heading.wait_for()
    assert heading.inner_text() == "Still searching for faces"
    with labelling.database.transaction() as db:
        db.execute("UPDATE faces SET state = 'encoded'")
    classify.face()
    assert not heading.is_visible()


def test_keys_are_listed_and_can_be_disabled(start: Start, labelling: Labelling):
    classify = start()
    face = classify.face()
    page = classify.page
    opened = page.locator("dialog#keys[open]")
    page.keyboard.press("?")
    opened.wait_for()
    page.keyboard.press("y")  # Not in the dialog.
    page.uncheck("#keys-on")
    page.keyboard.press("Escape")
    opened.wait_for(state="detached")
    page.keyboard.press("y")
    assert classify.face() == face
    page.keyboard.press("?")
    opened.wait_for()
    page.check("#keys-on")
    page.keyboard.press("Escape")
    opened.wait_for(state="detached")
    classify.press("y")
    classify.settle()
    assert labelling.standing() == {face: "target"}


def test_classify_works_without_javascript(open_page: Opener, labelling: Labelling):
    page = open_page(f"/projects/{labelling.project_id}/classify", labelling.cookie(), java_script_enabled=False)
    open_page.allow("preload")
    asked = []
    for value in ("target", "other", "skip"):
        asked.append(int(page.locator("input[name=face]").get_attribute("value") or 0))
        page.click(
            f"#ask button[value={value}][data-act={'yes' if value == 'target' else 'no' if value == 'other' else 'skip'}]"
        )
    group = [int(face) for face in (page.locator("input[name=faces]").get_attribute("value") or "").split(",")]
    page.click(f"button[value='face:{group[2]}']")
    assert labelling.standing() == {asked[0]: "target", asked[1]: "other", asked[2]: "skip", group[2]: "target"}
    page.click("[data-act=undo]")
    assert [int(face) for face in (page.locator("input[name=faces]").get_attribute("value") or "").split(",")] == group
    page.click("#ask button[value=none]")
    assert {labelling.standing()[face] for face in group} == {"other"}
    page.click("[data-act=draw]")
    page.fill("input[name=left]", "10")
    page.fill("input[name=width]", "33.5")
    page.click("#draw .main-row .main")
    assert drawn_faces(labelling)[0] == pytest.approx((0.1, 0.3, 0.335, 0.2))


def without_faces(labelling: Labelling, count: int) -> list[int]:
    """The first files, in which the detector found no face."""
    page_ids = list(labelling.faces)[:count]
    with labelling.database.transaction() as db:
        for page_id in page_ids:
            db.execute("DELETE FROM faces WHERE page_id = %s", (page_id,))
            change_files(db, "UPDATE files SET face_count = 0 WHERE page_id = %s", (page_id,))
    return page_ids


def test_files_without_a_face_can_be_answered_by_keyboard(open_page: Opener, labelling: Labelling):
    page_ids = without_faces(labelling, 5)
    page = open_page(f"/projects/{labelling.project_id}/files", labelling.cookie())
    page.keyboard.press("ArrowRight")
    for key in ("y", "n", "ArrowRight", "y", "z", "n"):
        page.keyboard.press(key)
    classify = Classify(page, labelling)
    classify.settle()
    with labelling.database.transaction() as db:
        rows = db.rows("SELECT page_id, file_answer FROM project_files WHERE file_answer IS NOT NULL ORDER BY page_id")
        counts = question_data.faceless_counts(db, labelling.project_id)
    assert [(row["page_id"], row["file_answer"]) for row in rows] == [
        (page_ids[0], "shown"), (page_ids[1], "not_shown"), (page_ids[3], "not_shown")
    ]  # fmt: skip
    assert (counts.open, counts.shown, counts.not_shown) == (2, 1, 2)
    page.locator(f"[data-page='{page_ids[4]}']").focus()
    page.keyboard.press("d")
    page.wait_for_url(re.compile(r"/draw\?"))
    page.locator("#drawing").wait_for()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"^[^?]*/files\??$"))
    assert drawn_faces(labelling)[0] == pytest.approx((0.4, 0.3, 0.21, 0.2))
    assert page.locator(".cell").count() == 1


def test_all_texts_are_translated_and_filled_in(start: Start, labelling: Labelling):
    words = set()
    for language in ("en", "nb", "es", "fr"):
        classify = start(locale=language)
        classify.press("y", "y", "y", "y")
        text = classify.page.inner_text("body")
        assert "%(" not in text
        words.add(classify.page.locator("#question").inner_text())
        classify.page.keyboard.press("z")
        classify.settle()
    assert len(words) == 4


def test_page_is_mirrored_for_right_to_left_languages(start: Start, labelling: Labelling):
    for viewport in ({"width": 360, "height": 640}, {"width": 1280, "height": 900}):
        classify = start(viewport=viewport)
        classify.face()
        classify.page.evaluate("document.documentElement.dir = 'rtl'")
        assert classify.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        yes, no = (classify.page.locator(f"[data-act={name}]").bounding_box() for name in ("yes", "no"))
        assert yes is not None
        assert no is not None
        assert yes["x"] > no["x"]  # Arrow keys and swipes keep their directions.


RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


def problems(page: Page) -> list[str]:
    """Return the findings of axe-core as rule and elements."""
    found = Axe().run(page, options={**RULES, "resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in found]


def report(labelling: Labelling, **content: Any) -> None:
    """Store a report of a model that makes suggestions."""
    with labelling.database.transaction() as db:
        projects.modelled(db, labelling.project_id, 1, json.dumps({"on": True, **content}))


def test_note_about_suggestions_follows_the_model_while_the_page_is_open(start: Start, labelling: Labelling):
    """The photograph makes room for it: also on a small phone, in the language with the longest text, nothing is scrolled."""
    classify = start(viewport={"width": 360, "height": 640}, locale="fr")
    note = classify.page.locator("#model-note")
    expect(note).to_be_hidden()
    report(labelling, hard=True, encoder="dlib-resnet-v1+mirror")
    classify.press("y", "y", "y", "y")
    expect(note).to_contain_text("difficiles à distinguer")
    photo = classify.page.locator(".photo").bounding_box()
    yes = classify.page.locator("[data-act=yes]").bounding_box()
    assert photo is not None
    assert yes is not None
    assert photo["height"] >= 120
    assert yes["y"] + yes["height"] <= 640
    everything = ",".join(str(face) for listed in labelling.faces.values() for face in listed)
    with labelling.database.transaction() as db:
        db.execute(f"UPDATE faces SET state = 'gone' WHERE id IN ({everything})")
    classify.page.reload()
    classify.page.locator("#none h1").wait_for()
    expect(note).to_be_hidden()  # Without a question there is no suggestion either.


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "nb", "es", "fr"])
def test_classify_page_has_no_accessibility_violations(
    open_page: Opener, labelling: Labelling, language: str, theme: str
):
    confirm(labelling, 3)  # The next question has a group of faces.
    without_faces(labelling, 2)
    report(labelling, hard=True, encoder="dlib-resnet-v1+mirror")
    home = f"/projects/{labelling.project_id}"
    page = open_page(f"{home}/classify", labelling.cookie(), locale=language, color_scheme=theme)
    Classify(page, labelling).face()
    expect(page.locator("#model-note")).to_be_visible()
    assert problems(page) == []
    page.goto(page.url.replace("/classify", "/files"))
    page.locator(".cell").first.wait_for()
    assert problems(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_dialogs_and_intermediate_states_have_no_accessibility_violations(
    open_page: Opener, labelling: Labelling, sandbox: Sandbox, theme: str
):
    home = f"/projects/{labelling.project_id}"
    page = open_page(f"{home}/classify", labelling.cookie(), color_scheme=theme, viewport={"width": 360, "height": 640})
    classify = Classify(page, labelling)
    classify.face()
    assert problems(page) == []
    opened = page.locator("dialog[open]")
    page.keyboard.press("?")
    opened.wait_for()
    assert problems(page) == []
    page.keyboard.press("Escape")
    opened.wait_for(state="detached")
    page.keyboard.press("o")
    page.locator("#who-name").fill(somebody_else(sandbox).label)
    page.locator("#who-found li").first.wait_for()
    page.keyboard.press("ArrowDown")
    assert problems(page) == []
    page.keyboard.press("Escape")
    opened.wait_for(state="detached")
    page.keyboard.press("d")
    page.locator("#draw-bar").wait_for()
    assert problems(page) == []
    page.keyboard.press("Escape")
    page.goto(page.url.replace("/classify", f"/files/{next(iter(labelling.faces))}/draw"))
    page.locator("#editor circle").first.wait_for()
    assert problems(page) == []
    everything = ",".join(str(face) for listed in labelling.faces.values() for face in listed)
    with labelling.database.transaction() as db:
        db.execute(f"UPDATE faces SET state = 'gone' WHERE id IN ({everything})")
    page.goto(page.url.replace(f"/files/{next(iter(labelling.faces))}/draw", "/classify"))
    page.locator("#none h1").wait_for()
    assert problems(page) == []


def test_another_person_can_be_found_on_wikidata(start: Start, labelling: Labelling, sandbox: Sandbox):
    somebody = somebody_else(sandbox)
    classify = start()
    face = classify.face()
    page = classify.page
    page.keyboard.press("o")
    page.keyboard.type(somebody.label)
    page.locator("#who-found li", has_text=somebody.label).first.wait_for()
    page.keyboard.press("ArrowDown")
    item = page.locator("#who-found [aria-selected=true]").get_attribute("data-item")
    page.keyboard.press("Enter")
    classify.wait_for_another_face(face)
    page.keyboard.press("o")
    page.keyboard.press("Escape")  # Cancelled.
    classify.settle()
    assert labelling.standing() == {face: "other"}
    assert answers_of(labelling, face)[0]["other_item"] == item == somebody.item


def test_person_stated_in_the_file_can_be_named_with_two_keys(start: Start, labelling: Labelling):
    with labelling.database.transaction() as db:
        depicted_items.keep_stated(db, {page: ["Q1001"] for page in labelling.faces})
        depicted_items.keep_labels(db, {"Q1001": {"en": "Berta"}}, complete=True)
    classify = start()
    face = classify.face()
    page = classify.page
    page.keyboard.press("o")
    page.locator("#who-found li", has_text="Berta").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    classify.wait_for_another_face(face)
    classify.settle()
    assert answers_of(labelling, face)[0]["other_item"] == "Q1001"


def test_step_that_the_server_fails_to_save_does_not_block_the_others(
    start: Start, open_page: Opener, labelling: Labelling
):
    open_page.allow("500")
    classify = start()
    poison = classify.face()
    failing = [True]

    def fail(route: Route) -> None:
        if failing[0] and f'"face":{poison},' in (route.request.post_data or ""):
            route.fulfill(status=500, content_type="application/json", body='{"error": "server", "text": "Oh"}')
        else:
            route.continue_()

    classify.page.route("**/answers", fail)
    given = classify.press("y", "n", "y")

    def others_saved() -> bool:
        classify.page.evaluate("dispatchEvent(new Event('online'))")  # Save now instead of after the interval.
        return len(labelling.standing()) == 2

    until(others_saved, "the others saved")
    until(lambda: classify.unsaved() == 1, "the page knows what is saved")
    failing[0] = False
    classify.page.evaluate("dispatchEvent(new Event('online'))")
    classify.settle()
    assert set(labelling.standing()) == set(given)


def test_browser_without_storage_is_reported(open_page: Opener, labelling: Labelling):
    open_page.allow("ERR_FAILED")
    page = open_page("/help", labelling.cookie())
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no') } })")
    page.route("**/answers", lambda route: route.abort())
    page.goto(page.url.replace("/help", f"/projects/{labelling.project_id}/classify"))
    classify = Classify(page, labelling)
    given = classify.press("y")
    page.locator("#status", has_text="1 answer not saved yet").wait_for()
    page.unroute("**/answers")
    page.evaluate("dispatchEvent(new Event('online'))")
    until(lambda: list(labelling.standing()) == given, "saved all the same")


def test_corrected_box_is_encoded_by_a_worker_within_seconds(
    site: Site, database: Database, sandbox: Sandbox, open_page: Opener, pictures: list[dict[str, Any]], tmp_path: Path
):
    """With real processes: a worker detects the face, its box is corrected, and the worker encodes it again."""
    labelling = fill(site.settings, database, pictures, 1)
    portrait = next(one for one in pictures if one["imageinfo"][0]["height"] > one["imageinfo"][0]["width"])
    with database.transaction() as db:
        db.execute("DELETE FROM project_files")
        db.execute("DELETE FROM questions")
        title = portrait["title"].removeprefix("File:")
        files.add_to_project(db, labelling.project_id, [(portrait["pageid"], title)], "source", 9000)
    worker = servers.worker(site.settings, "worker-1", tmp_path)
    try:
        classify = Classify(open_page(f"/projects/{labelling.project_id}/classify", labelling.cookie()), labelling)
        classify.face()
        classify.page.keyboard.press("e")
        classify.page.keyboard.press("ArrowRight")
        classify.page.keyboard.press("Enter")
        classify.wait_for_message("The face in your box was read")
        with database.transaction() as db:
            row = db.row(
                "SELECT state, LENGTH(encoding) AS bytes FROM faces WHERE project_id = %s", (labelling.project_id,)
            )
        assert row == {"state": "encoded", "bytes": 512}
    finally:
        worker.stop()
