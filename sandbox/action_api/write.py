"""API modules that change data: statements, qualifiers, captions and wikitext."""

import copy
import json
from typing import Any

from sandbox.action_api.api import Action, Call
from sandbox.action_api.edits import link, page_of, save
from sandbox.action_api.entities import entity_json
from sandbox.state import errors, names
from sandbox.state.errors import ApiError, wikibase
from sandbox.state.model import Entity, Json
from sandbox.state.statements import (
    PROPERTIES,
    drop,
    group_by_property,
    new_guid,
    put,
    read_snak,
    read_statement,
    read_value,
    statement,
    valid_guid,
    with_datatype,
)

TAGS = {"wikivisage", "facetag-edit"}
"""The change tags that users may apply to their own edits."""


def edit_entity(call: Call) -> Json:
    """Answer action=wbeditentity for a MediaInfo."""
    _check_tags(call)
    if call.get("new"):
        info = f"Cannot automatically assign ID: {call.get('new')} entities do not support automatic IDs!"
        raise wikibase("no-automatic-entity-id", info, "wikibase-api-no-automatic-entity-id", info)
    if call.get("site"):
        raise ApiError("badvalue", f'Unrecognized value for parameter "site": {call.get("site")}.')
    page = page_of(call, call.require("id"))
    data = _data(call)
    entity_id = f"M{page.id}"
    changes = [_claim_change(call, entity_id, claim) for claim in _claims(data)]
    if not isinstance(data.get("claims", []), list | dict):
        raise wikibase("not-recognized-array", "The claims are no list.")

    def change(entity: Entity) -> Entity:
        for one, guid in changes:
            if one is None and entity.find(guid) is None:
                raise errors.invalid_guid() if not call.get("baserevid") else errors.edit_conflict()
            entity = put(entity, one) if one else drop(entity, guid)
        return Entity({**entity.labels, **_labels(data)}, entity.descriptions, entity.statements)

    saved = save(call, page, change, "/* wbeditentity-update:0| */", early=True)
    body = {"type": "mediainfo", "id": entity_id} | entity_json(saved.shown) | {"lastrevid": saved.revision}
    return {"entity": body | ({"nochange": True} if saved.unchanged else {}), "success": 1}


def _data(call: Call) -> Json:
    try:
        data = json.loads(call.require("data"))
    except ValueError:
        raise wikibase("invalid-json", "Invalid json in request.") from None
    if not isinstance(data, dict):
        raise wikibase("not-recognized-array", "The data is no object.")
    return data


def _claims(data: Json) -> list[Any]:
    """Return the claims of the data; `statements`, the key used in responses, is ignored as on a real wiki."""
    given = data.get("claims") or []
    return [claim for group in given.values() for claim in group] if isinstance(given, dict) else list(given)


def _claim_change(call: Call, entity_id: str, claim: Any) -> tuple[Json | None, str]:
    """Parse one claim of the data: return a statement to store with its GUID, or None with the GUID to remove."""
    if isinstance(claim, dict) and "remove" in claim:
        return None, str(claim.get("id", ""))
    one = read_statement(claim, call.world.item_exists)
    if one["id"] and not valid_guid(one["id"]):
        raise errors.modification_failed("Statement does not have a valid GUID")
    one["id"] = one["id"] or new_guid(entity_id)
    return one, one["id"]


def _labels(data: Json) -> dict[str, str]:
    given = data.get("labels") or {}
    listed = given.values() if isinstance(given, dict) else given
    return {label["language"]: label["value"] for label in listed if isinstance(label, dict) and "value" in label}


def create_claim(call: Call) -> Json:
    """Answer action=wbcreateclaim: add one statement with a new GUID."""
    _check_tags(call)
    page = page_of(call, call.require("entity"))
    prop, kind = call.require("property"), call.require("snaktype")
    if prop not in PROPERTIES:
        raise wikibase("no-such-entity", 'Could not find an entity with the ID "$1".')
    given = _value(call) if kind == "value" else None
    snak = (
        read_value(prop, given, call.world.item_exists)
        if kind == "value"
        else read_snak({"snaktype": kind, "property": prop}, call.world.item_exists)
    )
    one = statement(new_guid(f"M{page.id}"), snak)
    saved = save(call, page, lambda entity: put(entity, one), f"/* wbcreateclaim-create:1| */ {link(one)}", early=False)
    return _claim_answer(saved.revision, one)


