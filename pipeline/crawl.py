"""Look at a project's source: which files are in it, which left it, and in which Commons states the person already."""

import logging
from datetime import UTC, datetime
from typing import Any

from database import Connection
from pipeline import statements
from pipeline.outcome import HOUR, Done, Finished, Outcome, Retry, Waiting
from pipeline.sources import BadSource, Step, steps
from pipeline.tools import Tools
from store import files, projects, tasks
from store.projects import Project
from store.tasks import Task
from wiki import commons
from wiki.client import BATCH

log = logging.getLogger(__name__)


class Paused(Exception):
    """The project is no longer active: whoever resumes it goes on from the cursor."""


def run(task: Task, tools: Tools) -> Outcome:
    """One complete look, resumed from the task's cursor. Raises WikiError, LeaseLost, Stopped."""
    project = tools.run(lambda db: projects.get(db, task.subject_id))
    if project is None:
        return Finished()
    try:
        return _look(task, project, tools)
    except Paused:
        return Waiting()
    except BadSource as error:
        return error.outcome


def _look(task: Task, project: Project, tools: Tools) -> Outcome:
    cursor = task.cursor or {}
    cut = bool(cursor.get("cut"))
    if "after" not in cursor:
        cut, nothing = _files(task, project, tools)
        if nothing is not None:
            return nothing
        cursor = {"after": 0}
    _state_of_files(task, project, int(cursor["after"]), cut, tools)
    tools.run(lambda db: projects.crawled(db, project.id, cut=cut, newest=datetime.now(UTC).replace(tzinfo=None)))
    log.info("looked at the source", extra={"stage": "crawl", "project": project.id})
    return Done(again_in=tools.settings.recrawl_hours * HOUR if tools.settings.recrawl_hours else None)


def _files(task: Task, project: Project, tools: Tools) -> tuple[bool, Outcome | None]:
    """Take the files of the source; whether the limit cut them, and an outcome where there were none at all."""
    resumed = task.cursor is not None
    seen: set[int] = set()
    cut = False
    for step in steps(project, task.cursor, tools.wiki, tools.settings):
        tools.check()
        left_out = _take(task, project, step, tools)
        cut = cut or step.cut or left_out > 0
        seen.update(page_id for page_id, _ in step.found)
    if not seen and not resumed:
        return cut, _nothing(project, tools)
    if not (cut or resumed):
        tools.run(lambda db: _left(db, task, project, seen))
    tools.run(lambda db: tasks.keep_cursor(db, task, {"after": 0, "cut": cut}))
    return cut, None


def _take(task: Task, project: Project, step: Step, tools: Tools) -> int:
    """Keep a step; returns how many of its files the project may not take. Raises Paused, LeaseLost."""

    def work(db: Connection) -> int:
        _go_on(db, task, step.cursor)
        return files.add_to_project(db, project.id, step.found, "source", tools.settings.max_files)

    return tools.run(work)


def _go_on(db: Connection, task: Task, cursor: dict[str, Any]) -> None:
    """Keep the cursor. Raises Paused, LeaseLost."""
    tasks.keep_cursor(db, task, cursor)
    project = projects.get(db, task.subject_id)
    if project is None or project.status != "active":
        raise Paused


def _left(db: Connection, task: Task, project: Project, seen: set[int]) -> None:
    tasks.hold(db, task)
    files.left_source(db, project.id, sorted(files.from_source(db, project.id) - seen))


def _nothing(project: Project, tools: Tools) -> Retry:
    """A source without a single picture: said on the project's page, and looked at again, for it may be filled."""
    if project.source_kind != "category":
        return Retry(HOUR, "source_empty", project.source)
    info = commons.category_info(tools.wiki, [project.source])[project.source]
    return Retry(HOUR, "category_empty" if info.exists else "category_missing", project.source)


def _state_of_files(task: Task, project: Project, after: int, cut: bool, tools: Tools) -> None:
    """Note for every file of the project whether Commons states the person in it."""
    while page_ids := _next_files(project, after, tools):
        read = statements.read(tools.wiki, project.item, page_ids)
        after = page_ids[-1]
        _note(task, project, read, {"after": after, "cut": cut}, tools)


def _next_files(project: Project, after: int, tools: Tools) -> list[int]:
    tools.check()
    return tools.run(lambda db: files.of_project(db, project.id, after, BATCH))


def _note(task: Task, project: Project, read: statements.Read, cursor: dict[str, Any], tools: Tools) -> None:
    """Keep what was read; encodings that were dropped while nobody looked are computed again."""

    def work(db: Connection) -> None:
        _go_on(db, task, cursor)
        statements.note(db, project.id, read)
        files.want_dropped(db, [*(page_id for page_id, _ in read.stated), *read.unstated])

    tools.run(work)
