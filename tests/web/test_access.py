"""Who may what: the table of expected answers for every route of these blueprints."""

from typing import Any

import pytest
from flask import Flask

from database import Database
from store import projects
from tests.web.browser import JSON, Browser
from tests.web.conftest import Cast

OWN = {"account", "creation", "dashboard", "faces", "health", "leaderboard", "pages", "project", "settings", "static"}
SIGN_IN = 302  # to the sign-in page

# Endpoint: what an anonymous visitor, a stranger, an invited labeller and the owner get (with a valid CSRF token).
EXPECTED = {
    "GET account.sign_in_page": (200, 200, 200, 200),
    "GET account.start": (302, 302, 302, 302),
    "GET account.callback": (400, 400, 400, 400),
    "POST account.sign_out": (302, 302, 302, 302),
    "POST account.sign_out_everywhere": (SIGN_IN, 302, 302, 302),
    "GET account.page": (SIGN_IN, 200, 200, 200),
    "GET creation.page": (SIGN_IN, 200, 200, 200),
    "GET creation.people": (SIGN_IN, 200, 200, 200),
    "POST creation.submit": (SIGN_IN, 400, 400, 400),
    "GET dashboard.index": (SIGN_IN, 200, 200, 200),
    "GET faces.chip": (SIGN_IN, 404, 404, 404),
    "GET health.page": (200, 200, 200, 200),
    "GET health.as_json": (200, 200, 200, 200),
    "GET leaderboard.index": (200, 200, 200, 200),
    "GET pages.landing": (200, 302, 302, 302),
    "GET pages.privacy": (200, 200, 200, 200),
    "GET pages.help_page": (200, 200, 200, 200),
    "POST pages.preferences": (302, 302, 302, 302),
    "GET pages.manifest": (200, 200, 200, 200),
    "GET pages.favicon": (200, 200, 200, 200),
    "GET pages.robots": (200, 200, 200, 200),
    "GET project.page": (SIGN_IN, 404, 200, 200),
    "GET project.live": (SIGN_IN, 404, 200, 200),
    "GET project.numbers": (SIGN_IN, 404, 200, 200),
    "POST project.retry": (SIGN_IN, 404, 302, 302),
    "GET settings.page": (SIGN_IN, 404, 403, 200),
    "POST settings.save": (SIGN_IN, 404, 403, 400),
    "POST settings.threshold": (400, 400, 400, 400),
    "POST settings.status": (400, 400, 400, 400),
    "POST settings.invite": (SIGN_IN, 404, 403, 400),
    "POST settings.remove": (SIGN_IN, 404, 403, 302),
    "POST settings.leave": (SIGN_IN, 404, 302, 302),
    "GET settings.ask_delete": (SIGN_IN, 404, 403, 200),
    "POST settings.delete": (SIGN_IN, 404, 403, 400),
    "GET static": (404, 404, 404, 404),
}
# These look at the form before they look at the person: with a form that is right they answer like the others.
FILLED = {
    "POST settings.threshold": ({"threshold": "0.5"}, (SIGN_IN, 404, 403, 302)),
    "POST settings.status": ({"status": "paused"}, (SIGN_IN, 404, 403, 302)),
    "POST settings.save": (
        {"label": "D. A.", "threshold": "0.5", "confirmed": "3", "budget": "50"},
        (SIGN_IN, 404, 403, 302),
    ),
    "POST settings.invite": ({"name": "Charlie"}, (SIGN_IN, 404, 403, 302)),
    "POST settings.delete": ({"confirm": "q42"}, (SIGN_IN, 404, 403, 302)),
}
CASES: list[tuple[str, dict[str, str], tuple[int, ...]]] = [
    (route, {}, expected) for route, expected in EXPECTED.items()
] + [(route, form, expected) for route, (form, expected) in FILLED.items()]


def routes(app: Flask) -> dict[str, str]:
    """The address pattern of every route of these blueprints, by "METHOD endpoint"."""
    return {
        f"{method} {rule.endpoint}": rule.rule
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint.split(".")[0] in OWN
    }


def address(app: Flask, route: str, project_id: int) -> str:
    values: dict[str, Any] = {
        "project_id": project_id,
        "user_id": 999,
        "face_id": 999,
        "version": "0",
        "name": "nothing.css",
    }
    endpoint = route.split()[1]
    with app.test_request_context():
        rule = next(rule for rule in app.url_map.iter_rules() if rule.endpoint == endpoint)
        return str(app.url_for(endpoint, **{name: values[name] for name in rule.arguments}))


def test_every_route_has_its_row(app: Flask):
    assert set(routes(app)) == set(EXPECTED)


@pytest.mark.parametrize("person", range(4), ids=["anonymous", "stranger", "labeller", "owner"])
@pytest.mark.parametrize(
    ("route", "form", "expected"), CASES, ids=[f"{c[0]} {'filled' if c[1] else ''}" for c in CASES]
)
def test_who_may(app: Flask, cast: Cast, route: str, form: dict[str, str], expected: tuple[int, ...], person: int):
    user = (None, cast.charlie, cast.bob, cast.alice)[person]
    browser = Browser(app, user)
    url = address(app, route, cast.project_id)
    answer = browser.get(url) if route.startswith("GET") else browser.post(url, **form)
    wanted = expected[person]
    if user is None and route in {"POST settings.threshold", "POST settings.status"}:
        wanted = SIGN_IN
    assert answer.status_code == wanted, answer.text
    if user is None and wanted == SIGN_IN and EXPECTED[route][1] != 302:
        assert answer.location.startswith("/auth/sign-in")


@pytest.mark.parametrize("route", [route for route in EXPECTED if route.startswith("POST")])
def test_nothing_changes_without_a_csrf_token(app: Flask, cast: Cast, route: str):
    browser = Browser(app, cast.alice)
    url = address(app, route, cast.project_id)
    page = browser.client.post(url, data=FILLED.get(route, ({}, ()))[0], headers={"Accept": "text/html"})
    assert page.status_code == 400
    assert "form has expired" in page.text
    script = browser.client.post(url, json={}, headers=JSON)
    assert (script.status_code, script.get_json()["error"]) == (400, "csrf")


def test_a_script_hears_that_it_is_signed_out(anybody: Browser):
    answer = anybody.client.get("/projects/1/progress", headers=JSON)
    assert (answer.status_code, answer.get_json()["error"]) == (401, "signed_out")


def test_a_deleted_project_is_gone_for_its_members_alone(
    database: Database, alice: Browser, charlie: Browser, cast: Cast
):
    with database.transaction() as db:
        projects.delete(db, cast.project_id)
    page = alice.get(f"/projects/{cast.project_id}")
    assert page.status_code == 410
    assert "still there" in page.text
    assert charlie.get(f"/projects/{cast.project_id}").status_code == 404
