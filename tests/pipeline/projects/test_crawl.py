"""Crawling: the files of a project for each kind of source, and changes noticed by a second crawl."""

from dataclasses import replace

import pytest

from database import Database
from pipeline.jobs.outcome import HOUR, Done, Failed, Retry, Stopped, Waiting
from pipeline.jobs.tools import Tools
from pipeline.projects import bootstrap, crawl
from pipeline.projects.sources import is_picture
from sandbox.server import Sandbox
from sandbox.state.statements import depicted
from store.detection import captions, depicted_items
from store.jobs import tasks
from store.labelling import cross_project_answers
from store.projects import projects
from store.projects.projects import NewProject
from testing.file_copies import change_files
from tests.pipeline.conftest import Run, changed, claimed
from tests.pipeline.support import new_project, other, person, pictures_in, rows, value
from tests.store import support


def project_titles(database: Database, project: int) -> set[str]:
    found = rows(
        database,
        """SELECT f.title FROM project_files pf JOIN files f ON f.page_id = pf.page_id
           WHERE pf.project_id = %s AND pf.origin = 'source' AND pf.in_source""",
        project,
    )
    return {row["title"] for row in found}


def make_crawl_due(database: Database, project: int) -> None:
    """Make the next crawl due now."""
    with database.transaction() as db:
        tasks.want(db, "crawl", project)


def pass_time(database: Database) -> None:
    """Make the next crawl due by time, without a request."""
    with database.transaction() as db:
        db.execute("UPDATE tasks SET due_at = NOW(3) WHERE kind = 'crawl'")


def category(sandbox: Sandbox, name: str, titles: list[str]) -> None:
    for title in titles:
        other(sandbox, "categorise", title=title, add=[f"Category:{name}"])


def upload(sandbox: Sandbox, title: str) -> None:
    """Upload a picture to the category "People", which has none."""
    picture = pictures_in(sandbox, person(sandbox).source)[0]
    other(sandbox, "upload", title=f"File:{title}", categories=["Category:People"], **{"with": f"File:{picture}"})


def test_category_is_crawled_with_subcategories_and_loops(sandbox: Sandbox, database: Database, tools: Tools, run: Run):
    new = person(sandbox)
    project = new_project(database, new)
    assert run("crawl", crawl.run) == Done(again_in=24 * 3600)
    everything = {*pictures_in(sandbox, new.source), *pictures_in(sandbox, f"{new.source}, album")}
    assert everything <= project_titles(database, project)
    assert not [title for title in project_titles(database, project) if not is_picture(title)]
    assert value(database, "SELECT crawl_cut FROM projects WHERE id = %s", project) == 0
    stated = value(database, "SELECT COUNT(*) FROM project_files WHERE project_id = %s AND stated", project)
    assert stated == len([t for t in everything if new.item in _depicts(sandbox, t)])
    assert (
        value(database, "SELECT COUNT(*) FROM project_files WHERE stated_at IS NULL") <= 2
    )  # A redirect, and a page without an entity.


def test_deprecated_statement_does_not_count_as_stated(sandbox: Sandbox, database: Database, run: Run):
    new = person(sandbox)
    stated = [title for title in pictures_in(sandbox, new.source) if new.item in _depicts(sandbox, title)]
    other(sandbox, "change_statement", title=stated[0], value=new.item, rank="deprecated")
    project = new_project(database, new)
    run("crawl", crawl.run)
    found = rows(
        database,
        """SELECT f.title, f.depicts FROM project_files pf JOIN files f ON f.page_id = pf.page_id
           WHERE pf.project_id = %s AND (pf.stated OR f.title = %s)""",
        project,
        stated[0],
    )
    depicts = {row["title"]: row["depicts"] or "" for row in found}
    assert {title for title in depicts if new.item in depicts[title]} >= set(stated[1:])
    assert new.item not in depicts[stated[0]]
    count = "SELECT COUNT(*) FROM project_files pf JOIN files f ON f.page_id = pf.page_id WHERE stated AND f.title = %s"
    assert value(database, count, stated[0]) == 0


