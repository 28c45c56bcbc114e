"""Look at a project's source: which files are in it, which left it, and in which Commons states the person already."""

import logging
from datetime import UTC, datetime
from typing import Any

from database import Connection
from pipeline.jobs.outcome import HOUR, Done, Finished, Outcome, Retry, Waiting
from pipeline.jobs.tools import Tools, search_settings
from pipeline.projects import category_changes, known_files, person_check, stated_depicts
from pipeline.projects.sources import BadSource, Step, steps
from store.detection import files
from store.jobs import tasks
from store.jobs.tasks import Task
from store.projects import merges, projects
from store.projects.projects import Project
from wiki import commons
from wiki.client import BATCH, batches

log = logging.getLogger(__name__)

ADD = 500  # files taken in one transaction


class Paused(Exception):
    """The project is no longer active: whoever resumes it goes on from the cursor."""


def run(task: Task, tools: Tools) -> Outcome:
    """One complete look, resumed from the task's cursor. Raises WikiError, LeaseLost, Stopped."""
    project = tools.run(lambda db: projects.get(db, task.subject_id))
    if project is None:
        return Finished()
    if person_check.barred(project, tools):
        return Waiting()
    try:
        return _look(task, project, tools)
    except Paused:
        return Waiting()
    except BadSource as error:
        return error.outcome


def _look(task: Task, project: Project, tools: Tools) -> Outcome:
    cursor = task.cursor
    if cursor is None or "after" not in cursor:
        began = datetime.now(UTC)
        found: dict[str, Any] | Retry | None = None if cursor else _newcomers(task, project, began, tools)
        found = found or _read_through(task, project, began, tools)
        if isinstance(found, Retry):
            return found
        cursor = found
    _review(task, project, cursor, tools)
    log.info("looked at the source", extra={"stage": "crawl", "project": project.id})
    return Done(again_in=tools.settings.recrawl_hours * HOUR or None)


def _newcomers(task: Task, project: Project, began: datetime, tools: Tools) -> dict[str, Any] | None:
    """Take what came in since the last look; the cursor after it, or None where all has to be read through."""
    written = tools.run(lambda db: projects.source_counts(db, project.id))
    if not written or not project.crawled_at:
        return None
    news = category_changes.newcomers(tools.wiki, project, category_changes.Counts.from_json(written), began)
    if news is None:
        return None
    found, counts = news
    cut = project.crawl_cut
    for batch in batches(found, ADD):
        cut = _take(task, project, Step(tuple(batch), {}), tools) > 0 or cut
    return _taken(task, project, began, cut, counts, tools)


def _read_through(task: Task, project: Project, began: datetime, tools: Tools) -> dict[str, Any] | Retry:
    """Take the files of the source; the cursor after it, or an outcome where there were none at all. Raises Paused."""
    if person_check.barred_today(project, tools):
        raise Paused
    resumed = task.cursor is not None
    seen: set[int] = set()
    cut = False
    step = Step((), {})
    for step in steps(project, task.cursor, tools.wiki, tools.settings):
        tools.check()
        seen.update(page_id for page_id, _ in step.found)
        cut = _take(task, project, step, tools) > 0 or step.cut or cut
        if cut:
            break
    if not seen and not resumed:
        return _nothing(project, tools)
    if not (cut or resumed):
        tools.run(lambda db: _left(db, task, project, seen))
    counts = None if cut else category_changes.count(tools.wiki, project, step, began)
    return _taken(task, project, began, cut, counts, tools)


def _taken(
    task: Task, project: Project, began: datetime, cut: bool, counts: category_changes.Counts | None, tools: Tools
) -> dict[str, Any]:
    """Keep that the source was looked at; returns the cursor of what remains to be done."""
    cursor = {"after": 0}

    def work(db: Connection) -> None:
        tasks.keep_cursor(db, task, cursor)
        projects.crawled(db, project.id, cut=cut, newest=began.replace(tzinfo=None))
        if counts is not None:
            projects.keep_source_counts(db, project.id, counts.to_json())
        # Files that another project has searched already bring no news of faces: there is a first run all the same.
        tasks.want(db, "model", project.id, delay=stated_depicts.MODEL_DELAY)

    tools.run(work)
    return cursor


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


def _review(task: Task, project: Project, cursor: dict[str, Any], tools: Tools) -> None:
    """Read, for files not read lately, whether Commons states the person, and what became of those known before."""
    after = int(cursor["after"])
    items = tools.run(lambda db: merges.names(db, project.item))
    while page_ids := _unread(project, after, tools):
        after = page_ids[-1]
        known = tools.run(lambda db, page_ids=page_ids: files.get(db, page_ids))  # type: ignore[misc]
        read = stated_depicts.read(tools.wiki, items, page_ids)
        seen = known_files.look(tools.wiki, known)
        _note(task, project, read, seen, {**cursor, "after": after}, tools)
        stated_depicts.name(project.id, page_ids, tools)


def _unread(project: Project, after: int, tools: Tools) -> list[int]:
    tools.check()
    return tools.run(lambda db: files.unread(db, project.id, after, BATCH, category_changes.READ_THROUGH_DAYS))


def _note(
    task: Task,
    project: Project,
    read: stated_depicts.Read,
    seen: known_files.Review,
    cursor: dict[str, Any],
    tools: Tools,
) -> None:
    page_ids = [*(page_id for page_id, _ in read.stated), *read.unstated]

    def work(db: Connection) -> None:
        _go_on(db, task, cursor)
        stated_depicts.note(db, project.id, read)
        known_files.note(db, page_ids, seen, search_settings(tools.settings))

    tools.run(work)
