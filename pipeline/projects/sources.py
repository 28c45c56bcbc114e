"""Sources of a project's files: a category with its subcategories, a list of titles, a PagePile, or a search.

Each source yields steps: files found, and the cursor from which an interrupted crawl continues once they are stored.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from config import Settings
from pipeline.jobs.outcome import Failed
from store.projects.projects import Project
from wiki import commons
from wiki.client import BATCH, Client
from wiki.names import InvalidName, bare_title, category_title
from wiki.search import MOST_HITS

# Extensions of file types that are no pictures. The wiki refuses an upload whose bytes do not match its extension.
NO_PICTURES = frozenset(
    (
        "ogg",
        "oga",
        "ogv",
        "opus",
        "mp3",
        "wav",
        "flac",
        "mid",
        "midi",
        "webm",
        "mpg",
        "mpeg",
        "mp4",
        "pdf",
        "djvu",
        "stl",
    )
)

SPARE = 3  # files read from categories, at most, as a multiple of the files that a project may have

Found = tuple[int, str]  # page id, title without namespace


@dataclass(frozen=True)
class Step:
    """Files found, and the cursor after them; `cut`: the source has more files or categories than the limits allow."""

    found: tuple[Found, ...]
    cursor: dict[str, Any]
    cut: bool = False


class BadSource(Exception):
    """The source cannot be read until a member changes it; `outcome` is the result of the stage."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.outcome = Failed(reason, detail)


def steps(project: Project, cursor: dict[str, Any] | None, client: Client, settings: Settings) -> Iterator[Step]:
    """Yield the files of a project's source, from `cursor` on. Raises BadSource, WikiError."""
    if project.source_kind == "category":
        yield from _category(project, cursor, client, settings)
        return
    first = int((cursor or {}).get("next", 0))
    if project.source_kind == "search":
        yield from _search(project, first, client, settings)
        return
    titles = _pile(project, client) if project.source_kind == "pagepile" else (project.source_text or "").splitlines()
    yield from _titles([title for title in titles if title.strip()], first, client, settings)


def is_picture(title: str) -> bool:
    """Return whether a title's extension is none of audio, video or documents."""
    return title.rpartition(".")[2].lower() not in NO_PICTURES


def excluded(project: Project) -> tuple[str, ...]:
    """Return the titles of the excluded subcategories; lines that are no valid titles are ignored."""
    found = []
    for line in (project.excluded or "").splitlines():
        try:
            found.append(category_title(line))
        except InvalidName:
            continue
    return tuple(found)


def _category(project: Project, cursor: dict[str, Any] | None, client: Client, settings: Settings) -> Iterator[Step]:
    out = excluded(project)
    try:
        begin = commons.start([project.source])
    except InvalidName:
        raise BadSource("invalid_title", project.source) from None
    # The walk does not enter categories it has met, so the excluded ones are added to these.
    state = commons.WalkState.from_json(cursor["walk"]) if cursor else replace(begin, met=begin.met + out)
    most = settings.max_categories + len(out)
    # Not every member is a picture, so more are read; files.add_to_project applies the limit of the project.
    most_members = SPARE * settings.max_files
    for batch in commons.walk(client, state, project.depth, max_files=most_members, max_categories=most):
        found = tuple(
            (member.page_id, bare_title(member.title)) for member in batch.members if is_picture(member.title)
        )
        yield Step(found, {"walk": batch.state.to_json()}, cut=bool(batch.state.limit))


def _titles(titles: Sequence[str], first: int, client: Client, settings: Settings) -> Iterator[Step]:
    cut = len(titles) > settings.max_files
    titles = titles[: settings.max_files]
    for start in range(first, len(titles), BATCH):
        wanted = [title for title in titles[start : start + BATCH] if is_picture(title)]
        pages = commons.resolve_titles(client, wanted)
        found = {page.page_id: bare_title(page.title) for page in pages.values() if page and is_picture(page.title)}
        yield Step(tuple(found.items()), {"next": start + BATCH}, cut)


def _search(project: Project, first: int, client: Client, settings: Settings) -> Iterator[Step]:
    """Search from the beginning, also after an interruption, because the order of the hits may have changed."""
    most = min(settings.max_files, MOST_HITS)
    seen = 0
    for hits in commons.search(client, project.source_text or project.source, most):
        found = tuple((hit.page_id, bare_title(hit.title)) for hit in hits if is_picture(hit.title))
        seen += len(hits)
        yield Step(found, {"next": first}, cut=seen >= most)


def _pile(project: Project, client: Client) -> Sequence[str]:
    digits = "".join(letter for letter in project.source if letter in "0123456789")
    if not digits:
        raise BadSource("invalid_pile", project.source)
    pile = commons.pagepile(client, int(digits))
    if pile.wiki != "commonswiki":
        raise BadSource("pile_of_another_wiki", pile.wiki)
    return pile.titles
