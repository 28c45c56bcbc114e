"""Compare the responses of every route and method with the table in tests/web/routes.py."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from database import Database
from store.accounts.users import User
from store.projects import projects
from store.projects.projects import NewProject
from store.publishing import plans
from tests.web.browser import HTML, JSON, Browser
from tests.web.conftest import Cast, sign_up
from tests.web.publishing.support import Case, make_case
from tests.web.routes import PEOPLE, SIGN_IN, TABLE, Row, nothing
from tests.web.statements import at_once, each_fails_once

POSTS = [route for route in TABLE if route.startswith("POST")]
OF_PROJECTS = [route for route in TABLE if route.split()[1].split(".")[0] not in {
    "account", "admin", "creation", "dashboard", "health", "leaderboard", "pages", "static"
}]  # fmt: skip


@pytest.fixture(scope="module")
def guarded(web_settings: Settings) -> Flask:
    """The application with an administrator who is not a member of any project."""
    return create_app(replace(web_settings, admins=("Dora",)))


@dataclass
class World:
    """Alice's project (Bob is its labeller) with her batch, and Charlie's with his."""

    app: Flask
    database: Database
    case: Case
    foreign: Case
    batches: tuple[int, int]
    people: dict[str, User | None]

    def browser(self, person: str) -> Browser:
        return Browser(self.app, self.people[person])

    def value(self, name: str, *, foreign: bool = False) -> Any:
        """Return the value for an argument of an address; `foreign`: of Charlie's project."""
        inside = self.foreign if foreign else self.case
        values: dict[str, Any] = {
            "project_id": inside.project_id,
            "user_id": self.people["stranger" if foreign else "labeller"].id,  # type: ignore[union-attr]
            "face_id": inside.face(1),
            "page_id": inside.page(1),
            "batch_id": self.batches[foreign],
            "version": "0",
            "name": "nothing.css",
            "item": "Q404",
        }
        return values[name]

    def url(self, route: str, *, foreign: bool = False, **given: Any) -> str:
        """Return the route's address in Alice's project; `foreign`: with ids of Charlie's project inside it."""
        endpoint = route.split()[1]
        with self.app.test_request_context():
            rule = next(rule for rule in self.app.url_map.iter_rules() if rule.endpoint == endpoint)
            values = {name: self.value(name, foreign=foreign and name != "project_id") for name in rule.arguments}
            known = {name: given[name] for name in given if name in rule.arguments}
            return str(self.app.url_for(endpoint, **{**values, **known}))

    def ask(self, person: str, route: str, row: Row, url: str) -> TestResponse:
        """Send the request with a valid CSRF token and return the response."""
        browser, body = self.browser(person), row.body(self.case)
        if route.startswith("GET"):
            return browser.client.get(url, headers=JSON if row.script else HTML)
        return browser.send(url, body) if row.script else browser.post(url, **body)

    def mark(self) -> list[Any]:
        """Return a value that changes when any row of any table changes."""
        with self.database.transaction() as db:
            tables = db.column("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
            return db.rows(f"CHECKSUM TABLE {', '.join(sorted(tables))}")


@pytest.fixture
def world(guarded: Flask, database: Database, cast: Cast) -> World:
    with database.transaction() as db:
        dora = sign_up(db, "Dora")
        theirs = projects.create(db, cast.charlie.id, NewProject("Q1", "Somebody", "Somebody"))
    case = make_case(database, cast.project_id, {"Alice": cast.alice.id, "Bob": cast.bob.id}, 4)
    foreign = make_case(database, theirs, {"Charlie": cast.charlie.id}, 4, first=9000)
    with database.transaction() as db:
        case.record_answer(0, "target")
        foreign.record_answer(0, "target", "Charlie")
    with database.transaction() as db:
        mine = plans.send(db, cast.project_id, cast.alice.id)
        other = plans.send(db, theirs, cast.charlie.id)
    assert mine is not None
    assert other is not None
    people = dict(zip(PEOPLE, (None, cast.charlie, dora, cast.bob, cast.alice), strict=True))
    return World(guarded, database, case, foreign, (mine, other), people)


def test_every_route_is_in_the_table(app: Flask):
    found = {
        f"{method} {rule.endpoint}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert found == set(TABLE)


@pytest.mark.parametrize("route", TABLE)
def test_each_kind_of_user_gets_the_expected_status(world: World, route: str):
    row, url = TABLE[route], world.url(route)
    for person, expected in zip(PEOPLE, row.expected, strict=True):
        before = world.mark()
        answer = world.ask(person, route, row, url)
        status = 401 if row.script and expected == SIGN_IN else 302 if expected == SIGN_IN else expected
        assert answer.status_code == status, (person, answer.text)
        if expected == SIGN_IN and not row.script:
            assert answer.location.startswith("/auth/sign-in?next=")
        if expected in {SIGN_IN, 403, 404}:
            assert world.mark() == before, f"{person} has changed something"


@pytest.mark.parametrize("route", POSTS)
def test_nothing_changes_without_a_csrf_token(world: World, route: str):
    row, url, before = TABLE[route], world.url(route), world.mark()
    client, body = world.browser("owner").client, row.body(world.case)
    for sent in ("", "no token at all", world.browser("labeller").token()):
        page = client.post(url, data=body | ({"csrf_token": sent} if sent else {}), headers=HTML)
        assert (page.status_code, "form has expired" in page.text) == (400, True), sent
        script = client.post(url, json=body, headers=JSON | ({"X-CSRFToken": sent} if sent else {}))
        assert (script.status_code, script.get_json()["error"]) == (400, "csrf"), sent
    assert world.mark() == before


# Routes that, with what the table sends, neither lock nor write anything.
WITHOUT_LOCKS = {
    "POST account.sign_out", "POST account.delete", "POST creation.submit",
}  # fmt: skip


@pytest.mark.parametrize("code", [1213, 1205], ids=["deadlock", "lock wait timeout"])
@pytest.mark.parametrize("route", POSTS)
def test_change_is_repeated_after_a_lock_was_not_granted(world: World, route: str, code: int):
    """Every statement that locks or writes fails once; the response is that of a request without failures."""
    row, url = TABLE[route], world.url(route)
    if route == "POST pages.preferences":
        row = replace(row, body=lambda _case: {"language": "nb"})
    person = "admin" if route.startswith("POST admin.") else "owner"
    with each_fails_once(code) as failed:
        answer = world.ask(person, route, row, url)
    assert answer.status_code == row.expected[PEOPLE.index(person)], (failed, answer.text)
    assert bool(failed) == (route not in WITHOUT_LOCKS)


# What the second of two requests at once may get besides the expected status: the first has ended the membership, or the
# project.
ALSO_AT_ONCE = {"POST settings.leave": {404}, "POST settings.delete": {410}}


@pytest.mark.parametrize("route", POSTS)
def test_request_sent_twice_at_once_is_answered_twice(world: World, route: str):
    """A repeated click is no error: neither 409 nor 503, whatever has happened meanwhile."""
    row, url = TABLE[route], world.url(route)
    person = "admin" if route.startswith("POST admin.") else "labeller" if route == "POST settings.leave" else "owner"
    expected = row.expected[PEOPLE.index(person)]
    answers = at_once(*(lambda: world.ask(person, route, row, url) for _ in range(2)))
    assert {answer.status_code for answer in answers} <= {expected} | ALSO_AT_ONCE.get(route, set()), answers


@pytest.mark.parametrize("project_id", [0, 999_999, 2**63, 2**64, 10**30])
def test_unknown_project_is_not_found(world: World, project_id: int):
    before = world.mark()
    for route in OF_PROJECTS:
        expected = 200 if route == "GET classify.session" else 404
        answer = world.ask("owner", route, TABLE[route], world.url(route, project_id=project_id))
        assert answer.status_code == expected, (route, answer.text)
    assert world.mark() == before


@pytest.mark.parametrize(
    "route", [route for route in OF_PROJECTS if route.split()[1] in {
        "batches.page", "batches.listed", "batches.state", "batches.ask_undo", "batches.pause", "batches.resume",
        "batches.stop", "batches.retry", "batches.undo", "classify.face", "files.draw", "files.save",
        "pictures.chip", "review.face", "settings.remove",
    }]
)  # fmt: skip
def test_ids_of_another_project_in_an_address_are_not_found(world: World, route: str):
    row, before = TABLE[route], world.mark()
    answer = world.ask("owner", route, row, world.url(route, foreign=True))
    assert answer.status_code == row.foreign, answer.text
    for number in (0, 999_999, 2**63, 10**30):
        answer = world.ask("owner", route, row, _with_numbers(world, route, number))
        assert answer.status_code in {row.foreign, 400}, (number, answer.text)
    assert world.mark() == before


def test_face_of_another_project_is_indistinguishable_from_an_unknown_one(world: World):
    states = [
        world.browser("owner").get(world.url("GET classify.face", face_id=face)).get_json()["state"]
        for face in (world.case.face(1), world.foreign.face(1), 999_999)
    ]
    assert states == ["encoded", "gone", "gone"]


def _with_numbers(world: World, route: str, number: int) -> str:
    return world.url(route, user_id=number, face_id=number, page_id=number, batch_id=number)


@pytest.mark.parametrize(
    "route", [route for route in POSTS if TABLE[route].body is not nothing and route in OF_PROJECTS]
)
def test_ids_of_another_project_in_a_body_change_nothing(world: World, route: str):
    """Charlie's data does not change, whatever Alice sends about his faces, files and edits."""
    row = TABLE[route]
    theirs = state_of(world, world.foreign)
    browser, body = world.browser("owner"), row.body(world.foreign)
    answer = browser.send(world.url(route), body) if row.script else browser.post(world.url(route), **body)
    assert answer.status_code < 500, answer.text
    assert state_of(world, world.foreign) == theirs


def state_of(world: World, case: Case) -> list[Any]:
    """Return all stored data of a project and of its files."""
    found: list[Any] = []
    with world.database.transaction() as db:
        for table in ("project_files", "answers", "labels", "approvals", "edits", "batches", "project_members"):
            found += db.rows(f"SELECT * FROM {table} WHERE project_id = %s", (case.project_id,))
        for table in ("files", "faces"):
            found += db.rows(
                f"SELECT * FROM {table} WHERE page_id BETWEEN %s AND %s", (min(case.faces), max(case.faces))
            )
    return found


@pytest.mark.parametrize("person", ["stranger", "labeller", "owner"])
def test_deleted_project_is_gone_for_members_and_not_found_for_others(world: World, person: str):
    with world.database.transaction() as db:
        projects.delete(db, world.case.project_id)
    before = world.mark()
    for route in OF_PROJECTS:
        expected = 200 if route == "GET classify.session" else 404 if person == "stranger" else 410
        answer = world.ask(person, route, TABLE[route], world.url(route))
        assert answer.status_code == expected, (route, answer.text)
    assert world.mark() == before


def test_script_without_a_session_gets_401(anybody: Browser):
    answer = anybody.client.get("/projects/1/progress", headers=JSON)
    assert (answer.status_code, answer.get_json()["error"]) == (401, "signed_out")


def test_removed_member_has_no_access(world: World):
    world.browser("owner").post(world.url("POST settings.remove"))
    assert world.browser("labeller").get(world.url("GET project.page")).status_code == 404


def test_creator_cannot_lose_ownership(world: World):
    with world.database.transaction() as db:
        bob = world.people["labeller"]
        assert bob is not None
        projects.add_member(db, world.case.project_id, bob.id, "owner")
    second = world.browser("labeller")
    alice = world.people["owner"]
    assert alice is not None
    second.post(world.url("POST settings.remove", user_id=alice.id))
    second.post(world.url("POST settings.invite"), name="Alice", role="labeller")
    assert world.browser("owner").get(world.url("GET settings.page")).status_code == 200