def _value(call: Call) -> Any:
    try:
        return json.loads(call.require("value"))
    except ValueError:
        raise errors.invalid_snak() from None


def _claim_answer(revision: int, one: Json) -> Json:
    return {"pageinfo": {"lastrevid": revision}, "success": 1, "claim": with_datatype(one)}


def set_claim(call: Call) -> Json:
    """Answer action=wbsetclaim: add or change the statement with the GUID that the client sends."""
    _check_tags(call)
    try:
        given = json.loads(call.require("claim"))
    except ValueError:
        raise wikibase("invalid-claim", "Invalid json", "wikibase-api-invalid-claim", "Invalid json") from None
    if not isinstance(given, dict) or not given.get("id"):
        raise errors.invalid_claim("GUID must be set when setting a claim")
    if not valid_guid(str(given["id"])):
        raise errors.modification_failed("Statement does not have a valid GUID")
    page = page_of(call, str(given["id"]).partition("$")[0])
    one = read_statement(given, call.world.item_exists)
    known = page.last.entity is not None and page.last.entity.find(one["id"]) is not None
    comment = f"/* wbsetclaim-{'update' if known else 'create'}:2||1 */ {link(one)}"
    saved = save(call, page, lambda entity: put(entity, one), comment, early=False)
    return _claim_answer(saved.revision, one)


def remove_claims(call: Call) -> Json:
    """Answer action=wbremoveclaims: remove up to 50 statements of one page by GUID."""
    _check_tags(call)
    guids = call.many("claim")
    if not guids or not all(valid_guid(guid) for guid in guids):
        raise errors.invalid_guid()
    page = page_of(call, guids[0].partition("$")[0])
    entity = page.last.entity or Entity()
    if not call.get("baserevid") and any(entity.find(guid) is None for guid in guids):
        raise errors.invalid_guid()

    def change(entity: Entity) -> Entity:
        for guid in guids:
            if entity.find(guid) is None:
                raise errors.invalid_guid()
            entity = drop(entity, guid)
        return entity

    shown = entity.find(guids[0])
    comment = f"/* wbremoveclaims-remove:{len(guids)}| */" + (f" {link(shown)}" if shown else "")
    saved = save(call, page, change, comment, early=False)
    return {"pageinfo": {"lastrevid": saved.revision}, "success": 1, "claims": guids}


def set_qualifier(call: Call) -> Json:
    """Answer action=wbsetqualifier: add a qualifier to a statement, or change the one with the hash `snakhash`."""
    _check_tags(call)
    guid, prop, _ = call.require("claim"), call.require("property"), call.require("snaktype")
    if not valid_guid(guid):
        raise errors.invalid_guid()
    page = page_of(call, guid.partition("$")[0])
    if prop not in PROPERTIES:
        raise wikibase("no-such-entity", 'Could not find an entity with the ID "$1".')
    snak = read_value(prop, _value(call), call.world.item_exists)
    replaced = call.get("snakhash")
    result: Json = {}

    def change(entity: Entity) -> Entity:
        found = entity.find(guid)
        if found is None:
            raise errors.invalid_guid()
        result.update(_qualified(found, snak, replaced))
        return put(entity, result)

    comment = f"/* wbsetqualifier-add:1| */ [[Property:{prop}]]: {snak['datavalue']['value']}"
    saved = save(call, page, change, comment, early=False)
    return _claim_answer(saved.revision, result)


def _qualified(found: Json, snak: Json, replaced: str) -> Json:
    present = [one for group in found.get("qualifiers", {}).values() for one in group]
    if any(one["hash"] == snak["hash"] for one in present):
        raise errors.modification_failed(f"The statement has already a qualifier with hash {snak['hash']}")
    if replaced and all(one["hash"] != replaced for one in present):
        raise wikibase("no-such-qualifier", "Could not find the qualifier.")
    grouped = group_by_property([one for one in present if one["hash"] != replaced] + [snak])
    one = copy.deepcopy(found)
    tail = {key: one.pop(key) for key in ("id", "rank", "references") if key in one}
    return one | {"qualifiers": grouped, "qualifiers-order": list(grouped)} | tail


