"""Whether a person may be looked for at all. Checked when a project is created, and by the worker again and again."""

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


def barred(project: Project, tools: Tools) -> bool:
    """Whether the project may not go on; it is paused then, with the reason. Asks no wiki."""
    if project.barred:
        return True
    if not _blocked(tools, project.item):
        return False
    _bar(project, "blocked_item", tools)
    return True


def barred_today(project: Project, tools: Tools, today: date | None = None) -> bool:
    """The same, by what Wikidata says of the person today: who they are, when they were born. Raises WikiError."""
    if barred(project, tools):
        return True
    try:
        person = wikidata.person(tools.wiki, project.item, ["en"])
    except NoSuchItem:
        return False
    why = _why(person, tools, today or datetime.now(UTC).date())
    if why:
        _bar(project, why, tools)
        return True
    if person.redirected_to:
        tools.run(lambda db: merges.follow(db, project.item, person.item, barred=False))
    life = iso(person.born), iso(person.died)
    if life != (project.born, project.died):
        tools.run(lambda db: projects.set_life(db, project.id, *life))
    return False


def _why(person: Person, tools: Tools, today: date) -> Why | None:
    if _blocked(tools, person.item):  # the item may have been merged into a blocked one
        return "blocked_item"
    return "minor" if may_be_minor(person, today) else None


def _blocked(tools: Tools, item: str) -> bool:
    return item in tools.settings.blocked_items or tools.run(lambda db: blocked_items.is_blocked(db, item))


def _bar(project: Project, why: Why, tools: Tools) -> None:
    tools.run(lambda db: blocked_items.bar(db, project.id, why))
    log.warning("nobody may look for %s: %s", project.item, why, extra={"project": project.id})


def bar_by_setting(db: Connection, tools: Tools) -> None:
    """Bar the projects about items that the settings name; they may have changed since the worker last ran."""
    if tools.settings.blocked_items:
        blocked_items.bar_items(db, tools.settings.blocked_items)
