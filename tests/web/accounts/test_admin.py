"""The administration page, accounts that may not sign in, and people who may not be looked for."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from app import create_app
from config import Settings
from database import Database
from store import worker_claims
from store.jobs import workers
from store.projects import projects
from tests.web.accounts.test_account import consent
from tests.web.browser import Browser
from tests.web.conftest import Cast
from tests.web.publishing.support import Case, make_case


@pytest.fixture
def admins_app(web_settings: Settings, database: Database) -> Flask:
    return create_app(replace(web_settings, admins=("Charlie",), blocked_items=("Q999",)))


@pytest.fixture
def admin(admins_app: Flask, cast: Cast) -> Browser:
    return Browser(admins_app, cast.charlie)


def test_admin_page_shows_workers_but_no_token(database: Database, admin: Browser, cast: Cast):
    with database.transaction() as db:
        worker_claims.register(db, "worker-1", "host-7", 4711)
        db.execute("UPDATE users SET access_token = 'p1:SECRET-ACCESS', refresh_token = 'p1:SECRET-REFRESH'")
    page = admin.get("/admin").text
    assert all(word in page for word in ("worker-1", "host-7", "4711", "Q999"))
    assert "SECRET" not in page


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("not made ready yet", "SFace ready", "CenterFace is missing: HOG alone. &lt;no package&gt;")),
        ("nb", ("ikke gjort klart ennå", "SFace er klart", "CenterFace mangler: HOG alone. &lt;no package&gt;")),
    ],
)
def test_admin_page_lists_the_networks_of_each_worker(
    database: Database, admin: Browser, language: str, words: tuple[str, ...]
):
    with database.transaction() as db:
        worker_claims.register(db, "worker-1", "host-7", 4711)
        worker_claims.register(db, "worker-2", "host-7", 4712)
        workers.set_networks(db, "worker-2", {"CenterFace": "HOG alone. <no package>", "SFace": ""})
    page = admin.get("/admin", headers={"Accept-Language": language}).text
    assert [word for word in words if word not in page] == []


def test_link_to_the_admin_page_is_shown_to_administrators_only(alice: Browser, admin: Browser):
    assert 'href="/admin"' in admin.get("/help").text
    assert 'href="/admin"' not in alice.get("/help").text


@pytest.fixture
def case(database: Database, cast: Cast) -> Case:
    """Alice's project about Q42 with two confirmed files and one approved edit that waits."""
    found = make_case(database, cast.project_id, {"Alice": cast.alice.id, "Bob": cast.bob.id}, 3)
    found.record_answer(0, "target")
    return found


def test_blocking_an_item_pauses_its_projects_and_cancels_waiting_edits(
    admins_app: Flask, case: Case, cast: Cast, admin: Browser
):
    alice = Browser(admins_app, cast.alice)
    alice.send(case.url("/send"), {})
    answer = admin.post("/admin/blocked", item="https://www.wikidata.org/wiki/Q42", reason="asked us <b>not</b> to")
    assert answer.status_code == 303
    assert "1 project was paused" in admin.get("/admin").text
    assert "&lt;b&gt;not" in admin.get("/admin").text
    assert case.value("SELECT CONCAT(status, barred) FROM projects") == "pausedblocked_item"
    assert case.value("SELECT GROUP_CONCAT(state) FROM edits") == "cancelled"
    assert "Nobody may look for this person" in alice.get(case.url()).text


def test_project_about_a_blocked_item_can_be_ended_and_undone_only(
    admins_app: Flask, case: Case, cast: Cast, admin: Browser
):
    admin.post("/admin/blocked", item="Q42")
    alice = Browser(admins_app, cast.alice)
    for path, body in (("/answers", {"steps": []}), ("/send", {}), ("/review/approve", {"faces": [case.face(1)]})):
        if path != "/answers":
            answer = alice.send(case.url(path), body)
            assert (answer.status_code, answer.get_json()["error"]) == (403, "barred"), path
    assert alice.post(case.url("/retry")).status_code == 403
    assert alice.post(case.url("/status"), status="active").status_code == 403
    assert alice.get(case.url("/history")).status_code == 200
    assert alice.post(case.url("/delete"), confirm="Q42").status_code == 302


def test_owner_can_resume_a_project_after_the_item_was_unblocked(
    admins_app: Flask, case: Case, cast: Cast, admin: Browser
):
    admin.post("/admin/blocked", item="Q42")
    admin.post("/admin/blocked/Q42/remove")
    assert case.value("SELECT CONCAT(status, COALESCE(barred, '')) FROM projects") == "paused"
    assert Browser(admins_app, cast.alice).post(case.url("/status"), status="active").status_code == 302
    assert case.value("SELECT status FROM projects") == "active"


@pytest.mark.parametrize("form", [{"item": "Douglas"}, {"item": ""}, {"item": "Q1", "reason": "x" * 256}])
def test_invalid_item_to_block_is_refused_with_a_message(database: Database, admin: Browser, form: dict[str, str]):
    assert admin.post("/admin/blocked", **form).status_code == 400
    with database.transaction() as db:
        assert not db.value("SELECT COUNT(*) FROM blocked_items")


@pytest.mark.parametrize("by", ["setting", "page"])
def test_project_about_a_blocked_person_cannot_be_created(
    local_settings: Settings, database: Database, cast: Cast, by: str
):
    item = "Q42"
    app = create_app(replace(local_settings, admins=("Charlie",), blocked_items=(item,) if by == "setting" else ()))
    if by == "page":
        Browser(app, cast.charlie).post("/admin/blocked", item=item)
    with database.transaction() as db:
        projects.delete(db, cast.project_id)
    form = {"item": item, "kind": "category", "category": "Anything", "action": "create"}
    answer = Browser(app, cast.alice).post("/projects/new", **form)
    assert answer.status_code == 400
    with database.transaction() as db:
        assert db.value("SELECT COUNT(*) FROM projects WHERE status <> 'deleted'") == 0


def test_account_that_may_not_sign_in_gets_a_message_and_is_not_stored(local_settings: Settings, database: Database):
    app = create_app(replace(local_settings, blocked_users=("Mallory",)))
    browser = Browser(app)
    answer = browser.get(consent(browser.get("/auth/start").location, "Mallory"))
    assert answer.status_code == 403
    assert "may not use this site" in answer.text
    assert "user" not in browser.session()
    with database.transaction() as db:
        assert db.value("SELECT COUNT(*) FROM users") == 0


@pytest.mark.parametrize(
    "lists", [{"blocked_users": ("Alice",)}, {"blocked_users": ("#central-Alice",)}, {"allowed_users": ("Bob",)}]
)
def test_session_ends_when_its_account_is_blocked(web_settings: Settings, cast: Cast, lists: dict[str, Any]):
    app = create_app(replace(web_settings, **lists))
    assert Browser(app, cast.alice).get("/projects").location.startswith("/auth/sign-in")
    assert Browser(app, cast.bob).get("/projects").status_code == 200
