"""The initial state of the sandbox, built from a folder of photographs (DIR/NAME/*.jpg)."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.state import names, picture_files
from sandbox.state.model import Consumer, Entity, Item, Json, Page, Revision, State, User, Version
from sandbox.state.people import NOT_PEOPLE, THINGS, known, label_of
from sandbox.state.statements import group_by_property, item_snak, statement, string_snak, time_snak

PICTURES = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".tiff"}
RECIPES = (
    *("mirrored", "dimmed", "cropped", "rescaled", "mirrored+dimmed", "brightened", "cropped+mirrored", "muted"),
    *("turned", "turned+mirrored", "rescaled+dimmed", "cropped+muted", "mirrored+brightened", "turned+dimmed"),
)
DECORATIONS = ("{}", "{}", "{}", "{} “Łódź & Tromsø”", "{}", "{}", "{} (who's that?)", "{}", "{} 100%", "{}", "{}")
STATED = 3
"""Number of files of each person that depict the person from the start."""
CAPTIONED = {2: ("en", "nb", "es", "fr"), 3: ("de",), 5: ("en-gb", "es"), 6: ("ar",)}
"""Index of a file among those of a person -> languages of its initial captions.

Some are languages of the application, the others have to be shown as a fallback.
"""
CAPTIONS = {
    "en": "A photograph of {}",
    "en-gb": "A photo of {}",
    "nb": "Et fotografi av {}",
    "es": "Una fotografía de {}",
    "fr": "Une photographie de {}",
    "de": "Eine Fotografie von {}",
    "ar": "صورة فوتوغرافية: {}",
}
FIRST_MOMENT = datetime(2024, 1, 1, tzinfo=UTC)


VARIANTS_FILE = "sandbox.json"
"""File in a folder of photographs that holds the wanted number of photographs of each person, including variants."""


class NoPhotographs(Exception):
    """The folder has no photographs; the text describes the expected layout."""


@dataclass(frozen=True)
class Photograph:
    """The source of a file page: the person's folder, the path of the photograph, and the recipe if it is a variant."""

    folder: str
    path: Path
    recipe: str = ""


def photographs(root: Path) -> dict[str, list[Photograph]]:
    """Return the photographs by folder; one without a folder belongs to the person its file name begins with.

    Raises NoPhotographs.
    """
    if not root.is_dir():
        raise NoPhotographs(f"{root} is not a folder. Photographs are expected as {root}/NAME/*.jpg.")
    found: dict[str, list[Photograph]] = {}
    for path in picture_files.below(root, PICTURES):
        parts = path.relative_to(root).parts
        folder = parts[0] if len(parts) > 1 else re.sub(r"[\d_\-. ]+$", "", path.stem) or path.stem
        found.setdefault(folder, []).append(Photograph(folder, path.absolute()))
    if not found:
        raise NoPhotographs(f"{root} has no photographs. They are expected as {root}/NAME/*.jpg.")
    return found


def write_variants(root: Path, number: int) -> None:
    """Store the wanted number of photographs of each person in the folder of the photographs."""
    (root / VARIANTS_FILE).write_text(json.dumps({"variants": number}) + "\n", encoding="utf-8")


