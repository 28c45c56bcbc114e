"""Creation of a project: every refusal is a message at its field, and the project is created as shown."""

from datetime import date
from functools import partial

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from database import Database
from sandbox.server import Sandbox
from sandbox.state import names
from store.projects import projects
from store.projects.projects import Project
from tests.web.browser import Browser
from tests.web.conftest import Cast
from tests.web.statements import at_once, each_fails_once
from wiki.ages import may_be_minor
from wiki.wikidata import PartialDate, Person


@pytest.fixture
def wiki_app(local_settings: Settings) -> Flask:
    return create_app(local_settings)


@pytest.fixture
def volunteer(wiki_app: Flask, cast: Cast) -> Browser:
    """Alice, with the application configured for the sandbox."""
    return Browser(wiki_app, cast.alice)


@pytest.fixture
def person(sandbox: Sandbox) -> tuple[str, str]:
    """Item and label of a person whom the sandbox has."""
    for number, item in sandbox.world.state.items.items():
        label = item.entity.labels["en"]
        if sandbox.world.page(f"Category:{label}"):
            return number, label
    raise AssertionError("the sandbox knows nobody")


def submit(browser: Browser, action: str = "create", **form: object) -> TestResponse:
    return browser.post("/projects/new", action=action, **form)


def newest(database: Database) -> Project:
    with database.transaction() as db:
        found = projects.get(db, db.value("SELECT MAX(id) FROM projects"))
    assert found is not None
    return found


def test_people_are_found_by_name(volunteer: Browser, person: tuple[str, str]):
    item, label = person
    for path in ("/projects/new", "/projects/new/people"):
        page = volunteer.get(path, query_string={"q": label[:5]}).text
        assert f"item={item}" in page
        assert label in page
    link = f"https://www.wikidata.org/wiki/{item}?uselang=nb#P18"
    assert f"item={item}" in volunteer.get("/projects/new/people", query_string={"q": link}).text
    assert "Nobody of that name" in volunteer.get("/projects/new?q=Xyzzyx").text


def test_category_is_prefilled_and_its_files_are_counted(volunteer: Browser, person: tuple[str, str]):
    item, label = person
    page = volunteer.get(f"/projects/new?item={item}").text
    assert f'name="category" value="{label}"' in page
    assert "to look at" in page
    assert 'value="create"' in page


def test_project_is_created_as_submitted(database: Database, volunteer: Browser, person: tuple[str, str]):
    item, label = person
    answer = submit(
        volunteer, item=item.lower(), kind="category", category=f"category:{label.replace(' ', '_')}", depth="2"
    )
    project = newest(database)
    assert answer.location == f"/projects/{project.id}"
    assert (project.item, project.label, project.source, project.depth) == (item, label, label, 2)
    assert project.portrait_title
    assert project.born
    with database.transaction() as db:
        kinds = db.column("SELECT kind FROM tasks WHERE subject_id = %s ORDER BY kind", (project.id,))
    assert set(kinds) == {"crawl", "bootstrap"}


def test_creation_is_repeated_after_a_deadlock(database: Database, volunteer: Browser, person: tuple[str, str]):
    item, label = person
    with each_fails_once(1213) as failed:
        answer = submit(volunteer, item=item, kind="category", category=label, depth="1")
    assert failed
    assert answer.location == f"/projects/{newest(database).id}"


def test_form_sent_twice_at_once_creates_one_project(
    database: Database, wiki_app: Flask, cast: Cast, person: tuple[str, str]
):
    item, label = person
    browsers = [Browser(wiki_app, cast.alice) for _ in range(2)]
    form = {"item": item, "kind": "category", "category": label, "depth": "1"}
    answers = at_once(*(partial(submit, browser, **form) for browser in browsers))
    assert [answer.location for answer in answers] == [f"/projects/{newest(database).id}"] * 2


def test_subcategories_can_be_excluded(database: Database, volunteer: Browser, person: tuple[str, str]):
    item, label = person
    mixed, album = f"Photographs with {label}", f"Photographs with {label}, album"
    form = {"item": item, "kind": "category", "category": mixed, "depth": "5"}
    shown = submit(volunteer, "check", **form).text
    assert f'name="kept" value="{album}" checked' in shown
    submit(volunteer, **form, shown=[album], kept=[])
    assert newest(database).excluded == album


def test_projects_with_other_sources_are_created(
    database: Database, sandbox: Sandbox, volunteer: Browser, person: tuple[str, str]
):
    item, label = person
    category = sandbox.world.page(f"Category:{label}")
    assert category is not None
    title = next(page.title for page in sandbox.world.state.pages.values() if category.title in page.categories)
    for kind, form, source in (
        ("pagepile", {"pagepile": str(category.id)}, str(category.id)),
        ("search", {"search": f'incategory:"{label}"'}, f'incategory:"{label}"'),
        ("titles", {"titles": f"{title}\n\n{title}\n", "list_name": "mine"}, "mine"),
    ):
        assert submit(volunteer, item=item, kind=kind, **form).status_code == 302, kind
        assert (newest(database).source_kind, newest(database).source) == (kind, source)
    assert newest(database).source_text == title.removeprefix("File:")


