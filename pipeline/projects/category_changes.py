"""Incremental crawls: compare file counts, 50 categories a request, and list new members of categories that grew."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.projects.sources import Found, Step, excluded, is_picture
from store.projects.projects import Project
from wiki import commons
from wiki.categories import CategoryInfo
from wiki.client import Client
from wiki.names import bare_title

# Categories are read completely again after this many days: a file that replaced another one changes no count.
READ_THROUGH_DAYS = 7.0
MARGIN = timedelta(hours=1)  # for the difference between the wiki's clock and this machine's


@dataclass(frozen=True)
class Counts:
    """(files, subcategories) of each category of a source, and when all of them were last read completely (UTC)."""

    read_at: datetime
    categories: dict[str, tuple[int, int]]

    def to_json(self) -> str:
        return json.dumps([self.read_at.isoformat(), self.categories], ensure_ascii=False)

    @classmethod
    def from_json(cls, written: str) -> "Counts":
        read_at, categories = json.loads(written)
        pairs = {title: (files, subcats) for title, (files, subcats) in categories.items()}
        return cls(datetime.fromisoformat(read_at), pairs)


def count(client: Client, project: Project, last: Step, now: datetime) -> Counts | None:
    """Return the counts to store after a complete crawl; None if the source is no category. Raises WikiError."""
    if "walk" not in last.cursor:
        return None
    met = commons.WalkState.from_json(last.cursor["walk"]).met
    out = set(excluded(project))
    infos = commons.category_info(client, [title for title in met if title not in out])
    return Counts(now, {title: _pair(info) for title, info in infos.items()})


def newcomers(client: Client, project: Project, known: Counts, now: datetime) -> tuple[list[Found], Counts] | None:
    """Return pictures added since the last crawl, and the new counts. Raises WikiError.

    Returns None if all categories have to be read: the last complete crawl is older than READ_THROUGH_DAYS, a category
    lost files, its number of subcategories changed, or not all of its new members are listed.
    """
    if now - known.read_at > timedelta(days=READ_THROUGH_DAYS) or project.searched_from is None:
        return None
    infos = commons.category_info(client, list(known.categories))
    now_counts = {title: _pair(info) for title, info in infos.items()}
    if any(_shrunk_or_branched(known.categories[title], pair) for title, pair in now_counts.items()):
        return None
    since = project.searched_from.replace(tzinfo=UTC) - MARGIN
    found: dict[int, str] = {}
    for title, grown in _grown(known, now_counts):
        members = commons.new_members(client, title, since)
        if len(members) < grown:
            return None
        found |= {member.page_id: bare_title(member.title) for member in members if is_picture(member.title)}
    return list(found.items()), Counts(known.read_at, now_counts)


def _pair(info: CategoryInfo) -> tuple[int, int]:
    return info.files, info.subcats


def _shrunk_or_branched(old: tuple[int, int], new: tuple[int, int]) -> bool:
    return new[0] < old[0] or new[1] != old[1]


def _grown(known: Counts, now: dict[str, tuple[int, int]]) -> Iterable[tuple[str, int]]:
    for title, (files, _) in now.items():
        if files > known.categories[title][0]:
            yield title, files - known.categories[title][0]
