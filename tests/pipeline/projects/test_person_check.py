"""People who may not be looked for: checks by the worker, also for projects created before."""

from dataclasses import replace
from datetime import date

import pytest

from database import Database
from pipeline.jobs.outcome import Waiting
from pipeline.jobs.tools import Tools
from pipeline.labelling.model import Model
from pipeline.projects import bootstrap, crawl, person_check
from sandbox.server import Sandbox
from store.accounts import blocked_items
from store.jobs import tasks
from store.projects import projects
from store.projects.projects import Project
from tests.pipeline.conftest import Run
from tests.pipeline.support import new_project, person, value


@pytest.fixture
def project(sandbox: Sandbox, database: Database) -> int:
    return new_project(database, person(sandbox))


def stored(database: Database, project_id: int) -> Project:
    with database.transaction() as db:
        found = projects.get(db, project_id)
    assert found is not None
    return found


def test_worker_pauses_a_project_whose_item_was_blocked_later(
    sandbox: Sandbox, database: Database, project: int, run: Run
):
    with database.transaction() as db:
        db.execute("INSERT INTO blocked_items (item) VALUES (%s)", (person(sandbox).item,))
    assert run("crawl", crawl.run) == Waiting()
    assert (stored(database, project).status, stored(database, project).blocked) == ("paused", "blocked_item")
    assert value(database, "SELECT COUNT(*) FROM project_files") == 0
    assert not sandbox.world.counts.thumbnails


@pytest.mark.parametrize("stage", ["crawl", "bootstrap", "model"])
def test_each_stage_checks_the_blocked_items_of_the_settings(
    sandbox: Sandbox, database: Database, project: int, tools: Tools, stage: str
):
    strict = replace(tools, settings=replace(tools.settings, blocked_items=(person(sandbox).item,)))
    with database.transaction() as db:
        tasks.want(db, stage, project)  # type: ignore[arg-type]
        task = tasks.claim(db, stage, "one")  # type: ignore[arg-type]
    assert task is not None
    stages = {"crawl": crawl.run, "bootstrap": bootstrap.run, "model": Model().run}
    assert stages[stage](task, strict) == Waiting()
    assert stored(database, project).blocked == "blocked_item"


def test_starting_worker_blocks_the_items_of_the_setting(
    sandbox: Sandbox, database: Database, project: int, tools: Tools
):
    strict = replace(tools, settings=replace(tools.settings, blocked_items=("Q1", person(sandbox).item)))
    with database.transaction() as db:
        person_check.block_by_setting(db, strict)
    assert stored(database, project).blocked == "blocked_item"


def test_date_of_birth_added_later_is_checked(sandbox: Sandbox, database: Database, project: int, tools: Tools):
    assert not person_check.blocked_today(stored(database, project), tools)
    born = stored(database, project).born
    assert born, "the worker keeps what Wikidata says today"
    as_a_child = date(int(born[:4]) + 10, 6, 1)
    assert person_check.blocked_today(stored(database, project), tools, as_a_child)
    assert (stored(database, project).status, stored(database, project).blocked) == ("paused", "minor")


def test_project_about_a_blocked_item_stays_paused(database: Database, project: int):
    with database.transaction() as db:
        blocked_items.block_project(db, project, "minor")
        projects.set_status(db, project, "active")
    assert stored(database, project).status == "paused"