def _depicts(sandbox: Sandbox, title: str) -> list[str]:
    page = sandbox.world.page(f"File:{title}")
    return depicted(page.last.entity) if page else []


def test_excluded_and_too_deep_categories_are_not_crawled(sandbox: Sandbox, database: Database, run: Run):
    new = person(sandbox)
    album = set(pictures_in(sandbox, f"{new.source}, album")) - set(pictures_in(sandbox, new.source))
    assert album
    flat = new_project(database, replace(new, depth=0))
    run("crawl", crawl.run)
    assert not project_titles(database, flat) & album
    out = new_project(database, replace(new, excluded=f"{new.source}, album\n\n[bad"), owner="Bob")
    run("crawl", crawl.run)
    assert project_titles(database, out) == project_titles(database, flat)


def test_crawl_stops_at_the_limit_and_reports_it(sandbox: Sandbox, database: Database, tools: Tools):
    project = new_project(database, person(sandbox))
    outcome = crawl.run(claimed(database, "crawl"), changed(tools, max_files=5))
    assert isinstance(outcome, Done)
    assert value(database, "SELECT COUNT(*) FROM project_files WHERE project_id = %s", project) == 5
    assert value(database, "SELECT crawl_cut FROM projects WHERE id = %s", project) == 1


@pytest.mark.parametrize(
    ("source", "reason"), [("No such category at all", "category_missing"), ("People", "category_empty")]
)
def test_source_without_pictures_is_reported(sandbox: Sandbox, database: Database, run: Run, source: str, reason: str):
    project = new_project(database, replace(person(sandbox), source=source, depth=0))
    outcome = run("crawl", crawl.run)
    assert isinstance(outcome, Retry)
    assert outcome.reason == reason
    assert value(database, "SELECT error FROM tasks WHERE kind = 'crawl' AND subject_id = %s", project) == reason
    assert value(database, "SELECT due_at > NOW() FROM tasks WHERE kind = 'crawl' AND subject_id = %s", project)


def test_source_without_pictures_is_read_again_from_the_beginning_an_hour_later(
    sandbox: Sandbox, database: Database, run: Run
):
    project = new_project(database, replace(person(sandbox), source="People", depth=0))
    for _ in range(2):
        outcome = run("crawl", crawl.run)
        assert isinstance(outcome, Retry)
        assert outcome.seconds == HOUR
        assert value(database, "SELECT crawled_at FROM projects WHERE id = %s", project) is None
        pass_time(database)
    upload(sandbox, "The first one.jpg")
    assert isinstance(run("crawl", crawl.run), Done)
    assert project_titles(database, project) == {"The first one.jpg"}


def test_list_without_pictures_is_read_again_from_the_beginning(sandbox: Sandbox, database: Database, run: Run):
    new = NewProject("Q5", "Somebody", "my list", source_kind="titles", source_text="Not uploaded yet.jpg")
    project = new_project(database, new)
    assert isinstance(run("crawl", crawl.run), Retry)
    pass_time(database)
    upload(sandbox, "Not uploaded yet.jpg")
    assert isinstance(run("crawl", crawl.run), Done)
    assert project_titles(database, project) == {"Not uploaded yet.jpg"}


def test_crawl_interrupted_at_the_end_of_a_source_without_pictures_reports_it(
    sandbox: Sandbox, database: Database, tools: Tools, run: Run, monkeypatch: pytest.MonkeyPatch
):
    """The worker is killed after it stored the cursor at the end of the source, and before it settled its claim."""
    project = new_project(database, replace(person(sandbox), source="People", depth=0))
    task = claimed(database, "crawl")
    with monkeypatch.context() as patched:
        patched.setattr(crawl, "_empty_source", _stopped)
        with pytest.raises(Stopped):
            crawl.run(task, tools)
    with database.transaction() as db:
        tasks.give_back(db, task)
    assert "walk" in value(database, "SELECT cursor_json FROM tasks WHERE kind = 'crawl'")
    assert isinstance(run("crawl", crawl.run), Retry)
    assert (
        value(database, "SELECT error FROM tasks WHERE kind = 'crawl' AND subject_id = %s", project) == "category_empty"
    )


