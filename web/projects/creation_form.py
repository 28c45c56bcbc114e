"""The form for a new project, and its checks against the wikis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from werkzeug.datastructures import MultiDict

from config import Settings
from store.projects.projects import NewProject, SourceKind
from web.site.text import LazyText, gettext, lazy_gettext, ngettext
from wiki import addresses, commons, search, wikidata
from wiki.ages import ADULT, iso, may_be_minor
from wiki.client import Client
from wiki.commons import CategoryTree
from wiki.errors import GiveUp, NoSuchItem, Reason
from wiki.names import InvalidName, bare_title, category_title, file_title, item_id
from wiki.wikidata import Person

DEEPEST = 10
USUAL_DEPTH = 5
LONGEST_SOURCE = 255
PREVIEWED_CATEGORIES = 60  # Larger trees are previewed in part, because each category takes a request.
PREVIEWED_TITLES = 50
LONGEST_LINK = 2_000  # characters; percent-encoding takes up to nine for a letter of a non-Latin script
_LONGEST_PILE = 11  # digits
KINDS: dict[SourceKind, LazyText] = {
    "category": lazy_gettext("Category"),
    "search": lazy_gettext("Search"),
    "pagepile": lazy_gettext("PagePile"),
    "titles": lazy_gettext("List of titles"),
}


@dataclass(frozen=True)
class Draft:
    """The form as filled in. `shown`: the subcategories that were offered; `kept`: those still selected."""

    item: str = ""
    kind: SourceKind = "category"
    sources: Mapping[SourceKind, str] = field(default_factory=dict)
    titles: str = ""
    depth: str = str(USUAL_DEPTH)
    shown: tuple[str, ...] = ()
    kept: frozenset[str] = frozenset()

    @property
    def source(self) -> str:
        """The text typed for the chosen kind of source."""
        return self.sources.get(self.kind, "").strip()

    @property
    def excluded(self) -> tuple[str, ...]:
        """The subcategories that were offered and deselected."""
        return tuple(title for title in self.shown if title not in self.kept)


def parse_form(form: MultiDict[str, str]) -> Draft:
    """Parse the form without checking it."""
    kind = form.get("kind", "category")
    chosen: SourceKind = next((name for name in KINDS if name == kind), "category")
    return Draft(
        item=form.get("item", "").strip()[:200],
        kind=chosen,
        sources={name: form.get(name, "") for name in KINDS if name != "titles"}
        | {"titles": form.get("list_name", "")},
        titles=form.get("titles", ""),
        depth=form.get("depth", str(USUAL_DEPTH)),
        shown=tuple(form.getlist("shown")),
        kept=frozenset(form.getlist("kept")),
    )


@dataclass(frozen=True)
class Branch:
    """A subcategory as offered; `parent` is the category above it, empty for the root."""

    title: str
    depth: int
    files: int
    kept: bool
    parent: str


@dataclass(frozen=True)
class CheckedDraft:
    """A draft and the results of its checks; `errors` are messages by form field."""

    draft: Draft
    person: Person | None = None
    errors: dict[str, str] = field(default_factory=dict)
    files: int | None = None
    truncated: bool = False  # There are more files than a project may hold, or more categories than were read.
    branches: tuple[Branch, ...] = ()
    source: str = ""  # in the form that is stored
    titles: tuple[str, ...] = ()  # of a list of titles, without duplicates
    duplicate_id: int | None = None  # id of the user's project with the same person and source
    depth: int = USUAL_DEPTH

    @property
    def ready(self) -> bool:
        """Whether the project can be created."""
        return self.person is not None and not self.errors and self.files is not None

    def with_error(self, field_name: str, text: str) -> "CheckedDraft":
        """Return a copy with an error at a field."""
        return replace(self, errors={**self.errors, field_name: text})


def check(client: Client, settings: Settings, draft: Draft, language: str, today: date) -> CheckedDraft:
    """Check person and source against the wikis. Raises WikiError if a wiki does not answer."""
    checked = check_person(client, settings, CheckedDraft(draft), language, today)
    if checked.person and draft.kind == "category" and not draft.source:
        category = bare_title(checked.person.commons_category)
        checked = replace(checked, draft=replace(draft, sources={**draft.sources, "category": category}))
    return check_source(client, settings, checked)


def check_person(client: Client, settings: Settings, checked: CheckedDraft, language: str, today: date) -> CheckedDraft:
    """Check that the item exists, is a human, and is not a minor."""
    typed = checked.draft.item
    if not typed:
        return checked.with_error("item", gettext("Choose a person."))
    try:
        person = wikidata.person(client, item_id(typed, [settings.wikidata_pages]), [language, "en"])
    except InvalidName:
        return checked.with_error(
            "item", gettext("“%(typed)s” is not a Wikidata item. An item looks like Q42.", typed=typed)
        )
    except NoSuchItem:
        return checked.with_error("item", gettext("There is no item %(item)s on Wikidata.", item=typed))
    with_person = replace(checked, person=person)
    if not person.is_human:
        name = person.label or person.item
        text = gettext(
            "%(name)s (%(item)s) is not a person: on Wikidata it is not an instance of human.",
            name=name,
            item=person.item,
        )
        return with_person.with_error("item", text)
    if may_be_minor(person, today):
        return with_person.with_error("item", gettext("WikiVisage does not look for people under %(age)d.", age=ADULT))
    return with_person


def link_sites(settings: Settings) -> list[str]:
    """Return the URLs of the sites whose links are accepted in place of a title."""
    return [settings.commons_pages, *settings.media_hosts]


def check_source(client: Client, settings: Settings, checked: CheckedDraft) -> CheckedDraft:
    """Check that the source exists and contains files."""
    kind, source = checked.draft.kind, checked.draft.source
    if kind == "category":
        return _check_category(client, settings, checked, source)
    if kind == "titles":
        return _check_titles(client, settings, checked, source)
    if not source:
        return checked.with_error(kind, gettext("This must not be empty."))
    if len(source) > LONGEST_SOURCE:
        return checked.with_error(kind, gettext("This is too long: %(most)d characters at most.", most=LONGEST_SOURCE))
    if kind == "pagepile":
        return _check_pile(client, settings, checked, source)
    return _with_file_count(checked, settings, "search", source, search.count(client, source))


def _with_file_count(
    checked: CheckedDraft, settings: Settings, field_name: str, source: str, files: int
) -> CheckedDraft:
    if not files:
        return checked.with_error(field_name, gettext("No files were found there."))
    return replace(checked, source=source, files=files, truncated=files > settings.max_files)


def _check_category(client: Client, settings: Settings, checked: CheckedDraft, typed: str) -> CheckedDraft:
    if not typed:
        return checked.with_error("category", gettext("Name a category of Commons."))
    depth = _depth(checked.draft.depth)
    if depth is None:
        text = gettext("The depth must be a whole number from 0 to %(most)d.", most=DEEPEST)
        return checked.with_error("depth", text)
    try:
        title = category_title(typed, link_sites(settings))
    except InvalidName:
        return checked.with_error("category", gettext("“%(typed)s” cannot be the name of a category.", typed=typed))
    name = bare_title(title)
    info = commons.category_info(client, [title])[title]
    if not info.exists:
        return checked.with_error("category", gettext("There is no category “%(name)s” on Commons.", name=name))
    if info.empty:
        return checked.with_error("category", gettext("The category “%(name)s” is empty.", name=name))
    most = min(settings.max_categories, PREVIEWED_CATEGORIES)
    tree = commons.category_tree(client, title, depth, max_categories=most)
    branches = _branches(tree, frozenset(checked.draft.excluded))
    files = sum(branch.files for branch in branches if branch.kept)
    if not files:
        text = gettext("There are no files in “%(name)s”, nor in the subcategories that are ticked.", name=name)
        return replace(checked.with_error("category", text), branches=branches, depth=depth)
    truncated = not tree.complete or files > settings.max_files
    return replace(checked, source=name, files=files, truncated=truncated, branches=branches, depth=depth)


def _depth(typed: str) -> int | None:
    text = typed.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= DEEPEST else None


def _branches(tree: CategoryTree, excluded: frozenset[str]) -> tuple[Branch, ...]:
    """Return the categories in the order of the tree; those below a deselected category are deselected too."""
    children: dict[str, list[commons.Branch]] = {}
    for branch in tree.branches:
        children.setdefault(branch.parent, []).append(branch)
    branches: list[Branch] = []

    def visit(branch: commons.Branch, kept: bool) -> None:
        name = bare_title(branch.title)
        here = kept and (branch.depth == 0 or name not in excluded)
        branches.append(Branch(name, branch.depth, branch.files, here, bare_title(branch.parent)))
        for child in children.get(branch.title, ()):
            visit(child, here)

    visit(tree.branches[0], True)
    return tuple(branches)


def _check_titles(client: Client, settings: Settings, checked: CheckedDraft, name: str) -> CheckedDraft:
    lines = [line.strip() for line in checked.draft.titles.splitlines() if line.strip()]
    if not lines:
        return checked.with_error("titles", gettext("Paste at least one file title, one a line."))
    titles = []
    for line in lines:
        try:
            titles.append(file_title(line, link_sites(settings)))
        except InvalidName:
            text = gettext("“%(line)s” cannot be the title of a file.", line=line[:80])
            return checked.with_error("titles", text)
    resolved = commons.resolve_titles(client, titles[:PREVIEWED_TITLES])
    if not any(resolved.values()):
        return checked.with_error("titles", gettext("None of these files is on Commons."))
    titles = list(dict.fromkeys(titles))
    files = len(titles)
    source = (name or ngettext("List of %(num)d file", "List of %(num)d files", files))[:LONGEST_SOURCE]
    return _with_file_count(replace(checked, titles=tuple(titles)), settings, "titles", source, files)


def _check_pile(client: Client, settings: Settings, checked: CheckedDraft, typed: str) -> CheckedDraft:
    number = addresses.pile_number(typed)
    if not number or len(number) > _LONGEST_PILE:
        return checked.with_error("pagepile", gettext("A PagePile has a number, for example 12345."))
    try:
        pile = commons.pagepile(client, int(number))
    except GiveUp as error:
        if error.reason != Reason.MISSING:
            raise
        return checked.with_error("pagepile", gettext("There is no PagePile %(number)s.", number=number))
    if pile.wiki != "commonswiki":
        text = gettext("PagePile %(number)s is of %(wiki)s, not of Wikimedia Commons.", number=number, wiki=pile.wiki)
        return checked.with_error("pagepile", text)
    files = sum(title.startswith("File:") for title in pile.titles)
    return _with_file_count(checked, settings, "pagepile", str(int(number)), files)


def new_project(checked: CheckedDraft) -> NewProject:
    """Return the data to store for a draft that is ready."""
    person = checked.person
    assert person is not None
    is_list = checked.draft.kind == "titles"
    return NewProject(
        item=person.item,
        label=person.label or person.item,
        description=person.description,
        portrait_title=bare_title(person.portrait) or None,
        born=iso(person.born),
        died=iso(person.died),
        source_kind=checked.draft.kind,
        source=checked.source,
        source_text="\n".join(map(bare_title, checked.titles)) if is_list else None,
        depth=checked.depth,
        excluded="\n".join(_excluded(checked.branches)) or None,
    )


def _excluded(branches: Sequence[Branch]) -> list[str]:
    return [branch.title for branch in branches if not branch.kept]
