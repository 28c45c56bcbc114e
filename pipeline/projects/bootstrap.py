"""The bootstrap stage: add the person's portrait from Wikidata, and files that depict them according to Commons."""

import logging
from collections.abc import Sequence

from database import Connection
from pipeline.jobs.outcome import HOUR, Done, Finished, Outcome, Waiting
from pipeline.jobs.tools import Tools
from pipeline.projects import person_check, stated_depicts
from pipeline.projects.sources import is_picture
from store.detection import files
from store.jobs import tasks
from store.jobs.tasks import Task
from store.labelling import labels
from store.projects import merges, projects
from store.projects.projects import Project
from wiki import commons, sparql
from wiki.client import batches
from wiki.names import bare_title

log = logging.getLogger(__name__)


def run(task: Task, tools: Tools) -> Outcome:
    """Add the portrait and at most `max_bootstrap` depicting files. Raises WikiError, LeaseLost, Stopped."""
    project = tools.run(lambda db: projects.get(db, task.subject_id))
    if project is None:
        return Finished()
    if person_check.blocked(project, tools):
        return Waiting()
    _add_portrait(task, project, tools)
    found = sparql.depicting(tools.wiki, project.item, limit=tools.settings.max_bootstrap)
    items = tools.run(lambda db: merges.names(db, project.item))
    added = 0
    for page_ids in batches(found.page_ids):
        tools.check()
        read = stated_depicts.read(tools.wiki, items, page_ids)
        titles = _titles(tools, [page_id for page_id, _ in read.stated])
        if not tools.run(lambda db, read=read, titles=titles: _add(db, task, project, read, titles, tools)):  # type: ignore[misc]
            return Waiting()
        added += len(titles)
    log.info("%d files depict the person according to %s", added, found.source, extra=_extra(project))
    return Done(again_in=tools.settings.recrawl_hours * HOUR or None)


def _extra(project: Project) -> dict[str, object]:
    return {"stage": "bootstrap", "project": project.id}


def _add_portrait(task: Task, project: Project, tools: Tools) -> None:
    """Add the portrait named on Wikidata, if it is a picture that exists on Commons."""
    if not project.portrait_title:
        return
    page = commons.resolve_titles(tools.wiki, [project.portrait_title])[project.portrait_title]
    if page is None or not is_picture(page.title):
        log.info("the portrait %r is not a picture on Commons", project.portrait_title, extra=_extra(project))
        return
    read = stated_depicts.read(tools.wiki, [project.item], [page.page_id])

    def work(db: Connection) -> None:
        tasks.hold(db, task)
        found = [(page.page_id, bare_title(page.title))]
        files.add_to_project(db, project.id, found, "portrait", tools.settings.max_files)
        projects.set_portrait(db, project.id, page.page_id)
        stated_depicts.note(db, project.id, read)
        labels.rebuild(db, project.id, [page.page_id])
        tasks.want(db, "model", project.id, delay=stated_depicts.MODEL_DELAY)

    tools.run(work)


def _titles(tools: Tools, page_ids: Sequence[int]) -> list[tuple[int, str]]:
    """Return (page id, title) of those pages that are images."""
    found = commons.image_info(tools.wiki, page_ids)
    return [
        (page_id, bare_title(info.title))
        for page_id, info in found.items()
        if isinstance(info, commons.FileInfo) and info.kind is commons.Kind.IMAGE
    ]


def _add(
    db: Connection, task: Task, project: Project, read: stated_depicts.Read, found: list[tuple[int, str]], tools: Tools
) -> bool:
    """Store a batch of files; return False if the project is no longer active."""
    tasks.hold(db, task)
    now = projects.get(db, project.id)
    if now is None or now.status != "active":
        return False
    files.add_to_project(db, project.id, found, "bootstrap", tools.settings.max_files)
    stated_depicts.note(db, project.id, read)
    labels.rebuild(db, project.id, [page_id for page_id, _ in found])
    return True
