"""Checks whether a person may be searched for; the worker repeats those that were made when the project was created."""

import logging
from datetime import UTC, date, datetime

from database import Connection
from pipeline.jobs.tools import Tools
from store.accounts import blocked_items
from store.accounts.blocked_items import Why
from store.projects import merges, projects
from store.projects.projects import Project
from wiki import wikidata
from wiki.ages import iso, may_be_minor
from wiki.errors import NoSuchItem
from wiki.wikidata import Person

log = logging.getLogger(__name__)


def blocked(project: Project, tools: Tools) -> bool:
    """Return whether the project is blocked; block and pause it if its item is blocked. Makes no request to a wiki."""
    if project.blocked:
        return True
    if not _is_blocked(tools, project.item):
        return False
    _block(project, "blocked_item", tools)
    return True


def blocked_today(project: Project, tools: Tools, today: date | None = None) -> bool:
    """Check the project as `blocked` does, and by what Wikidata states today. Raises WikiError.

    Follows a merger of the item and stores the dates of birth and death. A deleted item bars nothing.
    """
    if blocked(project, tools):
        return True
    try:
        person = wikidata.person(tools.wiki, project.item, ["en"])
    except NoSuchItem:
        return False
    why = _why(person, tools, today or datetime.now(UTC).date())
    if why:
        _block(project, why, tools)
        return True
    if person.redirected_to:
        tools.run(lambda db: merges.follow(db, project.item, person.item, blocked=False))
    life = iso(person.born), iso(person.died)
    if life != (project.born, project.died):
        tools.run(lambda db: projects.set_life(db, project.id, *life))
    return False


def _why(person: Person, tools: Tools, today: date) -> Why | None:
    if _is_blocked(tools, person.item):  # the item may have been merged into one that is blocked
        return "blocked_item"
    return "minor" if may_be_minor(person, today) else None


def _is_blocked(tools: Tools, item: str) -> bool:
    return item in tools.settings.blocked_items or tools.run(lambda db: blocked_items.is_blocked(db, item))


def _block(project: Project, why: Why, tools: Tools) -> None:
    tools.run(lambda db: blocked_items.block_project(db, project.id, why))
    log.warning("the project about %s was barred: %s", project.item, why, extra={"project": project.id})


def block_by_setting(db: Connection, tools: Tools) -> None:
    """Block the projects of items blocked by the settings, which may have changed since the worker last ran."""
    if tools.settings.blocked_items:
        blocked_items.block_projects(db, tools.settings.blocked_items)
