"""Depicts statements of files as values, and what can be said of them without asking anybody. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wiki.answers import JsonObject, inner, number, objects, text
from wiki.names import Box, region

DEPICTS = "P180"
POSITION = "P2677"  # relative position within image
_OPEN_LEVELS = ("", "user", "autoconfirmed")


@dataclass(frozen=True)
class Statement:
    """A depicts statement. `item` is None for "unknown" and "no value". `qualifiers`, `references`: as the wiki has them."""

    id: str
    item: str | None
    rank: str
    qualifiers: JsonObject = field(default_factory=dict, hash=False)
    references: tuple[JsonObject, ...] = field(default=(), hash=False)

    @property
    def deprecated(self) -> bool:
        """Whether somebody marked it as wrong. It stays readable, but queries for what is stated do not find it."""
        return self.rank == "deprecated"


@dataclass(frozen=True)
class Entity:
    """What the wiki has of a file page.

    `exists`: the page is there and is not a redirect. `last_revision`: what an edit of this state names as its base.
    `protection`: the level that editing needs ("sysop"), empty where anybody may. `captions`: by language.
    """

    page_id: int
    exists: bool
    has_mediainfo: bool
    last_revision: int
    statements: tuple[Statement, ...]
    title: str = ""
    redirect: bool = False
    protection: str = ""
    captions: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def locked(self) -> bool:
        """Whether the page is protected so that volunteers of some standing may not edit it either."""
        return self.protection not in _OPEN_LEVELS


def read_statement(raw: JsonObject) -> Statement:
    """From the JSON of a statement."""
    value = inner(raw, "mainsnak", "datavalue", "value")
    numeric = number(value, "numeric-id", 10**10)
    item = text(value, "id") or (f"Q{numeric}" if numeric else "")
    return Statement(
        id=text(raw, "id"),
        item=item or None,
        rank=text(raw, "rank") or "normal",
        qualifiers={key: snaks for key, snaks in inner(raw, "qualifiers").items() if snaks},
        references=tuple(objects(raw, "references")),
    )


def read_statements_of(entity: JsonObject) -> tuple[Statement, ...]:
    """The depicts statements of an entity; its `statements` is a list where it has none at all."""
    return tuple(read_statement(raw) for raw in objects(inner(entity, "statements"), DEPICTS))


def stating(entity: Entity, *items: str) -> tuple[Statement, ...]:
    """The statements that name the item (or one of several that are the same); a deprecated one states nothing."""
    return tuple(found for found in entity.statements if found.item in items and not found.deprecated)


def denying(entity: Entity, *items: str) -> tuple[Statement, ...]:
    """The deprecated statements that name the item (or one of several that are the same)."""
    return tuple(found for found in entity.statements if found.item in items and found.deprecated)


def ours(entity: Entity, statement_id: str) -> Statement | None:
    """The statement with this GUID; the wiki may have kept its entity part in another case."""
    wanted = statement_id.upper()
    return next((statement for statement in entity.statements if statement.id.upper() == wanted), None)


def positions(statement: Statement) -> tuple[str, ...]:
    """The values of the qualifier "relative position within image"."""
    values = (text(inner(snak, "datavalue"), "value") for snak in objects(statement.qualifiers, POSITION))
    return tuple(value for value in values if value)


def untouched(statement: Statement, item: str, *, rank: str = "normal", box: Box | None = None) -> bool:
    """Whether the statement is still exactly as we wrote it."""
    return (
        statement.item == item
        and statement.rank == rank
        and not foreign(statement, box=box)
        and positions(statement) == ((region(box),) if box else ())
    )


def foreign(statement: Statement, *, box: Box | None = None) -> bool:
    """Whether it carries qualifiers or references that are not ours (ours is at most the position `box`)."""
    own = {region(box)} if box else set()
    others = set(statement.qualifiers) - {POSITION}
    return bool(others or statement.references or set(positions(statement)) - own or _odd(statement))


def _odd(statement: Statement) -> bool:
    """A position that says "unknown" has no value to compare."""
    return len(objects(statement.qualifiers, POSITION)) != len(positions(statement))


def statement_json(statement_id: str, item: str, rank: str, box: Box | None) -> dict[str, Any]:
    """A statement as wbeditentity wants it; without `type` it is refused."""
    value = {"entity-type": "item", "id": item}
    statement: dict[str, Any] = {
        "id": statement_id,
        "type": "statement",
        "rank": rank,
        "mainsnak": {
            "snaktype": "value",
            "property": DEPICTS,
            "datavalue": {"type": "wikibase-entityid", "value": value},
        },
    }
    if box:
        snak = {"snaktype": "value", "property": POSITION, "datavalue": {"type": "string", "value": region(box)}}
        statement |= {"qualifiers": {POSITION: [snak]}, "qualifiers-order": [POSITION]}
    return statement


def twice(entity: Entity, *items: str) -> Sequence[Statement]:
    """The statements of the item (or of several that are the same) where it stands more than once, else none."""
    found = stating(entity, *items)
    return found if len(found) > 1 else ()
