"""Wikibase statements in one canonical JSON form, with hashes and GUIDs."""

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from typing import Any, Literal

from sandbox.state.errors import invalid_claim, invalid_snak, modification_failed
from sandbox.state.model import Entity, Json

PROPERTIES = {
    "P18": "commonsMedia",
    "P31": "wikibase-item",
    "P180": "wikibase-item",
    "P373": "string",
    "P569": "time",
    "P813": "time",
    "P887": "wikibase-item",
    "P854": "url",
    "P1545": "string",
    "P2677": "string",
    "P6243": "wikibase-item",
    "P921": "wikibase-item",
}
"""Property -> data type, for all properties that exist."""

_GUID = re.compile(r"[MQ]\d+\$[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}", re.IGNORECASE)
Exists = Callable[[str], bool]
Ranks = Literal["all", "not deprecated", "best"]


def new_guid(entity_id: str) -> str:
    """Return a new GUID in upper case, as the server generates it."""
    return f"{entity_id}${str(uuid.uuid4()).upper()}"


def valid_guid(guid: str) -> bool:
    """Return whether the text has the form of a statement's GUID."""
    return bool(_GUID.fullmatch(guid))


def item_snak(prop: str, item: str) -> Json:
    """Return a snak whose value is an item."""
    number = int(item[1:])
    value = {"value": {"entity-type": "item", "numeric-id": number, "id": item}, "type": "wikibase-entityid"}
    return _with_hash({"snaktype": "value", "property": prop, "datavalue": value})


def string_snak(prop: str, text: str) -> Json:
    """Return a snak whose value is a string."""
    return _with_hash({"snaktype": "value", "property": prop, "datavalue": {"value": text, "type": "string"}})


def time_snak(prop: str, time: str, precision: int) -> Json:
    """Return a snak whose value is a date; precision 11 is a day, 9 a year."""
    value = {
        "time": time,
        "timezone": 0,
        "before": 0,
        "after": 0,
        "precision": precision,
        "calendarmodel": "http://www.wikidata.org/entity/Q1985727",
    }
    return _with_hash({"snaktype": "value", "property": prop, "datavalue": {"value": value, "type": "time"}})


def statement(guid: str, snak: Json, qualifiers: list[Json] | None = None, rank: str = "normal") -> Json:
    """Return a statement in canonical form, without references."""
    result: Json = {"mainsnak": snak, "type": "statement"}
    if qualifiers:
        grouped = group_by_property(qualifiers)
        result["qualifiers"] = grouped
        result["qualifiers-order"] = list(grouped)
    return result | {"id": guid, "rank": rank}


def group_by_property(snaks: list[Json]) -> dict[str, list[Json]]:
    """Return snaks or statements grouped by property; the order is kept."""
    groups: dict[str, list[Json]] = {}
    for snak in snaks:
        groups.setdefault((snak.get("mainsnak") or snak)["property"], []).append(snak)
    return groups


def read_snak(given: Any, exists: Exists) -> Json:
    """Return a client's snak in canonical form; `exists` tells whether an item exists.

    Raises ApiError: `invalid-snak` for malformed JSON, `modification-failed` for a value that may not be stored.
    """
    if not isinstance(given, dict) or given.get("snaktype") not in ("value", "somevalue", "novalue"):
        raise invalid_snak()
    prop = given.get("property")
    if not isinstance(prop, str):
        raise invalid_snak()
    if prop not in PROPERTIES:
        raise modification_failed(
            f"Property [[Property:{prop}|{prop}]] not found", "wikibase-validator-no-such-property"
        )
    if given["snaktype"] != "value":
        return _with_hash({"snaktype": given["snaktype"], "property": prop})
    value = given.get("datavalue")
    return read_value(prop, value.get("value") if isinstance(value, dict) else None, exists)


def read_value(prop: str, value: Any, exists: Exists) -> Json:
    """Return a snak for a value that a client sent. Raises ApiError as `read_snak` does."""
    kind = PROPERTIES[prop]
    if kind == "wikibase-item":
        return _item_value(prop, value, exists)
    if kind == "time":
        if not isinstance(value, dict) or "time" not in value:
            raise invalid_snak()
        return time_snak(prop, str(value["time"]), int(value.get("precision", 11)))
    if not isinstance(value, str):
        raise invalid_snak()
    if value != value.strip() or re.search(r"[\n\v\t\r]", value):
        text = f"String should not start or end with whitespace nor include vertical whitespace or tabs: {value}"
        raise modification_failed(text, "wikibase-validator-illegal-string-chars", value)
    return string_snak(prop, value)


