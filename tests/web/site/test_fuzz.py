"""Random input to every address never causes a 500, a change of another user's data or unescaped markup.

The usual run sends 1,000 requests, the run with the mark `full` 10,000.
"""

from collections import Counter
from dataclasses import replace

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from database import Database
from store.accounts import users
from tests.web import nasty
from tests.web.browser import HTML, JSON, Browser
from tests.web.conftest import Cast
from tests.web.routes import TABLE
from tests.web.site.test_routes import World, state_of, world  # noqa: F401 - a fixture
from web.site import limits

# These wait for the wiki; `creation` has its own test. Signing out would end the run.
APART = {
    "creation.page", "creation.people", "creation.submit", "classify.people", "account.callback", "account.sign_out",
    "account.sign_out_everywhere",
}  # fmt: skip
SEED = 7
ROUTES = sorted(route for route in TABLE if route.split()[1] not in APART)
IDS = ("own", "foreign", "0", "999999", str(2**63), "9" * 30, "-1", "x", "%00", "%F0%9F%91%A9")

NAMED = ("face_id", "page_id", "batch_id", "user_id", "name", "version", "item")
KINDS = st.dictionaries(st.sampled_from(NAMED), st.sampled_from(IDS))


@pytest.fixture(scope="module")
def guarded(web_settings: Settings) -> Flask:
    """The application as in the tests of the routes, but without CSRF checks, which have their own tests."""
    app = create_app(replace(web_settings, admins=("Dora",)))
    app.config["WTF_CSRF_ENABLED"] = False
    return app


def address(world: World, route: str, kinds: dict[str, str]) -> str:  # noqa: F811
    """Return the route's address with ids of these kinds."""
    rule = next(rule for rule in world.app.url_map.iter_rules() if rule.endpoint == route.split()[1])
    path = rule.rule
    for name in rule.arguments:
        kind = kinds.get(name, "own")
        if kind == "foreign" and name == "project_id":
            kind = "own"
        value = str(world.value(name, foreign=kind == "foreign")) if kind in {"own", "foreign"} else kind
        for converter in ("int:", "path:", ""):
            path = path.replace(f"<{converter}{name}>", value)
    return path


def check(answer: TestResponse, route: str) -> None:
    assert answer.status_code < 500, (route, answer.status_code, answer.text[:2000])
    if answer.mimetype == "text/html":
        assert nasty.MARK not in answer.text, route
        assert "x" * 9 not in answer.text.replace("x" * 10, ""), route
    assert "a=b" not in answer.headers.get("Set-Cookie", "")
    place = answer.headers.get("Location", "/")
    assert place.startswith("/") or "/oauth2/authorize" in place, (route, place)
    assert not place.startswith(("//", "/\\")), (route, place)


def bombard(world: World, examples: int) -> None:  # noqa: F811
    """Send this many requests as Alice; assert that Charlie's project does not change."""
    theirs, sent = state_of(world, world.foreign), [0]
    statuses: Counter[int] = Counter()

    @seed(SEED)
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(data=st.data())
    def once(data: st.DataObject) -> None:
        route = data.draw(st.sampled_from(ROUTES))
        kinds = data.draw(KINDS)
        query = data.draw(nasty.queries)
        row, url = TABLE[route], address(world, route, kinds)
        client = world.browser("owner").client
        inside = world.foreign if data.draw(st.booleans()) else world.case
        sent[0] += 1
        if sent[0] % 10 == 0:
            limits.limiter.reset()
        body = {} if route == "POST settings.delete" else row.body(inside)  # the right name would end the run
        if route.startswith("GET"):
            answer = client.get(url, query_string=query, headers=JSON if row.script else HTML)
        elif row.script and data.draw(st.integers(0, 4)):
            answer = client.post(url, json=data.draw(nasty.mutated(body)), headers=JSON)
        else:
            answer = client.post(url, data=data.draw(nasty.forms(body)), headers=HTML)
        check(answer, route)
        statuses[answer.status_code] += 1
        assert state_of(world, world.foreign) == theirs, f"{route} changed what is somebody else's"

    once()
    assert statuses[200] > examples / 5, statuses
    assert statuses[410] == 0, statuses


def test_random_requests_do_no_harm(world: World):  # noqa: F811
    bombard(world, 1000)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_many_random_requests_do_no_harm(world: World):  # noqa: F811
    bombard(world, 10_000)


@pytest.mark.parametrize("examples", [60, pytest.param(1000, marks=[pytest.mark.full, pytest.mark.timeout(1800)])])
def test_random_input_to_project_creation_does_no_harm(
    local_settings: Settings, cast: Cast, database: Database, examples: int
):
    """The form whose input is sent to the wikis."""
    app = create_app(local_settings)
    app.config["WTF_CSRF_ENABLED"] = False
    client = Browser(app, cast.alice).client
    fields = (
        "item",
        "kind",
        "category",
        "search",
        "pagepile",
        "titles",
        "list_name",
        "depth",
        "shown",
        "kept",
        "action",
    )

    @seed(SEED)
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        form=st.dictionaries(st.sampled_from(fields), nasty.texts, max_size=6),
        kind=st.sampled_from(["category", "search", "pagepile", "titles"]),
        known=st.booleans(),
    )
    def once(form: dict[str, str], kind: str, known: bool) -> None:
        limits.limiter.reset()
        check(
            client.post("/projects/new", data={"item": "Q42"} | form | {"kind": kind} if known else form, headers=HTML),
            kind,
        )
        check(client.get("/projects/new", query_string={"q": form.get("category", "")}, headers=HTML), "q")
        check(client.get("/projects/new", query_string={"item": form.get("item", "")}, headers=HTML), "item")

    once()


def test_random_input_to_the_callback_signs_no_user_in(web_settings: Settings, database: Database):
    client = create_app(web_settings).test_client()

    @seed(SEED)
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(query=nasty.queries)
    def once(query: dict[str, str]) -> None:
        limits.limiter.reset()
        answer = client.get("/auth/callback", query_string=query, headers=HTML)
        assert answer.status_code == 400
        assert nasty.MARK not in answer.text
        with client.session_transaction() as session:
            assert "user" not in session

    once()
    with database.transaction() as db:
        assert users.get(db, 1) is None
