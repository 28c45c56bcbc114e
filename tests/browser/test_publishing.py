"""Plan, send, progress, history and undo in a real browser; a worker sends to a wiki whose state is then checked."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from config import Settings
from database import Database
from sandbox.server import Sandbox
from testing.labelling_project import Labelling
from testing.publishing import Case, Sender, Wiki, make_project, paint, statements
from testing.waiting import until
from tests.browser.conftest import Opener, Site

FILES = 12


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wiki]:
    """A wiki with small painted pictures, which are not searched for faces."""
    folder = tmp_path_factory.mktemp("painted")
    paint(folder / "photos", FILES + 20)
    sandbox = Sandbox(folder / "photos", cache=folder / "cache").start()
    yield Wiki(sandbox)
    sandbox.stop()


@pytest.fixture
def case(site: Site, database: Database, painted: Wiki) -> Case:
    """Twelve approved files of Alice, who is also signed in on that wiki."""
    painted.post("reset", {})
    settings = replace(painted.settings(site.settings), contact="test@localhost")
    user_id = painted.sign_in(settings, database)
    with database.transaction() as db:
        project_id, pages = make_project(db, painted, user_id, FILES)
    return Case(settings, database, painted, user_id, project_id, pages)


@pytest.fixture
def sender(case: Case) -> Iterator[Sender]:
    found = case.sender()
    yield found
    found.stop()


def cookie(case: Case, settings: Settings) -> dict[str, str]:
    found: dict[str, str] = Labelling(settings, case.database, case.project_id, case.user_id, {}).cookie()
    return found


@pytest.fixture
def plan(open_page: Opener, case: Case, site: Site) -> Page:
    return open_page(f"/projects/{case.project_id}/send", cookie(case, site.settings))


def stated(case: Case) -> list[int]:
    """Return how often each file states the person."""
    return list(statements(case.wiki.state(), case.page_ids).values())


def done(page: Page) -> None:
    """Wait until the displayed batch is done."""
    expect(page.locator("#standing")).to_have_text("done")


def test_batch_is_planned_sent_and_undone(plan: Page, case: Case, sender: Sender):
    expect(plan.locator("#plan")).to_have_text("12 statements will be written")
    assert plan.locator(".edit").count() == FILES
    plan.get_by_role("button", name="Send 12 statements").dblclick()
    plan.wait_for_url(re.compile(r"/batches/\d+$"))
    plan.evaluate("window.same = true")
    done(plan)
    assert plan.evaluate("window.same")
    assert stated(case) == [1] * FILES
    expect(plan.locator("[data-count=done] dd")).to_have_text("12")
    expect(plan.locator("#list [data-state=done]")).to_have_count(FILES)
    plan.get_by_role("link", name="History").click()
    plan.locator(".edits a").first.click()
    first = plan.locator("#list .edit").first
    title = first.locator("a").first.inner_text()
    first.get_by_role("button", name="Undo").click()
    plan.wait_for_url(re.compile(r"/batches/\d+$"))
    expect(plan.locator("#list")).to_contain_text(title)
    done(plan)
    assert sorted(stated(case)) == [0] + [1] * (FILES - 1)
    plan.go_back()
    plan.reload()
    boxes = plan.locator("#list [name=edits]:not(:disabled)")
    boxes.nth(0).check()
    boxes.nth(1).check()
    plan.get_by_role("button", name="Undo the chosen ones").click()
    plan.wait_for_url(re.compile(r"/batches/\d+$"))
    done(plan)
    assert sum(stated(case)) == FILES - 3
    plan.get_by_role("link", name="History").click()
    plan.locator(".edits a").last.click()
    plan.get_by_role("link", name="Undo all…").click()
    plan.get_by_role("button", name="Undo 9 statements").click()
    plan.wait_for_url(re.compile(r"/batches/\d+$"))
    done(plan)
    assert sum(stated(case)) == 0
    plan.get_by_role("link", name="Send", exact=True).click()
    expect(plan.locator("#plan")).to_have_text("Nothing to send")
    expect(plan.locator(".filters")).to_contain_text("Undone 12")


def test_batch_page_shows_why_the_wiki_makes_it_wait(plan: Page, case: Case, sender: Sender):
    case.wiki.faults({"kind": "maxlag", "match": {"action": "^wbedit"}, "count": 6})
    sender.stop_sign.speed = 1.0
    plan.get_by_role("button", name="Send 12 statements").click()
    expect(plan.locator("#waiting")).to_be_visible()
    expect(plan.locator("#waiting")).to_contain_text("databases are behind")
    sender.stop_sign.speed = 20.0
    done(plan)
    assert stated(case) == [1] * FILES


def test_batch_can_be_paused_resumed_and_stopped_in_the_browser(plan: Page, case: Case):
    plan.get_by_role("button", name="Send 12 statements").click()
    plan.get_by_role("button", name="Pause").click()
    expect(plan.locator("#standing")).to_have_text("paused")
    expect(plan.locator("#why")).to_contain_text("Resume it when you like")
    plan.get_by_role("button", name="Resume").click()
    expect(plan.locator("#standing")).to_have_text("running")
    plan.get_by_role("button", name="Stop").click()
    expect(plan.locator("#standing")).to_have_text("stopped")
    expect(plan.locator("[data-count=cancelled] dd")).to_have_text("12")


def test_failed_edits_can_be_retried_in_the_browser(plan: Page, case: Case, sender: Sender):
    title = next(page["title"] for page in case.wiki.state()["files"] if page["id"] == case.page_ids[0])
    case.wiki.other("protect", title=title)
    plan.get_by_role("button", name="Send 12 statements").click()
    done(plan)
    failed = plan.locator("#list [data-state=failed]")
    expect(failed).to_contain_text("protected")
    case.wiki.other("protect", title=title, level="")
    plan.get_by_role("button", name="Try the failed ones again").click()
    expect(plan.locator("[data-count=done] dd")).to_have_text("12")
    assert stated(case) == [1] * FILES


def test_publishing_works_without_javascript(open_page: Opener, case: Case, site: Site, sender: Sender):
    path = f"/projects/{case.project_id}/send"
    page = open_page(path, cookie(case, site.settings), java_script_enabled=False)
    page.get_by_role("button", name="Send 12 statements").click()
    page.wait_for_url(re.compile(r"/batches/\d+$"))

    def over() -> bool:
        page.reload()
        return page.locator("#standing").inner_text() == "done"

    until(over, "the batch is done", every=0.25)
    assert stated(case) == [1] * FILES
    page.get_by_role("link", name="Undo all…").click()
    page.get_by_role("button", name="Undo 12 statements").click()
    assert page.locator("#batch h2").inner_text().startswith("Statements undone")


PATHS = ("send", "history", "removals", "audit", "batches/{batch}", "batches/{batch}/undo")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_publishing_pages_have_no_accessibility_violations(
    open_page: Opener, case: Case, site: Site, scheme: Any, width: int
):
    context = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    page = open_page(f"/projects/{case.project_id}/send", cookie(case, site.settings), **context)
    batch = case.send()
    for path in PATHS:
        page.goto(f"{site.address}/projects/{case.project_id}/{path.format(batch=batch)}")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