def test_links_are_accepted_instead_of_names(
    database: Database, sandbox: Sandbox, volunteer: Browser, person: tuple[str, str]
):
    item, label = person
    category = sandbox.world.page(f"Category:{label}")
    assert category is not None
    title = next(page.title for page in sandbox.world.state.pages.values() if category.title in page.categories)
    wiki, key = f"{sandbox.base}/wiki", names.page_path(title)
    assert 'maxlength="2000"' in volunteer.get(f"/projects/new?item={item}").text, "a link is not cut by the browser"
    links = [
        f"{wiki}/{key}?uselang=nb#filelinks",
        f"{sandbox.base}/w/images/{names.file_path(names.db_key(title))}?utm_source=x",
    ]
    for kind, form, source in (
        ("category", {"category": f"{wiki}/{names.page_path(category.title)}?from=A#mw-subcategories"}, label),
        ("pagepile", {"pagepile": f"{sandbox.base}/pagepile?id={category.id}&action=get_data"}, str(category.id)),
        ("titles", {"titles": "\n".join(links), "list_name": "mine"}, "mine"),
    ):
        answer = submit(volunteer, item=f"{wiki}/{item}?uselang=nb#P18", kind=kind, **form)
        assert answer.status_code == 302, kind
        assert (newest(database).item, newest(database).source) == (item, source)
    assert newest(database).source_text == title.removeprefix("File:")


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"item": ""}, "Choose a person."),
        ({"item": "banana"}, "is not a Wikidata item"),
        ({"item": "Q0"}, "is not a Wikidata item"),
        ({"item": "<script>"}, "&lt;script&gt;” is not a Wikidata item"),
        ({"item": "Q999999999"}, "There is no item Q999999999"),
        ({"item": "Q243"}, "Eiffel Tower (Q243) is not a person"),
        ({"category": "No Such Category Anywhere"}, "There is no category"),
        ({"category": "a|b"}, "cannot be the name of a category"),
        ({"depth": "x"}, "whole number from 0 to 10"),
        ({"depth": "-1"}, "whole number from 0 to 10"),
        ({"depth": "11"}, "whole number from 0 to 10"),
        ({"kind": "search", "search": ""}, "must not be empty"),
        ({"kind": "search", "search": "incategory:Nothing_like_it"}, "No files were found there."),
        ({"kind": "search", "search": "x" * 300}, "too long"),
        ({"kind": "pagepile", "pagepile": "abc"}, "A PagePile has a number"),
        ({"kind": "pagepile", "pagepile": "99999999"}, "There is no PagePile 99999999."),
        ({"kind": "pagepile", "pagepile": "https://elsewhere.example/?id=1"}, "A PagePile has a number"),
        ({"category": "https://elsewhere.example/wiki/Category:A"}, "cannot be the name of a category"),
        ({"kind": "titles", "titles": "https://elsewhere.example/wiki/File:A.jpg"}, "cannot be the title of a file"),
        ({"kind": "titles", "titles": " \n"}, "at least one file title"),
        ({"kind": "titles", "titles": "File:a[b].jpg"}, "cannot be the title of a file"),
        ({"kind": "titles", "titles": "File:Nothing of the kind.jpg"}, "None of these files is on Commons."),
    ],
)
def test_invalid_field_is_refused_with_a_message(
    database: Database, volunteer: Browser, person: tuple[str, str], form: dict[str, str], sentence: str, cast: Cast
):
    item, label = person
    answer = submit(volunteer, **{"item": item, "kind": "category", "category": label, "depth": "1", **form})
    assert answer.status_code == 400
    assert sentence in answer.text
    assert newest(database).id == cast.project_id


def test_empty_category_is_reported(sandbox: Sandbox, volunteer: Browser, person: tuple[str, str]):
    item, label = person
    for page in sandbox.world.state.pages.values():
        sandbox.world.reindex(page, lambda page=page: page.categories.pop(f"Category:{label}", None))  # type: ignore[misc]
    answer = submit(volunteer, item=item, kind="category", category=label, depth="1")
    assert answer.status_code == 400
    assert "is empty" in answer.text


def test_duplicate_project_is_refused_also_while_the_first_is_being_deleted(
    database: Database, volunteer: Browser, person: tuple[str, str]
):
    item, label = person
    form = {"item": item, "kind": "category", "category": label, "depth": "1"}
    submit(volunteer, **form)
    first = newest(database)
    again = submit(volunteer, **form)
    assert again.status_code == 400
    assert "You have this project already." in again.text
    assert f'href="/projects/{first.id}"' in again.text
    with database.transaction() as db:
        projects.delete(db, first.id)
    assert "still being cleared away" in submit(volunteer, **form).text


def test_two_users_may_have_the_same_project(
    wiki_app: Flask, cast: Cast, database: Database, volunteer: Browser, person: tuple[str, str]
):
    item, label = person
    form = {"item": item, "kind": "category", "category": label, "depth": "1"}
    submit(volunteer, **form)
    assert submit(Browser(wiki_app, cast.charlie), **form).status_code == 302


def test_unreachable_wiki_is_reported(alice: Browser):
    answer = alice.get("/projects/new?item=Q42")
    assert answer.status_code == 502
    assert "Wikimedia could not be reached" in answer.text


TODAY = date(2026, 6, 15)


@pytest.mark.parametrize(
    ("time", "precision", "died", "refused"),
    [
        ("+2008-06-15T00:00:00Z", 11, None, False),
        ("+2008-06-16T00:00:00Z", 11, None, True),
        ("+2008-00-00T00:00:00Z", 9, None, True),
        ("+2007-00-00T00:00:00Z", 9, None, False),
        ("+2015-01-01T00:00:00Z", 11, PartialDate("+2016-01-01T00:00:00Z", 11), False),
        ("+2030-01-01T00:00:00Z", 11, None, True),
    ],
)
def test_project_about_a_minor_is_refused(time: str, precision: int, died: PartialDate | None, refused: bool):
    someone = Person("Q1", "X", "", True, "", "", PartialDate(time, precision), died)
    assert may_be_minor(someone, TODAY) is refused
