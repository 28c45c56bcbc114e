"""The review in a real browser: 200 faces by keyboard and mouse, undo, whole pictures, paging, no JavaScript."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from database import Database
from sandbox.server import Sandbox
from store.labelling.predictions import Prediction
from testing.labelling_project import Labelling, fill, photographs, replace_predictions
from testing.waiting import until
from tests.browser.conftest import Opener, Site

COUNT = 200


@pytest.fixture
def labelling(site: Site, database: Database, sandbox: Sandbox) -> Labelling:
    """A project of 200 files with one face each, all of them matches, sorted by descending probability."""
    found = fill(site.settings, database, photographs(sandbox, 12), COUNT)
    rows = [
        Prediction(face, page, 0.3 + place / 1000, 0.999 - place / 4000, "match")
        for place, (page, (face,)) in enumerate(found.faces.items())
    ]
    with database.transaction() as db:
        replace_predictions(db, found.project_id, 1, rows)
    return found


@dataclass
class Review:
    """The page with the actions of a user; faces are identified by their place in the order of probability."""

    page: Page
    labelling: Labelling

    def place(self, face: int) -> int:
        return [listed[0] for listed in self.labelling.faces.values()].index(face)

    def shown(self) -> list[int]:
        """Return the places of the displayed faces."""
        faces = self.page.eval_on_selector_all(
            "#faces .face", "cells => cells.map((cell) => Number(cell.dataset.face))"
        )
        return [self.place(face) for face in faces]

    def chosen(self) -> list[int]:
        faces = self.page.eval_on_selector_all("[name=faces]:checked", "boxes => boxes.map((box) => Number(box.value))")
        return [self.place(face) for face in faces]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def cell(self, place: int) -> Any:
        face = list(self.labelling.faces.values())[place][0]
        return self.page.locator(f".face[data-face='{face}']")

    def count(self, show: str) -> int:
        """Return the count displayed at the filter."""
        text = self.page.locator(f".filters a[href*='show={show}'] .count").inner_text()
        return int(text.replace(",", ""))

    def becomes(self, show: str, count: int) -> None:
        """Wait until a filter shows this count."""
        until(lambda: self.count(show) == count, f"{count} {show}")


@pytest.fixture
def review(open_page: Opener, labelling: Labelling) -> Review:
    return Review(open_page(f"/projects/{labelling.project_id}/review", labelling.cookie()), labelling)


def approved(labelling: Labelling) -> set[int]:
    """Return the places of the files that are approved in bulk."""
    with labelling.database.transaction() as db:
        pages = db.column("SELECT page_id FROM approvals WHERE kind = 'bulk'")
    return {list(labelling.faces).index(page) for page in pages}


def rejected(labelling: Labelling) -> set[int]:
    faces = [listed[0] for listed in labelling.faces.values()]
    return {faces.index(face) for face, label in labelling.standing().items() if label == "other"}


def test_two_hundred_faces_can_be_reviewed_by_keyboard(review: Review):
    review.press("ArrowRight", " ", "ArrowRight", "ArrowRight", " ")
    assert review.chosen() == [0, 2]
    review.press("n")
    review.becomes("rejected", 2)
    assert review.shown()[:3] == [1, 3, 4]
    review.press("ArrowRight", " ", "Shift+ArrowRight", "Shift+ArrowRight")
    assert len(review.chosen()) == 3
    taken = review.chosen()
    review.press("n")
    review.becomes("rejected", 5)
    for left in (195 - 72, 195 - 144, 0):
        review.press("Control+a", "a")
        review.becomes("matches", left)
    assert rejected(review.labelling) == {0, 2, *taken}
    assert approved(review.labelling) == set(range(COUNT)) - {0, 2, *taken}
    assert "Nothing to approve" in review.page.locator("#grid").inner_text()


def test_all_matches_can_be_approved_and_undone_in_one_step(review: Review):
    review.page.locator("details.every summary").click()
    review.page.locator("details.every button").click()
    review.becomes("approved", COUNT)
    review.page.click(".empty [data-undo]")
    review.becomes("matches", COUNT)
    assert approved(review.labelling) == set()


def test_faces_can_be_selected_with_shift_and_by_dragging(review: Review):
    review.cell(1).locator("img").click()
    review.cell(4).locator("img").click(modifiers=["Shift"])
    assert review.chosen() == [1, 2, 3, 4]
    review.cell(2).locator("img").click()
    assert review.chosen() == [1, 3, 4]
    assert review.page.locator("#chosen").inner_text() == "3 chosen"
    start, end = (review.cell(place).locator("img").bounding_box() for place in (8, 10))
    assert start is not None
    assert end is not None
    review.page.mouse.move(start["x"] + 40, start["y"] + 90)
    review.page.mouse.down()
    review.page.mouse.move(end["x"] + 40, end["y"] + 90, steps=8)
    review.page.mouse.up()
    assert review.chosen() == [1, 3, 4, 8, 9, 10]
    review.page.click("[data-act=reject]")
    review.becomes("rejected", 6)
    assert rejected(review.labelling) == {1, 3, 4, 8, 9, 10}


def test_steps_can_be_undone_after_a_reload(review: Review):
    review.cell(0).locator("img").click()
    review.press("n")
    review.becomes("rejected", 1)
    review.cell(1).locator("img").click()
    review.cell(2).locator("img").click()
    review.press("a")
    review.becomes("approved", 2)
    review.press("z")
    review.becomes("approved", 0)
    review.page.reload()
    review.press("z")
    review.becomes("rejected", 0)
    assert review.shown()[:3] == [0, 1, 2]


def test_face_can_be_answered_from_the_whole_picture(review: Review):
    review.cell(0).locator(".look").click()
    dialog = review.page.locator("dialog[open]")
    dialog.locator("svg image").wait_for()
    first = dialog.locator("h2").inner_text()
    review.press("y")
    until(lambda: dialog.locator("h2").inner_text() != first, "the next picture")
    review.press("n", "Escape")
    review.becomes("confirmed", 1)
    review.becomes("rejected", 1)
    (one,), (two,), *_ = review.labelling.faces.values()
    assert review.labelling.standing() == {one: "target", two: "other"}


def test_current_page_is_kept_after_an_answer_and_a_reload(review: Review):
    review.page.evaluate("window.same = true")
    review.page.click("[rel=next]")
    review.page.wait_for_url(re.compile("page=2"))
    until(lambda: review.shown()[:1] == [72], "the second page")
    review.cell(73).locator("img").click()
    review.press("n")
    review.becomes("rejected", 1)
    assert review.shown()[:2] == [72, 74]
    assert review.page.evaluate("window.same")
    review.page.reload()
    assert review.shown()[:2] == [72, 74]
    review.page.go_back()
    until(lambda: review.shown()[:1] == [0], "the first page")


def test_filters_and_orders_change_without_loading_the_page(review: Review):
    review.page.evaluate("window.same = true")
    review.page.select_option("#sort", "doubt")
    until(lambda: review.shown()[:2] == [199, 198], "the least sure first")
    review.page.click(".filters a[href*='show=rejected']")
    review.page.wait_for_url(re.compile("show=rejected"))
    assert review.page.evaluate("window.same")


def test_no_answer_is_lost_while_the_server_is_down(review: Review, open_page: Opener):
    open_page.allow("Failed to load resource")
    review.page.context.set_offline(True)
    review.cell(0).locator("img").click()
    review.press("n")
    review.page.locator(".toast").first.wait_for()
    until(lambda: review.page.locator("[data-leaving]").count() == 0, "the face is back")
    review.page.context.set_offline(False)
    review.cell(0).locator("img").click()
    review.press("n")
    review.becomes("rejected", 1)


def test_all_matches_can_be_approved_without_javascript(open_page: Opener, labelling: Labelling):
    path = f"/projects/{labelling.project_id}/review"
    page = open_page(path, labelling.cookie(), java_script_enabled=False)
    page.click("[rel=next]")
    page.locator("[name=faces]").nth(0).check()
    page.locator("[name=faces]").nth(1).check()
    page.click("[data-act=reject]")
    assert "page=2" in page.url
    assert rejected(labelling) == {72, 73}
    page.locator("[data-undo]").click()
    assert rejected(labelling) == set()
    page.locator("details.every summary").click()
    assert "Wrong statements to be expected" in page.locator("details.every").inner_text()
    page.locator("details.every button").click()
    assert approved(labelling) == set(range(COUNT))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_review_page_has_no_accessibility_violations(open_page: Opener, labelling: Labelling, scheme: str, width: int):
    viewport = {"width": width, "height": 800}
    path = f"/projects/{labelling.project_id}/review"
    page = open_page(path, labelling.cookie(), color_scheme=scheme, viewport=viewport)
    page.locator("[name=faces]").first.check()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.locator(".look").first.click()
    page.locator("dialog[open] svg").wait_for()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