def _item_value(prop: str, value: Any, exists: Exists) -> Json:
    if not isinstance(value, dict):
        raise invalid_snak()
    item = value.get("id") or (f"Q{value['numeric-id']}" if "numeric-id" in value else "")
    if not re.fullmatch(r"Q[1-9]\d*", str(item)):
        raise invalid_snak()
    if not exists(item):
        link = f"[[Item:{item}|{item}]]"
        raise modification_failed(f"{link} not found", "wikibase-validator-no-such-entity", link)
    return item_snak(prop, item)


def read_statement(given: Any, exists: Exists) -> Json:
    """Return a client's statement in canonical form; its `id` is "" if the client sent none. Raises ApiError."""
    if not isinstance(given, dict) or given.get("type") != "statement":
        raise invalid_claim("")
    rank = given.get("rank", "normal")
    if rank not in ("preferred", "normal", "deprecated"):
        raise invalid_claim("The rank is not one of preferred, normal, deprecated")
    qualifiers = [read_snak(snak, exists) for snak in _flat(given.get("qualifiers"))]
    result = statement(str(given.get("id", "")), read_snak(given.get("mainsnak"), exists), _unique(qualifiers), rank)
    references = [_reference(reference, exists) for reference in given.get("references") or []]
    return result | ({"references": references} if references else {})


def _reference(given: Any, exists: Exists) -> Json:
    if not isinstance(given, dict):
        raise invalid_claim("A reference is no object")
    snaks = group_by_property([read_snak(snak, exists) for snak in _flat(given.get("snaks"))])
    return {"hash": _hash(snaks), "snaks": snaks, "snaks-order": list(snaks)}


def _flat(groups: Any) -> list[Any]:
    if isinstance(groups, dict):
        return [snak for group in groups.values() for snak in group]
    return list(groups or [])


def _unique(snaks: list[Json]) -> list[Json]:
    return list({snak["hash"]: snak for snak in snaks}.values())


def _with_hash(snak: Json) -> Json:
    head = {key: snak[key] for key in ("snaktype", "property")}
    return head | {"hash": _hash(snak)} | ({"datavalue": snak["datavalue"]} if "datavalue" in snak else {})


def _hash(value: Any) -> str:
    return hashlib.sha1(json.dumps(value, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def with_datatype(given: Json) -> Json:
    """Return a statement in the format of wbgetclaims and the writing modules, with the data type in every snak."""
    result = dict(given)
    result["mainsnak"] = _typed(given["mainsnak"])
    if "qualifiers" in given:
        result["qualifiers"] = {prop: [_typed(snak) for snak in group] for prop, group in given["qualifiers"].items()}
    if "references" in given:
        result["references"] = [_typed_reference(reference) for reference in given["references"]]
    return result


def _typed_reference(reference: Json) -> Json:
    snaks = {prop: [_typed(snak) for snak in group] for prop, group in reference["snaks"].items()}
    return {**reference, "snaks": snaks}


def _typed(snak: Json) -> Json:
    return {**snak, "datatype": PROPERTIES[snak["property"]]}


def same(one: Json | None, other: Json | None) -> bool:
    """Return whether two statements are equal; the order of keys does not matter."""
    return one == other


def put(entity: Entity, given: Json) -> Entity:
    """Return the entity with the statement added, or replaced if the entity has one with that GUID."""
    statements = {prop: list(group) for prop, group in entity.statements.items()}
    for group in statements.values():
        for index, present in enumerate(group):
            if present["id"].upper() == given["id"].upper():
                group[index] = {**given, "id": present["id"]}
                return Entity(entity.labels, entity.descriptions, statements)
    statements.setdefault(given["mainsnak"]["property"], []).append(given)
    return Entity(entity.labels, entity.descriptions, statements)


def drop(entity: Entity, guid: str) -> Entity:
    """Return the entity without the statement of that GUID."""
    kept = {
        prop: [present for present in group if present["id"].upper() != guid.upper()]
        for prop, group in entity.statements.items()
    }
    return Entity(entity.labels, entity.descriptions, {prop: group for prop, group in kept.items() if group})


def depicted(entity: Entity | None, ranks: Ranks = "not deprecated") -> list[str]:
    """Return the items of the depicts statements (P180) with the given ranks.

    "best" means the preferred statements if there are any, else the normal ones.
    """
    group = entity.statements.get("P180", []) if entity else []
    kept = {"all": {"preferred", "normal", "deprecated"}, "not deprecated": {"preferred", "normal"}}
    preferred = any(one["rank"] == "preferred" for one in group)
    wanted = kept.get(ranks, {"preferred"} if preferred else {"normal"})
    snaks = (one["mainsnak"] for one in group if one["rank"] in wanted)
    return [snak["datavalue"]["value"]["id"] for snak in snaks if "datavalue" in snak]
