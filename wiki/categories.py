"""Categories of Commons: their sizes, members, new members and trees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from wiki.answers import JsonObject, inner, number, objects, text
from wiki.client import Client, Params, batches
from wiki.names import category_title

_PAGE = 500
_MOST_MEMBERS = 10**9


@dataclass(frozen=True)
class CategoryInfo:
    """Size of a category. `page`: it has a page; one without may contain files, and one with a page may be empty."""

    title: str
    page: bool
    size: int
    files: int
    subcats: int

    @property
    def exists(self) -> bool:
        return self.page or self.size > 0

    @property
    def empty(self) -> bool:
        return self.files == 0 and self.subcats == 0


@dataclass(frozen=True)
class Member:
    """A file page in a category. `added`: when it was added, as ISO 8601 in UTC; empty if not requested."""

    page_id: int
    title: str
    category: str
    added: str = ""


@dataclass(frozen=True)
class Branch:
    """A category of a tree. `files`: number directly in it; the same file may be in several categories."""

    title: str
    depth: int
    files: int
    subcats: int
    parent: str


@dataclass(frozen=True)
class CategoryTree:
    """Categories in breadth-first order, beginning with the root. `complete` is False if a limit cut the tree."""

    branches: tuple[Branch, ...]
    complete: bool

    @property
    def files(self) -> int:
        """Upper bound of the number of files: one that is in two categories counts twice."""
        return sum(branch.files for branch in self.branches)


def category_info(client: Client, titles: Sequence[str]) -> dict[str, CategoryInfo]:
    """Return the size of each category, by the title as requested. Raises InvalidName, WikiError."""
    wanted = {asked: category_title(asked) for asked in titles}
    found: dict[str, CategoryInfo] = {}
    names = list(dict.fromkeys(wanted.values()))
    for some in batches(names):
        for answer in client.query({"prop": "categoryinfo", "titles": some}):
            pages = objects(answer.get("query"), "pages")
            found |= {text(page, "title"): _category_info(page) for page in pages}
    unknown = {name: CategoryInfo(name, page=False, size=0, files=0, subcats=0) for name in names}
    return {asked: {**unknown, **found}[name] for asked, name in wanted.items()}


def category_tree(client: Client, title: str, depth: int, *, max_categories: int = 200) -> CategoryTree:
    """Return the category and those below it, `depth` levels down, each once. Raises InvalidName, WikiError."""
    root = category_title(title)
    level = [_branch(category_info(client, [root])[root], 0, "")]
    branches = list(level)
    complete = True
    while level and level[0].depth < depth and complete:
        known = {branch.title for branch in branches}
        parents = _children(client, level, known, max_categories + 1 - len(branches))
        complete = len(branches) + len(parents) <= max_categories
        names = list(parents)[: max_categories - len(branches)]
        infos = category_info(client, names)
        level = [_branch(infos[name], level[0].depth + 1, parents[name]) for name in names]
        branches += level
    return CategoryTree(tuple(branches), complete)


def subcategories(client: Client, title: str) -> Iterator[str]:
    """Yield the titles of the direct subcategories. Raises WikiError."""
    for page in members_of(client, title, "subcat"):
        yield from (text(member, "title") for member in page if number(member, "ns") == 14)


def new_members(client: Client, title: str, since: datetime, limit: int = _PAGE) -> list[Member]:
    """Return files added to the category at `since` or later, oldest first. Raises InvalidName, WikiError."""
    category = category_title(title)
    start = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    extra = {"cmsort": "timestamp", "cmdir": "newer", "cmstart": start}
    members: list[Member] = []
    for page in members_of(client, category, "file", extra):
        members += files_among(page, category)
        if len(members) >= limit:
            break
    return members[:limit]


def members_of(
    client: Client, title: str, kind: str, extra: dict[str, str] | None = None
) -> Iterator[list[JsonObject]]:
    """Yield the raw members, 500 at a time. `kind`: file, subcat or both with a |."""
    params: Params = {"list": "categorymembers", "cmtitle": title, "cmtype": kind, "cmlimit": _PAGE}
    for answer in client.query({**params, "cmprop": "ids|title|type|timestamp", **(extra or {})}):
        yield objects(answer.get("query"), "categorymembers")


def files_among(members: Sequence[JsonObject], category: str) -> list[Member]:
    """Return the file pages (namespace 6) among raw members."""
    return [
        Member(page_id, text(member, "title"), category, text(member, "timestamp", 20))
        for member in members
        if number(member, "ns") == 6 and (page_id := number(member, "pageid"))
    ]


def _children(client: Client, level: Sequence[Branch], known: set[str], enough: int) -> dict[str, str]:
    """Return categories below a level that are not known yet, with the first parent found; stop at `enough`."""
    parents: dict[str, str] = {}
    for branch in level:
        if branch.subcats == 0:
            continue
        for child in subcategories(client, branch.title):
            if child not in known:
                parents.setdefault(child, branch.title)
            if len(parents) >= enough:
                return parents
    return parents


def _category_info(page: JsonObject) -> CategoryInfo:
    info = inner(page, "categoryinfo")
    size, files, subcats = (number(info, key, _MOST_MEMBERS) for key in ("size", "files", "subcats"))
    return CategoryInfo(text(page, "title"), page=not page.get("missing"), size=size, files=files, subcats=subcats)


def _branch(info: CategoryInfo, depth: int, parent: str) -> Branch:
    return Branch(info.title, depth, info.files, info.subcats, parent)
