"""Error pages have the header of any page: who is signed in, wherever the request ended."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from database import Database
from store.accounts import users
from testing import servers
from tests.web.browser import HTML, JSON, Browser
from tests.web.conftest import Cast

MARK = "Signed in as"

ENDINGS: dict[str, tuple[int, Callable[[Browser], TestResponse]]] = {
    "unknown address": (404, lambda browser: browser.get("/nothing")),
    "unknown address in a project": (404, lambda browser: browser.get("/projects/1/nothing")),
    "number that is none": (404, lambda browser: browser.get("/projects/x")),
    "unknown asset": (404, lambda browser: browser.get("/static/nothing/nothing.css")),
    "unknown method": (405, lambda browser: browser.get("/preferences")),
    "unknown method of a form": (405, lambda browser: browser.client.delete("/privacy", headers=HTML)),
    "expired form": (400, lambda browser: browser.client.post("/preferences", data={}, headers=HTML)),
    "project of somebody else": (404, lambda browser: browser.get("/projects/999999")),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_error_page_shows_who_is_signed_in(alice: Browser, anybody: Browser, ending: str):
    status, request = ENDINGS[ending]
    answer = request(alice)
    assert answer.status_code == status, answer.text
    assert MARK in answer.text
    assert ">Alice</strong>" in answer.text
    assert MARK not in request(anybody).text


def test_error_page_is_in_the_language_of_the_account(alice: Browser, cast: Cast, database: Database):
    with database.transaction() as db:
        users.set_language(db, cast.alice.id, "es")
    text = alice.get("/nothing").text
    assert 'lang="es"' in text
    assert "No encontrado" in text


def test_session_that_has_ended_is_not_shown_as_signed_in(alice: Browser, cast: Cast, database: Database):
    with database.transaction() as db:
        db.execute("UPDATE users SET session_epoch = session_epoch + 1")
    assert MARK not in alice.get("/nothing").text


def test_unknown_address_is_told_to_a_signed_in_user_without_the_database(web_settings: Settings, cast: Cast):
    app: Flask = create_app(replace(web_settings, db_port=servers.free_port()))
    browser = Browser(app, cast.alice)
    answer = browser.get("/nothing")
    assert (answer.status_code, MARK in answer.text) == (404, False)
    assert browser.client.get("/nothing", headers=JSON).status_code == 404
    assert browser.get("/projects").status_code == 503