def _stopped(*_given: object) -> None:
    raise Stopped


def test_list_of_titles_resolves_redirects_and_skips_invalid_titles(sandbox: Sandbox, database: Database, run: Run):
    first, second, *_ = pictures_in(sandbox, person(sandbox).source)
    other(sandbox, "move", title=first, to="File:A better title.jpg")
    text = f"File:{first}\n{second.replace(' ', '_')}\n\nNo such file.jpg\n[[bad]]\nA song.ogg"
    new = NewProject("Q5", "Somebody", "my list", source_kind="titles", source_text=text)
    project = new_project(database, new)
    assert isinstance(run("crawl", crawl.run), Done)
    assert project_titles(database, project) == {"A better title.jpg", second}


def test_files_of_a_search_are_listed(sandbox: Sandbox, database: Database, run: Run):
    new = person(sandbox)
    query = f'incategory:"{new.label}"'
    project = new_project(database, replace(new, source_kind="search", source=query))
    assert isinstance(run("crawl", crawl.run), Done)
    assert project_titles(database, project) == set(pictures_in(sandbox, new.label))


def test_unknown_pagepile_is_reported(sandbox: Sandbox, database: Database, run: Run):
    new_project(database, replace(person(sandbox), source_kind="pagepile", source="no number"))
    assert run("crawl", crawl.run) == Failed("invalid_pile", "no number")


def test_interrupted_crawl_continues_at_its_cursor(sandbox: Sandbox, database: Database, tools: Tools, run: Run):
    project = new_project(database, person(sandbox))
    task = claimed(database, "crawl")
    taken = 0

    def stop_after_one() -> None:
        nonlocal taken
        taken += 1
        if taken > 1:
            raise Stopped

    interrupted = _Checked(tools, stop_after_one)
    with pytest.raises(Stopped):
        crawl.run(task, interrupted)
    with database.transaction() as db:
        tasks.give_back(db, task)
    assert "walk" in value(database, "SELECT cursor_json FROM tasks WHERE kind = 'crawl'")
    assert isinstance(run("crawl", crawl.run), Done)
    everything = {
        *pictures_in(sandbox, person(sandbox).source),
        *pictures_in(sandbox, person(sandbox).source + ", album"),
    }
    assert everything <= project_titles(database, project)


class _Checked(Tools):
    """Tools whose `check` is replaced by the test."""

    def __init__(self, tools: Tools, check: object) -> None:
        super().__init__(**{name: getattr(tools, name) for name in tools.__dataclass_fields__})
        object.__setattr__(self, "check", check)


def test_crawl_of_a_paused_project_ends_within_one_batch(sandbox: Sandbox, database: Database, tools: Tools):
    project = new_project(database, person(sandbox))
    task = claimed(database, "crawl")
    with database.transaction() as db:
        projects.set_status(db, project, "paused")
    assert crawl.run(task, tools) == Waiting()
    assert value(database, "SELECT COUNT(*) FROM project_files") == 0


def test_next_crawl_adds_new_files_with_few_requests(sandbox: Sandbox, database: Database, run: Run):
    new = person(sandbox)
    project = new_project(database, new)
    run("crawl", crawl.run)
    title = pictures_in(sandbox, new.source)[0]
    other(sandbox, "upload", title="File:Fresh.jpg", **{"with": title}, categories=[f"Category:{new.source}"])
    before = sandbox.world.counts.requests.copy()
    make_crawl_due(database, project)
    assert isinstance(run("crawl", crawl.run), Done)
    assert "Fresh.jpg" in project_titles(database, project)
    asked = sandbox.world.counts.requests - before
    assert asked["api"] <= 4, asked


