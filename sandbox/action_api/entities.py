"""API modules that read entities: wbgetentities, wbgetclaims and wbsearchentities."""

import re
from typing import Any

from sandbox.action_api.api import Action, Call
from sandbox.state import errors, names
from sandbox.state.errors import ApiError, wikibase
from sandbox.state.model import Entity, Item, Json, Page
from sandbox.state.statements import PROPERTIES, valid_guid, with_datatype

PROPERTY_LABELS = {
    "P18": "image",
    "P31": "instance of",
    "P180": "depicts",
    "P373": "Commons category",
    "P569": "date of birth",
    "P813": "retrieved",
    "P854": "reference URL",
    "P887": "based on heuristic",
    "P1545": "series ordinal",
    "P2677": "relative position within image",
}


def terms(texts: dict[str, str], languages: list[str] | None = None, *, fallback: bool = False) -> Json:
    """Return labels or descriptions in Wikibase's JSON format.

    `languages`: only these, None for all. `fallback`: English texts take the place of missing ones.
    """
    shown: Json = {}
    for language in texts if languages is None else languages:
        if language in texts:
            shown[language] = {"language": language, "value": texts[language]}
        elif fallback and "en" in texts:
            shown[language] = {"value": texts["en"], "language": "en", "for-language": language}
    return shown


def entity_json(entity: Entity) -> Json:
    """Return labels, descriptions and statements of a MediaInfo; no statements are an empty list, as on a real wiki."""
    statements: Any = entity.statements or []
    return {"labels": terms(entity.labels), "descriptions": terms(entity.descriptions), "statements": statements}


def get_entities(call: Call) -> Json:
    """Answer action=wbgetentities for M and Q ids."""
    ids = call.many("ids")
    if not ids:
        for site in call.many("sites"):
            call.warn("wbgetentities", f'Unrecognized value for parameter "sites": {site}')
        info = 'Either provide the Item "ids" or pairs of "sites" and "titles" for corresponding page'
        raise wikibase("param-missing", info, "wikibase-api-illegal-ids-or-sites-titles-selector")
    for one in ids:
        if not re.fullmatch(r"[MQ][1-9]\d*", one, re.IGNORECASE):
            raise errors.unknown_id(one)
    return {"entities": {one.upper(): _entity(call, one.upper()) for one in ids}, "success": 1}


def _entity(call: Call, one: str) -> Json:
    if one.startswith("M"):
        page = call.world.page_of_id(int(one[1:])) if call.site == "commons" else None
        if page is None or page.namespace != 6 or page.last.entity is None:
            return {"id": one, "missing": ""}
        return media_info(call, page)
    item = call.world.item(one)
    return _item(call, one, item) if item else {"id": one, "missing": ""}


def _props(call: Call) -> set[str]:
    default = "info|sitelinks|aliases|labels|descriptions|claims|datatype"
    return set(call.get("props", default).split("|"))


def media_info(call: Call, page: Page) -> Json:
    """Return a MediaInfo in the format of wbgetentities."""
    props, entity = _props(call), page.last.entity or Entity()
    info = {
        "pageid": page.id,
        "ns": 6,
        "title": page.title,
        "lastrevid": page.last.id,
        "modified": page.last.timestamp,
    }
    body = (info if "info" in props else {}) | {"type": "mediainfo", "id": f"M{page.id}"}
    shown = entity_json(entity)
    body |= {key: shown[key] for key in ("labels", "descriptions") if key in props}
    return body | ({"statements": shown["statements"]} if "claims" in props else {})


def _item(call: Call, asked: str, item: Item) -> Json:
    props, body = _props(call), {}
    target = call.world.item(item.redirect) if item.redirect else item
    if target is None:
        return {"id": asked, "missing": ""}
    if "info" in props:
        body = {"pageid": target.page_id, "ns": 0, "title": target.id}
        body |= {"lastrevid": target.revision, "modified": target.modified}
    if target is not item:
        body["redirects"] = {"from": asked, "to": target.id}
    body |= {"type": "item", "id": target.id}
    languages = call.many("languages") if call.get("languages") else None
    for name, texts in (("labels", target.entity.labels), ("descriptions", target.entity.descriptions)):
        if name in props:
            body[name] = terms(texts, languages, fallback=call.has("languagefallback"))
    if "aliases" in props:
        body["aliases"] = {}
    if "claims" in props:
        claims = target.entity.statements.items()
        body["claims"] = {prop: [with_datatype(one) for one in group] for prop, group in claims}
    return body | ({"sitelinks": {}} if "sitelinks" in props else {})


