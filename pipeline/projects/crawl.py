"""The crawl stage: list the files of a source, note those that left it, and read what Commons states in them."""

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

ADD = 500  # files added in one transaction


class Paused(Exception):
    """The project is no longer active; once it is resumed, the crawl continues from the stored cursor."""


def run(task: Task, tools: Tools) -> Outcome:
    """Crawl the source once, from the task's cursor if there is one. Raises WikiError, LeaseLost, Stopped."""
    project = tools.run(lambda db: projects.get(db, task.subject_id))
    if project is None:
        return Finished()
    if person_check.blocked(project, tools):
        return Waiting()
    try:
        return _crawl(task, project, tools)
    except Paused:
        return Waiting()
    except BadSource as error:
        return error.outcome


def _crawl(task: Task, project: Project, tools: Tools) -> Outcome:
    """List the source, then read its files; a cursor that holds "after" shows that the listing is complete."""
    cursor = task.cursor
    if cursor is None or "after" not in cursor:
        began = datetime.now(UTC)
        found: dict[str, Any] | Retry | None = None if cursor else _add_new(task, project, began, tools)
        found = found or _add_all(task, project, began, tools)
        if isinstance(found, Retry):
            return found
        cursor = found
    _review(task, project, cursor, tools)
    log.info("crawled the source", extra={"stage": "crawl", "project": project.id})
    return Done(again_in=tools.settings.recrawl_hours * HOUR or None)


def _add_new(task: Task, project: Project, began: datetime, tools: Tools) -> dict[str, Any] | None:
    """Add the files that are new since the last crawl; return the next cursor, or None if all has to be read."""
    written = tools.run(lambda db: projects.source_counts(db, project.id))
    if not written or not project.crawled_at:
        return None
    news = category_changes.newcomers(tools.wiki, project, category_changes.Counts.from_json(written), began)
    if news is None:
        return None
    found, counts = news
    cut = project.crawl_cut
    for batch in batches(found, ADD):
        cut = _add(task, project, Step(tuple(batch), {}), tools) > 0 or cut
    return _listed(task, project, began, cut, counts, tools)


def _add_all(task: Task, project: Project, began: datetime, tools: Tools) -> dict[str, Any] | Retry:
    """Add all files of the source; return the next cursor, or a Retry if the source has no picture. Raises Paused."""
    if person_check.blocked_today(project, tools):
        raise Paused
    resumed = task.cursor is not None
    seen: set[int] = set()
    cut = False
    step = Step((), {})
    for step in steps(project, task.cursor, tools.wiki, tools.settings):
        tools.check()
        seen.update(page_id for page_id, _ in step.found)
        cut = _add(task, project, step, tools) > 0 or step.cut or cut
        if cut:
            break
    if not seen and not (resumed and tools.run(lambda db: files.from_source(db, project.id))):
        return _empty_source(task, project, tools)
    if not (cut or resumed):
        tools.run(lambda db: _mark_missing(db, task, project, seen))
    counts = None if cut else category_changes.count(tools.wiki, project, step, began)
    return _listed(task, project, began, cut, counts, tools)


def _listed(
    task: Task, project: Project, began: datetime, cut: bool, counts: category_changes.Counts | None, tools: Tools
) -> dict[str, Any]:
    """Store that the source was listed; return the cursor for reading its files."""
    cursor = {"after": 0}

    def work(db: Connection) -> None:
        tasks.keep_cursor(db, task, cursor)
        projects.crawled(db, project.id, cut=cut, newest=began.replace(tzinfo=None))
        if counts is not None:
            projects.keep_source_counts(db, project.id, counts.to_json())
        # No search requests the model for files that another project has searched already, so it is requested here.
        tasks.want(db, "model", project.id, delay=stated_depicts.MODEL_DELAY)

    tools.run(work)
    return cursor


def _add(task: Task, project: Project, step: Step, tools: Tools) -> int:
    """Add the files of a step; return how many exceed the project's limit. Raises Paused, LeaseLost."""

    def work(db: Connection) -> int:
        _keep_cursor(db, task, step.cursor)
        return files.add_to_project(db, project.id, step.found, "source", tools.settings.max_files)

    return tools.run(work)


def _keep_cursor(db: Connection, task: Task, cursor: dict[str, Any]) -> None:
    """Store the cursor. Raises Paused if the project is no longer active, LeaseLost."""
    tasks.keep_cursor(db, task, cursor)
    project = projects.get(db, task.subject_id)
    if project is None or project.status != "active":
        raise Paused


def _mark_missing(db: Connection, task: Task, project: Project, seen: set[int]) -> None:
    """Mark the files that are in the source no longer: those that this crawl has not `seen`."""
    tasks.hold(db, task)
    files.left_source(db, project.id, sorted(files.from_source(db, project.id) - seen))


def _empty_source(task: Task, project: Project, tools: Tools) -> Retry:
    """Return the outcome for a source without pictures: an error on the project's page, and a retry.

    The cursor is at the end of the source; without it, the retry reads the source from the beginning.
    """
    tools.run(lambda db: tasks.keep_cursor(db, task, None))
    if project.source_kind != "category":
        return Retry(HOUR, "source_empty", project.source)
    info = commons.category_info(tools.wiki, [project.source])[project.source]
    return Retry(HOUR, "category_empty" if info.exists else "category_missing", project.source)


def _review(task: Task, project: Project, cursor: dict[str, Any], tools: Tools) -> None:
    """Read files that were not read recently: their statements, and whether they were overwritten, moved or deleted."""
    after = int(cursor["after"])
    items = tools.run(lambda db: merges.names(db, project.item))
    while page_ids := _unread(project, after, tools):
        after = page_ids[-1]
        known = tools.run(lambda db, page_ids=page_ids: files.get(db, page_ids))  # type: ignore[misc]
        read = stated_depicts.read(tools.wiki, items, page_ids)
        seen = known_files.look(tools.wiki, known)
        _store_review(task, project, read, seen, {**cursor, "after": after}, tools)
        stated_depicts.name(project.id, page_ids, tools)


def _unread(project: Project, after: int, tools: Tools) -> list[int]:
    tools.check()
    return tools.run(lambda db: files.unread(db, project.id, after, BATCH, category_changes.READ_THROUGH_DAYS))


def _store_review(
    task: Task,
    project: Project,
    read: stated_depicts.Read,
    seen: known_files.Review,
    cursor: dict[str, Any],
    tools: Tools,
) -> None:
    page_ids = [*(page_id for page_id, _ in read.stated), *read.unstated]

    def work(db: Connection) -> None:
        _keep_cursor(db, task, cursor)
        stated_depicts.note(db, project.id, read)
        known_files.note(db, page_ids, seen, search_settings(tools.settings))

    tools.run(work)