def test_file_removed_from_the_category_is_marked(sandbox: Sandbox, database: Database, run: Run):
    new = person(sandbox)
    project = new_project(database, new)
    run("crawl", crawl.run)
    title = next(t for t in pictures_in(sandbox, new.source) if t not in pictures_in(sandbox, f"{new.source}, album"))
    assert title in project_titles(database, project)
    categories = list(sandbox.world.page(f"File:{title}").categories)  # type: ignore[union-attr]
    other(sandbox, "categorise", title=title, remove=categories)
    make_crawl_due(database, project)
    run("crawl", crawl.run)
    assert title not in project_titles(database, project)


def test_overwritten_moved_and_deleted_files_are_noticed(sandbox: Sandbox, database: Database, tools: Tools, run: Run):
    new = person(sandbox)
    new_project(database, new)
    run("crawl", crawl.run)
    over, moved, deleted, kept, *_ = pictures_in(sandbox, new.source)
    _pretend_searched(database, sandbox, tools.pool.settings.detector_version)
    other(sandbox, "overwrite", title=over, **{"with": kept})
    other(sandbox, "move", title=moved, to="File:Moved away.jpg")
    other(sandbox, "delete", title=deleted)
    with database.transaction() as db:
        db.execute("UPDATE project_files SET stated_at = NOW() - INTERVAL 30 DAY")
        db.execute("UPDATE tasks SET due_at = NOW() WHERE kind = 'crawl'")
    run("crawl", crawl.run)
    states = {row["title"]: row["state"] for row in rows(database, "SELECT title, state FROM files")}
    assert states[over] == "waiting"
    assert states["Moved away.jpg"] == "searched"
    assert states[deleted] == "gone"
    assert states[kept] == "searched"


def _pretend_searched(database: Database, sandbox: Sandbox, detector: str) -> None:
    with database.transaction() as db:
        for row in db.rows("SELECT page_id FROM files"):
            page = sandbox.world.state.pages[row["page_id"]]
            if page.versions:
                sha1 = sandbox.world.pictures.facts(page.versions[-1]).sha1
                change_files(
                    db,
                    """UPDATE files SET state = 'searched', sha1 = %s, detector = %s, search_due_at = NULL
                       WHERE page_id = %s""",
                    (sha1, detector, row["page_id"]),
                )


def test_bootstrap_adds_files_that_depict_the_person_and_the_portrait(sandbox: Sandbox, database: Database, run: Run):
    new = person(sandbox)
    own = pictures_in(sandbox, new.label)
    stated = {title for title in own if new.item in _depicts(sandbox, title)}
    portrait = next(title for title in own if title not in stated)
    project = new_project(database, replace(new, portrait_title=portrait, source="People"))
    assert isinstance(run("bootstrap", bootstrap.run), Done)
    found = rows(
        database,
        """SELECT f.title, pf.origin, pf.stated FROM project_files pf JOIN files f ON f.page_id = pf.page_id
           WHERE pf.project_id = %s""",
        project,
    )
    assert {row["title"] for row in found if row["origin"] == "bootstrap" and row["stated"]} == stated
    assert [row["title"] for row in found if row["origin"] == "portrait"] == [portrait]
    assert value(database, "SELECT portrait_page_id FROM projects WHERE id = %s", project)


def test_bootstrap_uses_the_search_if_the_query_service_requires_a_login(
    sandbox: Sandbox, database: Database, run: Run
):
    sandbox.world.settings.sparql = "login"
    project = new_project(database, person(sandbox))
    assert isinstance(run("bootstrap", bootstrap.run), Done)
    assert value(database, "SELECT COUNT(*) FROM project_files WHERE project_id = %s AND stated", project) > 0


def test_bootstrap_respects_its_limit(sandbox: Sandbox, database: Database, tools: Tools):
    project = new_project(database, person(sandbox))
    bootstrap.run(claimed(database, "bootstrap"), changed(tools, max_bootstrap=2))
    assert value(database, "SELECT COUNT(*) FROM project_files WHERE project_id = %s", project) == 2


