"""Dataclasses of the sandbox's state, which is saved as JSON: pages, revisions, file versions, items and users."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Entity:
    """The content of a MediaInfo or item. It is never changed in place, because every revision keeps its own."""

    labels: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    statements: dict[str, list[Json]] = field(default_factory=dict)

    def all(self) -> list[Json]:
        """Return all statements, grouped by property."""
        return [statement for group in self.statements.values() for statement in group]

    def find(self, guid: str) -> Json | None:
        """Return the statement with that GUID, or None; like Wikibase, this ignores case."""
        wanted = guid.upper()
        return next((statement for statement in self.all() if statement["id"].upper() == wanted), None)


@dataclass
class Revision:
    """One revision of a page; `entity` is None while the page has no MediaInfo."""

    id: int
    parent: int
    user: str
    timestamp: str
    comment: str
    tags: list[str] = field(default_factory=list)
    entity: Entity | None = None
    text: str = ""


@dataclass
class Version:
    """One version of a file: the path of its content, and the recipe if it is a variant made by the sandbox."""

    path: str
    timestamp: str
    user: str = "Sandbox"
    comment: str = ""
    recipe: str = ""


@dataclass
class Page:
    """A page of Commons; a file page without `versions` has no file."""

    id: int
    title: str
    namespace: int
    revisions: list[Revision] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    categories: dict[str, str] = field(default_factory=dict)
    """Title of the category -> time at which the page was added to it."""
    redirect: str | None = None
    deleted: bool = False
    protection: str = ""
    people: list[str] = field(default_factory=list)
    """The people shown, by folder name; checks use them as the ground truth."""

    @property
    def last(self) -> Revision:
        """The newest revision."""
        return self.revisions[-1]

    def revision(self, number: int) -> Revision | None:
        """Return the revision with that id, or None if the page has none."""
        return next((revision for revision in self.revisions if revision.id == number), None)


@dataclass
class Item:
    """An item of Wikidata."""

    id: str
    page_id: int
    entity: Entity
    revision: int
    modified: str
    redirect: str | None = None
    deleted: bool = False


@dataclass
class Block:
    """A block of a user; with `titles` it is partial and applies to these pages only."""

    id: int
    reason: str
    timestamp: str
    expiry: str
    titles: list[str] = field(default_factory=list)


@dataclass
class User:
    """An account."""

    id: int
    name: str
    registered: str
    edits: int = 0
    block: Block | None = None
    groups: list[str] = field(default_factory=lambda: ["*", "user", "autoconfirmed"])


@dataclass
class Edit:
    """An entry of the log of edits, which checks read; `moment` is the time in seconds since the epoch."""

    revision: int
    user: str
    module: str
    title: str
    entity: str
    summary: str
    timestamp: str
    tags: list[str] = field(default_factory=list)
    moment: float = 0.0


@dataclass
class Consumer:
    """An OAuth client; without `redirects` any loopback address is accepted as the redirect URI."""

    id: str
    secret: str
    name: str = "WikiVisage in the sandbox"
    grants: list[str] = field(default_factory=lambda: ["basic", "editpage", "createeditmovepage", "highvolume"])
    redirects: list[str] = field(default_factory=list)
    enabled: bool = True


@dataclass
class Grant:
    """The tokens that one authorization issued; `alive` is False once they are revoked or replaced."""

    consumer: str
    user: str
    access: str
    refresh: str
    access_until: float
    refresh_until: float
    scopes: list[str]
    csrf: str
    alive: bool = True


@dataclass
class State:
    """The complete state, as it is saved."""

    pages: dict[int, Page] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    edits: list[Edit] = field(default_factory=list)
    consumers: dict[str, Consumer] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)
    next_page: int = 1000
    next_revision: int = 100000
    next_block: int = 1
    next_temporary: int = 1
