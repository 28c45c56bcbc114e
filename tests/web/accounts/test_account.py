"""Signing in through the sandbox's OAuth, signing out, and the validity of sessions."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask

from app import create_app
from config import Settings
from database import Database
from store.accounts import users
from tests.web.browser import Browser
from tests.web.conftest import Cast
from tests.web.statements import each_fails_once


@pytest.fixture
def wiki_app(local_settings: Settings) -> Flask:
    """The application configured for the sandbox."""
    return create_app(local_settings)


def consent(address: str, name: str, button: str = "accept") -> str:
    """Log in and consent on the wiki's pages; return the address to which the wiki redirects the browser."""
    wiki = requests.Session()
    base = "{0.scheme}://{0.netloc}".format(urlsplit(address))
    login = wiki.get(address)
    back = parse_qs(urlsplit(login.url).query)["returnto"][0]
    asked = wiki.post(f"{base}/wiki/Special:UserLogin", data={"wpName": name, "returnto": back})
    fields = parse_qs(urlsplit(asked.url).query)
    data = {"returnto": fields["returnto"][0], "returntoquery": fields["returntoquery"][0], button: ""}
    answer = wiki.post(f"{base}/wiki/Special:OAuth/approve", data=data, allow_redirects=False)
    while not answer.headers["Location"].startswith("http://localhost"):
        answer = wiki.get(requests.compat.urljoin(base, answer.headers["Location"]), allow_redirects=False)
    parts = urlsplit(answer.headers["Location"])
    return f"{parts.path}?{parts.query}"


def sign_in(browser: Browser, name: str, target: str = "/projects") -> str:
    started = browser.get(f"/auth/start?next={target}")
    return browser.get(consent(started.location, name)).location


def test_sign_in_creates_a_user_and_a_session(wiki_app: Flask, database: Database):
    browser = Browser(wiki_app)
    with browser.client.session_transaction() as session:
        session["planted"] = "by somebody else"
    assert sign_in(browser, "Dora") == "/projects"
    assert set(browser.session()) - {"_flashes"} == {"user", "epoch", "_permanent"}
    assert browser.get("/projects").status_code == 200
    with database.transaction() as db:
        row = db.row("SELECT name, access_token, refresh_token FROM users")
    assert row is not None
    assert row["name"] == "Dora"
    assert row["access_token"].startswith(b"f1:")
    assert row["refresh_token"].startswith(b"f1:")


def test_second_sign_in_with_the_same_account_finds_the_same_user(wiki_app: Flask, database: Database):
    sign_in(Browser(wiki_app), "Dora")
    with database.transaction() as db:
        db.execute("UPDATE users SET name = 'Dora before her rename'")
    sign_in(Browser(wiki_app), "Dora")
    with database.transaction() as db:
        assert db.column("SELECT name FROM users") == ["Dora"]


def test_sign_in_is_repeated_after_a_deadlock(wiki_app: Flask, database: Database):
    browser = Browser(wiki_app)
    with each_fails_once(1213) as failed:
        assert sign_in(browser, "Dora") == "/projects"
    assert failed
    assert browser.get("/projects").status_code == 200


def test_refusing_consent_is_reported_without_an_error(wiki_app: Flask, database: Database):
    browser = Browser(wiki_app)
    started = browser.get("/auth/start")
    answer = browser.get(consent(started.location, "Dora", "cancel"))
    assert answer.status_code == 400
    assert "You did not give WikiVisage permission" in answer.text
    assert "user" not in browser.session()


def test_callback_with_the_state_of_another_sign_in_is_refused(wiki_app: Flask, database: Database):
    mallory, victim = Browser(wiki_app), Browser(wiki_app)
    link = consent(mallory.get("/auth/start").location, "Mallory")
    victim.get("/auth/start")
    answer = victim.get(link)
    assert answer.status_code == 400
    assert "another window" in answer.text
    assert "user" not in victim.session()


def test_authorization_code_works_only_once(wiki_app: Flask, database: Database):
    browser = Browser(wiki_app)
    link = consent(browser.get("/auth/start").location, "Dora")
    assert browser.get(link).status_code == 302
    assert browser.get(link).status_code == 400


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "%2F%2Fevil.example", ""],
)
def test_redirect_after_sign_in_stays_within_the_site(wiki_app: Flask, database: Database, target: str):
    assert sign_in(Browser(wiki_app), "Dora", target) == "/"


def test_sign_out_ends_the_session(alice: Browser):
    alice.post("/auth/sign-out")
    assert alice.get("/projects").status_code == 302


def test_sign_out_everywhere_ends_other_sessions(app: Flask, alice: Browser, cast: Cast):
    elsewhere = Browser(app, cast.alice)
    assert elsewhere.get("/projects").status_code == 200
    alice.post("/auth/sign-out-everywhere")
    assert elsewhere.get("/projects").status_code == 302
    assert "user" not in elsewhere.session()


def test_session_of_a_deleted_account_is_invalid(database: Database, alice: Browser, cast: Cast):
    with database.transaction() as db:
        db.execute("DELETE FROM users WHERE id = %s", (cast.alice.id,))
        assert users.get(db, cast.alice.id) is None
    assert alice.get("/projects").status_code == 302