def read_variants(root: Path) -> int:
    """Return the wanted number of photographs of each person; 0, which adds no variants, if none is stored."""
    try:
        return int(json.loads((root / VARIANTS_FILE).read_text(encoding="utf-8"))["variants"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def with_variants(found: list[Photograph], wanted: int) -> list[Photograph]:
    """Return the photographs and as many variants of them as are missing from the wanted number.

    The first recipe is applied to all photographs before the second one is used.
    """
    variants = (Photograph(one.folder, one.path, recipe) for recipe in RECIPES for one in found)
    return found + list(itertools.islice(variants, max(0, wanted - len(found))))


class Builder:
    """Builder of a state; ids and times depend on the photographs only and are the same in every run."""

    def __init__(self) -> None:
        self.state = State()
        self.moment = FIRST_MOMENT

    def tick(self) -> str:
        """Advance the clock by seven minutes; return the time in MediaWiki's format."""
        self.moment += timedelta(minutes=7)
        return self.moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def page(self, title: str, text: str, categories: Iterable[str] = ()) -> Page:
        """Add a page with its first revision."""
        number, self.state.next_page = self.state.next_page, self.state.next_page + 1
        page = Page(number, title, names.namespace_of(title))
        page.categories = {category: self.tick() for category in categories}
        self.state.pages[number] = page
        self.revision(page, "Sandbox", text[:60], text=text)
        return page

    def revision(self, page: Page, user: str, comment: str, *, text: str = "", entity: Entity | None = None) -> None:
        """Add a revision to a page; without `text` it keeps the previous text."""
        number, self.state.next_revision = self.state.next_revision, self.state.next_revision + 1
        last = page.revisions[-1] if page.revisions else None
        words = text or (last.text if last else "")
        page.revisions.append(Revision(number, last.id if last else 0, user, self.tick(), comment, [], entity, words))

    def item(self, number: str, label: str, description: str, snaks: list[Json]) -> None:
        """Add an item with a statement for each snak."""
        page, self.state.next_page = self.state.next_page, self.state.next_page + 1
        revision, self.state.next_revision = self.state.next_revision, self.state.next_revision + 1
        guids = (f"{number}$00000000-0000-4000-8000-{index:012X}" for index in itertools.count(1))
        claims = group_by_property([statement(next(guids), snak) for snak in snaks])
        entity = Entity({"en": label}, {"en": description}, claims)
        self.state.items[number] = Item(number, page, entity, revision, self.tick())

    def file(self, title: str, photograph: Photograph, categories: Iterable[str]) -> Page:
        """Add a file page for a photograph."""
        person = photograph.folder not in NOT_PEOPLE
        marked = f" This is a variant made by the sandbox: {photograph.recipe}." if photograph.recipe else ""
        described = f"{label_of(photograph.folder)}." if person else "A photograph."
        page = self.page(title, f"{described}{marked}", categories)
        page.versions.append(
            Version(str(photograph.path), page.last.timestamp, "Sandbox", described, photograph.recipe)
        )
        page.people = [photograph.folder] if person else []
        return page

    def state_depicts(self, page: Page, item: str) -> None:
        """Add a depicts statement (P180) to a file as an edit by another volunteer."""
        guid = f"M{page.id}$00000000-0000-4000-8000-{int(item[1:]):012X}"
        entity = Entity(statements=group_by_property([statement(guid, item_snak("P180", item))]))
        comment = f"/* wbcreateclaim-create:1| */ [[Property:P180]]: [[{item}]]"
        self.revision(page, "Volunteer", comment, entity=entity)

    def caption(self, page: Page, captions: dict[str, str]) -> None:
        """Set a file's captions (language -> text) as an edit by another volunteer; its statements are kept."""
        statements = page.last.entity.statements if page.last.entity else {}
        comment = f"/* wbeditentity-update-languages:0||{', '.join(captions)} */"
        self.revision(page, "Volunteer", comment, entity=Entity(captions, {}, statements))


def titles() -> Iterator[str]:
    """Return an endless iterator of patterns for titles, some with characters that need escaping."""
    return itertools.cycle(DECORATIONS)


def title_of(photograph: Photograph, pattern: str, taken: set[str]) -> str:
    """Return a title for a photograph that is not in `taken`, and add it there."""
    stem = re.sub(r"[#<>\[\]|{}_\x00-\x1f]+", " ", photograph.path.stem).strip()
    label = label_of(photograph.folder) if photograph.folder not in NOT_PEOPLE else "Photograph"
    shown = stem if stem.lower().startswith(label.lower()) else f"{label} {stem}"
    variant = f" ({photograph.recipe.replace('+', ', ')} variant)" if photograph.recipe else ""
    suffix = ".jpg" if photograph.recipe else photograph.path.suffix.lower()
    for number in itertools.count(1):
        again = "" if number == 1 else f" {number}"
        title = names.normalise(f"File:{pattern.format(shown)}{variant}{again}{suffix}")
        if title is None:
            pattern, shown = "{}", f"{label} {len(taken)}"
        elif title not in taken:
            taken.add(title)
            return title
    raise AssertionError("count() does not end")


def build(
    root: Path, *, variants: int | None = None, consumer: Consumer | None = None, users: Iterable[str] = ()
) -> State:
    """Build the whole initial state.

    `variants`: minimum number of photographs of each person, None for the number stored in the folder. `users`: names
    of additional accounts. Raises NoPhotographs.
    """
    found = photographs(root)
    number_each = read_variants(root) if variants is None else variants
    builder = Builder()
    for number, name in enumerate(dict.fromkeys(["Admin", "Sandbox", "Volunteer", "Alice", "Bob", *users]), 1):
        builder.state.users[name] = User(number, name, "2020-01-01T00:00:00Z", 100)
    if consumer:
        builder.state.consumers[consumer.id] = consumer
    _things(builder)
    people = {name: with_variants(group, number_each) for name, group in found.items() if name not in NOT_PEOPLE}
    taken: set[str] = set()
    pattern = titles()
    pages = {name: _files(builder, group, pattern, taken) for name, group in people.items()}
    others = [
        builder.file(title_of(one, next(pattern), taken), one, []) for name in NOT_PEOPLE for one in found.get(name, [])
    ]
    for name in people:
        _person(builder, name, pages, others)
    return builder.state


def _things(builder: Builder) -> None:
    for number, (label, description) in THINGS.items():
        builder.item(number, label, description, [item_snak("P31", "Q8502")] if number == "Q243" else [])


def _files(builder: Builder, group: list[Photograph], pattern: Iterator[str], taken: set[str]) -> list[Page]:
    own = f"Category:{label_of(group[0].folder)}"
    return [builder.file(title_of(one, next(pattern), taken), one, [own]) for one in group]


def _person(builder: Builder, name: str, pages: dict[str, list[Page]], others: list[Page]) -> None:
    """Add a person's item and categories, some statements and captions, and unusual members of the categories."""
    label, who, own = label_of(name), known(name), pages[name]
    snaks = [item_snak("P31", "Q5"), string_snak("P373", label), string_snak("P18", names.bare(own[0].title))]
    snaks += [time_snak("P569", who.born, who.precision)] if who.born else []
    builder.item(who.item, label, who.description, snaks)
    builder.page(f"Category:{label}", f"Photographs of {label}.", ["Category:People"])
    for page in own[1 : STATED + 1]:
        builder.state_depicts(page, who.item)
    for place, languages in CAPTIONED.items():
        for page in own[place : place + 1]:
            builder.caption(page, {language: CAPTIONS[language].format(label) for language in languages})
    mixed, album = f"Category:Photographs with {label}", f"Category:Photographs with {label}, album"
    builder.page(mixed, f"Photographs, many of them with {label}.", [album])
    builder.page(album, "A subcategory that holds its own parent: a loop.", [mixed])
    others_files = _files_of_others(name, pages, others, len(own))
    for index, page in enumerate([*own, *others_files]):
        page.categories[album if index % 5 == 4 else mixed] = builder.tick()
    _unsuitable_members(builder, label, mixed, own)


def _files_of_others(name: str, pages: dict[str, list[Page]], others: list[Page], people: int) -> list[Page]:
    """Return files that do not show the person, evenly chosen: half as many as the person's own, but at least 6.

    They are photographs of other people and those that belong to nobody.
    """
    foreign = [page for other, group in pages.items() if other != name for page in group]
    pool = foreign + others
    wanted = min(len(pool), max(6, people // 2))
    return [pool[index * len(pool) // wanted] for index in range(wanted)] if wanted else []


def _unsuitable_members(builder: Builder, label: str, mixed: str, own: list[Page]) -> None:
    """Add category members that clients have to skip: audio, PDF, a redirect, a page without a file, a deleted file."""
    here = Path(__file__).parents[1] / "static"
    for title, sample in (
        (f"File:Interview with {label}.ogg", "silence.ogg"),
        (f"File:Biography of {label}.pdf", "page.pdf"),
    ):
        page = builder.page(title, label, [mixed])
        page.versions.append(Version(str(here / sample), page.last.timestamp))
    redirect = builder.page(f"File:{label} old name.jpg", f"#REDIRECT [[{own[0].title}]]", [mixed])
    redirect.redirect = own[0].title
    builder.page(f"File:{label} failed upload.jpg", "A page without a file.", [mixed])
    deleted = builder.page(f"File:{label} deleted.jpg", "Deleted.", [mixed])
    deleted.versions.append(own[0].versions[0])
    deleted.deleted = True
