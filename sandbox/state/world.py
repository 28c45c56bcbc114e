"""The running sandbox's data: the saved state, indices over it, settings, counters and the clock."""

import secrets
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sandbox.faults.on_demand import Faults
from sandbox.state import names
from sandbox.state.model import Edit, Entity, Item, Page, Revision, State, User
from sandbox.state.pictures import Pictures
from sandbox.state.statements import Ranks, depicted

Clock = Callable[[], float]


@dataclass
class Settings:
    """Settings that can be changed while the sandbox runs."""

    latency: float = 0.0
    """Seconds added to every request to a wiki."""
    edit_limit: int = 0
    """Maximum number of edits of a user in `edit_window` seconds; 0 for no limit."""
    edit_window: float = 60.0
    token_seconds: float = 14400.0
    refresh_seconds: float = 365 * 86400.0
    sparql: str = "open"
    """"open", or "login": the query service redirects all requests to a login page, as the public one does."""


@dataclass
class Counts:
    """Counters of requests, which checks read; `most_at_once` is the maximum of `busy`, the requests in progress."""

    requests: Counter[str] = field(default_factory=Counter)
    thumbnails: Counter[str] = field(default_factory=Counter)
    originals: Counter[str] = field(default_factory=Counter)
    avoidable_originals: Counter[str] = field(default_factory=Counter)
    """Requests for originals wider than 960 px that have a rendering."""
    odd_widths: Counter[str] = field(default_factory=Counter)
    """Requests for renderings whose width is not one of Wikimedia's steps."""
    agents: Counter[str] = field(default_factory=Counter)
    busy: Counter[str] = field(default_factory=Counter)
    most_at_once: Counter[str] = field(default_factory=Counter)


class World:
    """The wiki; code that reads or writes `state` must hold `lock`.

    `version` increases with every change of the state. `clock` returns seconds since the epoch.
    """

    def __init__(
        self, state: State, pictures: Pictures, *, settings: Settings | None = None, clock: Clock = time.time
    ) -> None:
        self.lock = threading.RLock()
        self.pictures = pictures
        self.settings = settings or Settings()
        self.first_settings = replace(self.settings)
        self.clock = clock
        self.faults = Faults()
        self.counts = Counts()
        self.secret = secrets.token_hex(16)
        self.version = 0
        self.recent_edits: dict[str, deque[float]] = defaultdict(deque)
        self.writing: set[int] = set()
        self.use(state)

    def use(self, state: State) -> None:
        """Replace the state, at the start and after a reset, and rebuild the indices."""
        with self.lock:
            self.state = state
            self.recent_edits.clear()
            self.titles = {page.title: page.id for page in state.pages.values() if not page.deleted}
            self.members: dict[str, set[int]] = defaultdict(set)
            self.stating: dict[str, set[int]] = defaultdict(set)
            """Item -> ids of the pages with a depicts statement about it, of any rank."""
            for page in state.pages.values():
                self._index(page)
            self.version += 1

    def _index(self, page: Page) -> None:
        if page.deleted:
            return
        for category in page.categories:
            self.members[category].add(page.id)
        for item in depicted(page.last.entity, "all"):
            self.stating[item].add(page.id)

    def _unindex(self, page: Page) -> None:
        for category in page.categories:
            self.members[category].discard(page.id)
        for item in depicted(page.last.entity, "all"):
            self.stating[item].discard(page.id)

    def stamp(self) -> str:
        """Return the current time in MediaWiki's format."""
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def page(self, title: str) -> Page | None:
        """Return the page with a canonical title, or None."""
        number = self.titles.get(title)
        return self.state.pages[number] if number is not None else None

    def page_of_id(self, number: int) -> Page | None:
        """Return the page with an id, or None if it does not exist or is deleted."""
        page = self.state.pages.get(number)
        return page if page and not page.deleted else None

    def file(self, title: str) -> Page | None:
        """Return the page of a file, following a redirect; None if there is no page or it has no file."""
        page = self.page(title)
        if page and page.redirect:
            page = self.page(page.redirect)
        return page if page and page.versions else None

    def depicting(self, item_id: str, ranks: Ranks = "not deprecated") -> list[int]:
        """Return the ids of the pages that depict the item with a statement of these ranks, in ascending order."""
        pages = (self.state.pages[number] for number in sorted(self.stating.get(item_id, ())))
        return [page.id for page in pages if item_id in depicted(page.last.entity, ranks)]

    def item(self, item_id: str) -> Item | None:
        """Return an item, which can be a redirect, or None if it does not exist or is deleted."""
        item = self.state.items.get(item_id)
        return item if item and not item.deleted else None

    def item_exists(self, item_id: str) -> bool:
        """Return whether a statement may have the item as its value; a redirect is allowed."""
        return self.item(item_id) is not None

    def user(self, name: str) -> User:
        """Return the account of that name, creating it if necessary."""
        name = name[:1].upper() + name[1:]
        if name not in self.state.users:
            number = max((user.id for user in self.state.users.values()), default=1) + 1
            self.state.users[name] = User(number, name, self.stamp())
        return self.state.users[name]

    def add_page(
        self, title: str, *, text: str = "", user: str = "Sandbox", categories: list[str] | None = None
    ) -> Page:
        """Add a page with its first revision."""
        number = self.state.next_page
        self.state.next_page += 1
        page = Page(number, title, names.namespace_of(title))
        page.categories = dict.fromkeys(categories or [], self.stamp())
        self.state.pages[number] = page
        self.titles[title] = number
        self.add_revision(page, user=user, comment=text[:80], text=text)
        return page

    def add_revision(
        self,
        page: Page,
        *,
        user: str,
        comment: str,
        entity: Entity | None = None,
        text: str | None = None,
        tags: list[str] | None = None,
    ) -> Revision:
        """Add a revision to a page; `entity` and `text` are kept from the previous one if they are not given."""
        last = page.revisions[-1] if page.revisions else None
        if last:
            self._unindex(page)
        kept = entity if entity is not None else (last.entity if last else None)
        words = text if text is not None else (last.text if last else "")
        parent = last.id if last else 0
        number = self.state.next_revision
        self.state.next_revision += 1
        page.revisions.append(Revision(number, parent, user, self.stamp(), comment, tags or [], kept, words))
        self._index(page)
        self.version += 1
        return page.last

    def reindex(self, page: Page, change: Callable[[], None]) -> None:
        """Call `change`, which modifies the page's categories or its deletion, and update the indices."""
        self._unindex(page)
        change()
        self._index(page)
        self.version += 1

    def log(self, edit: Edit) -> None:
        """Append an edit to the log that checks read."""
        self.state.edits.append(edit)
        self.version += 1