def get_claims(call: Call) -> Json:
    """action=wbgetclaims, by entity or by GUID."""
    guid, entity_id = call.get("claim"), call.get("entity")
    if not guid and not entity_id:
        raise wikibase("param-missing", 'The required parameter "$1" was missing.')
    if guid and not valid_guid(guid):
        raise errors.invalid_guid()
    entity_id = guid.partition("$")[0] if guid else entity_id
    if not re.fullmatch(r"[MQ][1-9]\d*", entity_id, re.IGNORECASE):
        info = f'The serialization "{entity_id}" is not recognized by the configured id builders'
        raise wikibase("param-invalid", info, "wikibase-api-param-invalid", info)
    entity = _stored(call, entity_id.upper())
    wanted, rank = call.get("property"), call.get("rank")
    found: Json = {}
    for prop, group in entity.statements.items():
        kept = [one for one in group if not guid or one["id"].upper() == guid.upper()]
        kept = [one for one in kept if not rank or one["rank"] == rank]
        if kept and wanted in ("", prop):
            found[prop] = [with_datatype(one) for one in kept]
    return {"claims": found}


def _stored(call: Call, entity_id: str) -> Entity:
    if entity_id.startswith("Q"):
        item = call.world.item(entity_id)
        if item is None:
            raise errors.no_such_entity(entity_id)
        return item.entity
    page = call.world.page_of_id(int(entity_id[1:])) if call.site == "commons" else None
    if page is None or page.namespace != 6 or page.last.entity is None:
        raise errors.no_such_entity(entity_id)
    return page.last.entity


def search_entities(call: Call) -> Json:
    """Answer action=wbsearchentities: items (also found by id) or properties whose label contains the search text."""
    words, language = call.require("search"), call.get("language", "en")
    limit, start = _number(call, "limit", 7, 50), _number(call, "continue", 0, 10000)
    found = _properties(call, words) if call.get("type", "item") == "property" else _items(call, words, language)
    body: Json = {"searchinfo": {"search": words}, "search": found[start : start + limit]}
    more = {"search-continue": start + limit} if len(found) > start + limit else {}
    return body | more | {"success": 1}


def _number(call: Call, name: str, default: int, most: int) -> int:
    text = call.get(name)
    if text == "max":
        return most
    if text and not text.isdigit():
        raise ApiError("badinteger", f'Invalid value "{text}" for integer parameter "{name}".')
    return min(int(text), most) if text else default


def _items(call: Call, words: str, language: str) -> list[Json]:
    lower = words.strip().lower()
    items = [item for item in call.world.state.items.values() if not item.deleted and not item.redirect]
    if re.fullmatch(r"q\d+", lower):
        items = [item for item in items if item.id.lower() == lower]
    else:
        items = [
            item
            for item in items
            if any(f" {text.lower()}".find(f" {lower}") >= 0 for text in item.entity.labels.values())
        ]
    return [_hit(call, item, language) for item in sorted(items, key=lambda item: int(item.id[1:]))]


def _hit(call: Call, item: Item, language: str) -> Json:
    label = item.entity.labels.get(language) or item.entity.labels.get("en", "")
    description = item.entity.descriptions.get(language) or item.entity.descriptions.get("en", "")
    return {
        "id": item.id,
        "title": item.id,
        "pageid": item.page_id,
        "concepturi": f"http://www.wikidata.org/entity/{item.id}",
        "repository": "wikidata",
        "url": f"{call.base}/wiki/{item.id}",
        "display": {
            "label": {"value": label, "language": "en"},
            "description": {"value": description, "language": "en"},
        },
        "label": label,
        "description": description,
        "match": {"type": "label", "language": "en", "text": label},
    }


def _properties(call: Call, words: str) -> list[Json]:
    found = [(prop, label) for prop, label in PROPERTY_LABELS.items() if words.lower() in label.lower()]
    return [
        {
            "id": prop,
            "title": f"Property:{prop}",
            "pageid": int(prop[1:]),
            "datatype": PROPERTIES[prop],
            "concepturi": f"http://www.wikidata.org/entity/{prop}",
            "repository": "wikidata",
            "url": f"{call.base}/wiki/{names.page_path('Property:' + prop)}",
            "display": {"label": {"value": label, "language": "en"}},
            "label": label,
            "match": {"type": "label", "language": "en", "text": label},
        }
        for prop, label in found
    ]


ACTIONS = {
    "wbgetentities": Action(get_entities),
    "wbgetclaims": Action(get_claims),
    "wbsearchentities": Action(search_entities),
}