def remove_qualifiers(call: Call) -> Json:
    """Answer action=wbremovequalifiers: remove qualifiers by their hashes."""
    _check_tags(call)
    guid, hashes = call.require("claim"), call.many("qualifiers")
    if not valid_guid(guid):
        raise errors.invalid_guid()
    page = page_of(call, guid.partition("$")[0])

    def change(entity: Entity) -> Entity:
        found = entity.find(guid)
        if found is None:
            raise errors.invalid_guid()
        present = [one for group in found.get("qualifiers", {}).values() for one in group]
        if any(all(one["hash"] != wanted for one in present) for wanted in hashes):
            raise wikibase("no-such-qualifier", "Could not find the qualifier.")
        kept = group_by_property([one for one in present if one["hash"] not in hashes])
        bare = {key: value for key, value in found.items() if not key.startswith("qualifiers")}
        return put(entity, bare | ({"qualifiers": kept, "qualifiers-order": list(kept)} if kept else {}))

    saved = save(call, page, change, "/* wbremovequalifiers-remove:1| */", early=False)
    return {"pageinfo": {"lastrevid": saved.revision}, "success": 1}


def set_label(call: Call) -> Json:
    """Answer action=wbsetlabel: set a caption."""
    _check_tags(call)
    page = page_of(call, call.require("id"))
    language, value = call.require("language"), call.get("value")

    def change(entity: Entity) -> Entity:
        return Entity({**entity.labels, language: value}, entity.descriptions, entity.statements)

    saved = save(call, page, change, f"/* wbsetlabel-add:1|{language} */ {value}", early=True)
    labels = {language: {"language": language, "value": value}}
    return {
        "entity": {"labels": labels, "id": f"M{page.id}", "type": "mediainfo", "lastrevid": saved.revision},
        "success": 1,
    }


def edit_page(call: Call) -> Json:
    """Answer action=edit: store a text as a new revision; an undo reports success but changes nothing.

    The real API does the same for an undo of a MediaInfo edit.
    """
    page = call.world.page(names.normalise(call.get("title")) or "")
    if page is None and call.get("pageid").isdigit():
        page = call.world.page_of_id(int(call.get("pageid")))
    if page is None:
        raise ApiError("missingtitle", "The page you specified doesn't exist.")
    body = {"result": "Success", "pageid": page.id, "title": page.title, "contentmodel": "wikitext"}
    text = call.get("text")
    if call.get("undo") or not text or text == page.last.text:
        return {"edit": body | {"nochange": True, "watched": True}}
    user = call.user.name if call.user else "127.0.0.1"
    before = page.last.id
    revision = call.world.add_revision(page, user=user, comment=call.get("summary"), text=text)
    changed = {"oldrevid": before, "newrevid": revision.id, "newtimestamp": revision.timestamp}
    return {"edit": body | changed | {"watched": True}}


def logout(call: Call) -> Json:
    """Answer action=logout, which is impossible with an access token. Raises ApiError `cannotlogout`."""
    info = "Logging out is not possible when using MediaWiki\\Extension\\OAuth\\SessionProvider sessions."
    raise ApiError("cannotlogout", info)


def _check_tags(call: Call) -> None:
    unknown = [tag for tag in call.many("tags") if tag not in TAGS]
    if unknown:
        info = f'The tag "{unknown[0]}" is not allowed to be manually applied.'
        raise ApiError("badtags", info, extra={"disallowedtags": unknown})


ACTIONS = {
    "wbeditentity": Action(edit_entity, writes=True),
    "wbcreateclaim": Action(create_claim, writes=True),
    "wbsetclaim": Action(set_claim, writes=True),
    "wbremoveclaims": Action(remove_claims, writes=True),
    "wbsetqualifier": Action(set_qualifier, writes=True),
    "wbremovequalifiers": Action(remove_qualifiers, writes=True),
    "wbsetlabel": Action(set_label, writes=True),
    "edit": Action(edit_page, writes=True),
    "logout": Action(logout, writes=True),
}
