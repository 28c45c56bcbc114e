"""Pages other than the questions in a real browser: live progress, threshold, new project, themes, no JavaScript."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from database import Database
from sandbox.server import Sandbox
from store.projects import projects
from testing.file_copies import change_files
from testing.labelling_project import Labelling, fill, nowhere
from tests.browser.conftest import Opener, Site

ROWS = ("target", "other", "match", "unsure", "no_match")
REPORT: dict[str, Any] = {
    "on": True,
    "histogram": {"to": 1.2, "bins": 120, **{name: [1] * 120 for name in ROWS}},
}


@pytest.fixture
def labelling(site: Site, database: Database) -> Labelling:
    """A project of eight files with a report of the model."""
    made = fill(site.settings, database, nowhere(8), 8)
    with database.transaction() as db:
        projects.modelled(db, made.project_id, 1, json.dumps(REPORT))
    return made


def home(labelling: Labelling) -> str:
    return f"/projects/{labelling.project_id}"


def test_progress_is_updated_without_reloading(open_page: Opener, labelling: Labelling):
    page = open_page(home(labelling), labelling.cookie())
    expect(page.locator("#progress")).to_contain_text("Every file was searched.")
    page.evaluate("window.stayed = true")
    with labelling.database.transaction() as db:
        change_files(db, "UPDATE files SET state = 'waiting', search_due_at = NOW() LIMIT 3")
    expect(page.locator("#progress progress")).to_be_visible()
    assert page.evaluate("window.stayed")


def test_threshold_slider_shows_its_effect(open_page: Opener, labelling: Labelling):
    page = open_page(home(labelling), labelling.cookie())
    effect, save = page.locator("#effect"), page.locator("[data-save]")
    expect(effect).to_have_text("At 0.60, 180 faces that nobody judged lie within.")
    expect(save).to_be_disabled()
    slider = page.get_by_role("slider", name="Distance threshold")
    slider.press("ArrowRight")
    expect(effect).to_have_text("At 0.61, 183 faces that nobody judged lie within. That is 3 more than now.")
    box = page.locator(".bars").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 20)
    page.mouse.up()
    expect(effect).to_contain_text("At 0.40, 120 faces that nobody judged lie within. That is 60 fewer than now.")
    save.click()
    expect(page.locator(".flash")).to_contain_text("Saved.")
    with labelling.database.transaction() as db:
        project = projects.get(db, labelling.project_id)
    assert project is not None
    assert project.distance_threshold == pytest.approx(0.4)


def test_new_project_can_be_created_by_typing(open_page: Opener, labelling: Labelling, sandbox: Sandbox):
    label = next(
        item.entity.labels["en"]
        for item in sandbox.world.state.items.values()
        if sandbox.world.page(f"Category:{item.entity.labels['en']}")
    )
    page = open_page("/projects/new", labelling.cookie())
    page.get_by_role("searchbox").press_sequentially(label[:6])
    page.locator("#people .person", has_text=label).first.click()
    page.get_by_label("Category on Commons").fill(f"Photographs with {label}")
    page.get_by_role("button", name="Check again").click()
    total = page.locator("[data-sum]")
    before = _number(total.inner_text())
    row = page.locator("#tree li", has=page.locator("input[type=checkbox]")).first
    row.get_by_role("checkbox").uncheck()
    assert _number(total.inner_text()) == before - int(row.get_attribute("data-files") or 0)
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(label)
    with labelling.database.transaction() as db:
        assert db.value("SELECT excluded FROM projects ORDER BY id DESC LIMIT 1") == f"Photographs with {label}, album"


def _number(text: str) -> int:
    return int("".join(letter for letter in text if letter.isdigit()))


def test_pages_work_without_javascript(open_page: Opener, labelling: Labelling, sandbox: Sandbox):
    item, label = next(
        (number, item.entity.labels["en"])
        for number, item in sandbox.world.state.items.items()
        if sandbox.world.page(f"Category:{item.entity.labels['en']}")
    )
    page = open_page("/projects/new", labelling.cookie(), java_script_enabled=False)
    page.get_by_role("searchbox").fill(label)
    page.get_by_role("button", name="Search", exact=True).click()
    page.locator(f'.person[href$="{item}"]').click()
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(label)
    page.locator(".menu summary").click()
    page.get_by_role("button", name="français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Sombre").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Se déconnecter").click()
    expect(page.get_by_role("link", name="Se connecter avec Wikimedia")).to_be_visible()


def test_theme_changes_immediately_and_is_kept(open_page: Opener, labelling: Labelling):
    page = open_page("/projects", labelling.cookie())
    light = _background(page)
    page.evaluate("window.stayed = true")
    page.locator(".menu summary").click()
    with page.expect_response("**/preferences"):
        page.get_by_role("button", name="Dark").click()
    assert _background(page) != light
    assert page.evaluate("window.stayed")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()
    page.reload()
    assert _background(page) != light


def _background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


@pytest.mark.parametrize("width", [360, 768, 3840])
@pytest.mark.parametrize("language", ["en", "nb", "es", "fr"])
def test_no_page_is_wider_than_the_screen(open_page: Opener, labelling: Labelling, width: int, language: str):
    page = open_page("/", labelling.cookie(), viewport={"width": width, "height": 800}, locale=language)
    base = home(labelling)
    for path in (
        "/projects",
        base,
        f"{base}/settings",
        f"{base}/delete",
        "/projects/new",
        "/help",
        "/privacy",
        "/account",
    ):
        page.goto(f"{open_page.site.address}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
