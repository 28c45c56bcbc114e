"""Depicts statements (P180) of files as values, with functions to parse and compare them. Pure functions."""

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
    """A depicts statement. `item`: None for "unknown value" and "no value". `qualifiers`, `references`: raw JSON."""

    id: str
    item: str | None
    rank: str
    qualifiers: JsonObject = field(default_factory=dict, hash=False)
    references: tuple[JsonObject, ...] = field(default=(), hash=False)

    @property
    def deprecated(self) -> bool:
        """Whether a user marked the statement as wrong. It stays readable, but queries for depicted items ignore it."""
        return self.rank == "deprecated"


@dataclass(frozen=True)
class Entity:
    """A file page and its MediaInfo entity, as the wiki stores them.

    `exists`: the file page exists and is not a redirect. `last_revision`: the base revision for an edit of this state.
    `protection`: the level that editing requires ("sysop"), empty if everybody may edit. `captions`: by language.
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
        """Whether the page is protected against edits by autoconfirmed users too."""
        return self.protection not in _OPEN_LEVELS


def read_statement(raw: JsonObject) -> Statement:
    """Parse the JSON of a statement."""
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
    """Parse the depicts statements of an entity; its `statements` is a list if it has no statement at all."""
    return tuple(read_statement(raw) for raw in objects(inner(entity, "statements"), DEPICTS))


def stating(entity: Entity, *items: str) -> tuple[Statement, ...]:
    """Return the statements that name one of the items (the ids of one merged item), without the deprecated ones."""
    return tuple(found for found in entity.statements if found.item in items and not found.deprecated)


def denying(entity: Entity, *items: str) -> tuple[Statement, ...]:
    """Return the deprecated statements that name one of the items (the ids of one merged item)."""
    return tuple(found for found in entity.statements if found.item in items and found.deprecated)


def ours(entity: Entity, statement_id: str) -> Statement | None:
    """Return the statement with this GUID, or None; the wiki may store the GUID's entity part in another case."""
    wanted = statement_id.upper()
    return next((statement for statement in entity.statements if statement.id.upper() == wanted), None)


def positions(statement: Statement) -> tuple[str, ...]:
    """Return the values of the qualifier "relative position within image"."""
    values = (text(inner(snak, "datavalue"), "value") for snak in objects(statement.qualifiers, POSITION))
    return tuple(value for value in values if value)


def untouched(statement: Statement, item: str, *, rank: str = "normal", box: Box | None = None) -> bool:
    """Return whether the statement is still exactly as this program wrote it."""
    return (
        statement.item == item
        and statement.rank == rank
        and not foreign(statement, box=box)
        and positions(statement) == ((region(box),) if box else ())
    )


def foreign(statement: Statement, *, box: Box | None = None) -> bool:
    """Return whether others added qualifiers or references (this program adds at most the position `box`)."""
    own = {region(box)} if box else set()
    others = set(statement.qualifiers) - {POSITION}
    return bool(
        others or statement.references or set(positions(statement)) - own or _has_position_without_value(statement)
    )


def _has_position_without_value(statement: Statement) -> bool:
    """Return whether a position is "unknown value" or "no value", which cannot be compared with a box."""
    return len(objects(statement.qualifiers, POSITION)) != len(positions(statement))


def statement_json(statement_id: str, item: str, rank: str, box: Box | None) -> dict[str, Any]:
    """Return the JSON of a statement for wbeditentity, which rejects one without `type`."""
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
    """Return the statements of the item (or of the ids of one merged item) if there are at least two, else none."""
    found = stating(entity, *items)
    return found if len(found) > 1 else ()
