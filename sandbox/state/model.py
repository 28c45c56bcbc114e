"""What the sandbox knows: pages with revisions and file versions, items, users. Plain data, saved as JSON."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Entity:
    """A MediaInfo or an item. Never changed in place: every revision keeps its own."""

    labels: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    statements: dict[str, list[Json]] = field(default_factory=dict)

    def all(self) -> list[Json]:
        """Every statement, in the order of its property."""
        return [statement for group in self.statements.values() for statement in group]

    def find(self, guid: str) -> Json | None:
        """The statement of that GUID (its letters compared without case, as Wikibase does)."""
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
    """One version of a file: where its bytes are, and the recipe when it is a variant made by the sandbox."""

    path: str
    timestamp: str
    user: str = "Sandbox"
    comment: str = ""
    recipe: str = ""


@dataclass
class Page:
    """A page of Commons; without `versions` it is a page without a file."""

    id: int
    title: str
    namespace: int
    revisions: list[Revision] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    categories: dict[str, str] = field(default_factory=dict)
    """Title of the category -> when the page came into it."""
    redirect: str | None = None
    deleted: bool = False
    protection: str = ""
    people: list[str] = field(default_factory=list)
    """The folders (persons) that the photograph came from: the truth for checks."""

    @property
    def last(self) -> Revision:
        """The newest revision."""
        return self.revisions[-1]

    def revision(self, number: int) -> Revision | None:
        """The revision of that number, when it is one of this page."""
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
    """A block of a user: of everything, or (partial) of some pages."""

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
    """A line of the log of edits that checks read back."""

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
    """An OAuth client. Without redirect URIs any loopback address is right."""

    id: str
    secret: str
    name: str = "WikiVisage in the sandbox"
    grants: list[str] = field(default_factory=lambda: ["basic", "editpage", "createeditmovepage", "highvolume"])
    redirects: list[str] = field(default_factory=list)
    enabled: bool = True


@dataclass
class Grant:
    """What one authorization gave: the tokens that are alive now."""

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
    """Everything that is saved."""

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
