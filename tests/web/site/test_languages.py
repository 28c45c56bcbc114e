"""The language of the pages, number formats and text direction."""

import json

import pytest
from flask import Flask

from database import Database
from store.accounts import users
from tests.web.browser import Browser
from tests.web.conftest import Cast
from web.site import i18n


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("nb", "nb"),
        ("no", "nb"),
        ("nn-NO, en;q=0.5", "nb"),
        ("es-MX", "es"),
        ("de, fr;q=0.5", "fr"),
        ("de", "en"),
        ("", "en"),
        ("*", "en"),
    ],
)
def test_language_is_chosen_by_the_accept_language_header(anybody: Browser, accepted: str, expected: str):
    page = anybody.get("/", headers={"Accept-Language": accepted}).text
    assert f'<html lang="{expected}" dir="ltr"' in page


def test_chosen_language_is_stored_in_the_session_and_the_account(
    database: Database, alice: Browser, app: Flask, cast: Cast
):
    answer = alice.post("/preferences", language="fr", next="/projects")
    assert answer.location == "/projects"
    assert "Vos projets" in alice.get("/projects").text
    with database.transaction() as db:
        user = users.get(db, cast.alice.id)
    assert user is not None
    assert user.language == "fr"
    assert "Vos projets" in Browser(app, cast.alice).get("/projects").text


def test_unknown_language_is_ignored(anybody: Browser):
    anybody.post("/preferences", language="../../etc")
    assert '<html lang="en"' in anybody.get("/").text


def test_chosen_theme_is_stored(anybody: Browser):
    assert 'data-theme="auto"' in anybody.get("/").text
    anybody.post("/preferences", theme="dark")
    assert 'data-theme="dark"' in anybody.get("/").text
    anybody.post("/preferences", theme='"><script>')
    assert 'data-theme="dark"' in anybody.get("/").text


@pytest.mark.parametrize(
    ("language", "number"), [("en", "12,345"), ("nb", "12\xa0345"), ("es", "12.345"), ("fr", "12\u202f345")]
)
def test_numbers_are_formatted_for_the_language(database: Database, app: Flask, cast: Cast, language: str, number: str):
    with database.transaction() as db:
        db.execute("INSERT INTO user_stats (user_id, answers) VALUES (%s, 12345)", (cast.bob.id,))
    page = Browser(app).get("/leaderboard", headers={"Accept-Language": language}).text
    assert number in page


@pytest.mark.parametrize(("language", "categories"), [("en", {"one", "other"}), ("fr", {"one", "many", "other"})])
def test_plural_forms_are_passed_to_scripts(app: Flask, language: str, categories: set[str]):
    with app.test_request_context(headers={"Accept-Language": language}):
        forms = i18n.plurals("%(num)d file to look at", "%(num)d files to look at")
    assert set(forms) == categories
    assert all("%(num)d" in form for form in forms.values())


def test_texts_for_scripts_are_json(alice: Browser, cast: Cast):
    page = alice.get(f"/projects/{cast.project_id}").text
    strings = page.split('id="strings">')[1].split("</script>")[0]
    assert set(json.loads(strings)) >= {"within", "more", "fewer"}


def test_right_to_left_language_sets_the_direction(app: Flask):
    i18n.LANGUAGES["he"] = "עברית"
    try:
        page = Browser(app).get("/", headers={"Accept-Language": "he"}).text
    finally:
        del i18n.LANGUAGES["he"]
    assert '<html lang="he" dir="rtl"' in page