@pytest.mark.parametrize(("title", "picture"), [("A.jpg", True), ("B.OGG", False), ("C.tiff", True), ("D.pdf", False)])
def test_pictures_are_recognised_by_their_type(title: str, picture: bool):
    assert is_picture(title) is picture


def test_other_depicted_items_are_stored_with_their_names(sandbox: Sandbox, database: Database, tools: Tools, run: Run):
    """A question shows who else is stated in the file. The names are requested once."""
    new = person(sandbox)
    title = pictures_in(sandbox, new.source)[0]
    somebody = person(sandbox, 1)
    other(sandbox, "add_statement", title=title, value=somebody.item)
    project = new_project(database, new)
    run("crawl", crawl.run)
    depicts = value(database, "SELECT depicts FROM files WHERE title = %s", title)
    assert somebody.item in depicts.split(",")
    labels = rows(database, "SELECT language, label FROM item_labels WHERE item = %s AND label <> ''", somebody.item)
    assert {(row["language"], row["label"]) for row in labels} == {
        (language, somebody.label) for language in depicted_items.LANGUAGES
    }
    with database.transaction() as db:
        every = db.column("SELECT page_id FROM project_files WHERE project_id = %s", (project,))
        assert depicted_items.nameless(db, project, every) == []


def test_captions_are_stored_with_the_statements(sandbox: Sandbox, database: Database, run: Run):
    """Captions are also stored for files without statements. A later crawl replaces them."""
    new = person(sandbox)
    project = new_project(database, new)
    run("crawl", crawl.run)
    found = rows(database, "SELECT page_id, depicts, captions FROM files WHERE captions IS NOT NULL ORDER BY page_id")
    assert f"Et fotografi av {new.label}" in {captions.read(row["captions"]).get("nb") for row in found}
    assert {bool(row["depicts"]) for row in found} == {True, False}
    assert value(database, "SELECT COUNT(*) FROM files WHERE captions IS NULL") > 0
    changed, emptied = (row["page_id"] for row in found[:2])
    other(sandbox, "set_captions", id=changed, captions={"en": "x" * 300, "es": "<b>\x00"})
    other(sandbox, "set_captions", id=emptied, captions={})
    with database.transaction() as db:
        db.execute("UPDATE project_files SET stated_at = NOW() - INTERVAL 8 DAY")
    make_crawl_due(database, project)
    run("crawl", crawl.run)
    now = {row["page_id"]: row["captions"] for row in rows(database, "SELECT page_id, captions FROM files")}
    assert captions.read(now[changed]) == {"en": "x" * 255, "es": "<b>"}
    assert now[emptied] is None


def test_project_whose_files_were_all_searched_before_gets_questions(
    sandbox: Sandbox, database: Database, tools: Tools, run: Run
):
    """This includes the face named in the other project, about whose person this project is created later."""
    new, somebody = person(sandbox), person(sandbox, 1)
    first = new_project(database, somebody)
    category(sandbox, somebody.source, pictures_in(sandbox, new.source))
    run("crawl", crawl.run)
    with database.transaction() as db:
        change_files(db, "UPDATE files SET state = 'searched', search_due_at = NULL")
        title = pictures_in(sandbox, new.source)[0]
        page = int(db.value("SELECT page_id FROM files WHERE title = %s", (title,)))
        (face,) = support.search(db, page, support.LEFT)
        support.record_answer(db, first, support.user(db), page, face, "other", other_item=new.item)
        db.execute("DELETE FROM tasks")
    project = new_project(database, new)
    run("crawl", crawl.run)
    with database.transaction() as db:
        assert tasks.is_wanted(db, "model", project)
        assert [(asked.face_id, asked.reason) for asked in cross_project_answers.questions(db, project, 9)] == [
            (face, "named")
        ]
