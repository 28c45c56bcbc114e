"""Saving a change of a page's MediaInfo: who may, against which base, and what Wikibase does when the base is stale."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.action_api.api import Call, fingerprint, request_id
from sandbox.faults.on_demand import Fault
from sandbox.state import errors
from sandbox.state.errors import Message, Refusal
from sandbox.state.model import Block, Edit, Entity, Json, Page, Revision
from sandbox.state.statements import drop, put

Change = Callable[[Entity], Entity]
PATCHED = Message("wikibase-conflict-patched", "Your edit was patched into the latest version.")
LONGEST_SUMMARY = 500


@dataclass
class Saved:
    """What came of a save: the newest revision's number, whether nothing changed, and the entity that Wikibase shows
    (when the base was stale that is base + change, not what is stored)."""

    revision: int
    unchanged: bool
    shown: Entity


def page_of(call: Call, entity_id: str) -> Page:
    """The file page of an M id. Raises ApiError `no-such-entity`; a redirect page or a page without a file is accepted."""
    number = entity_id[1:]
    page = call.world.page_of_id(int(number)) if number.isdigit() and entity_id[:1] in "Mm" else None
    if page is None or page.namespace != 6 or call.site != "commons":
        raise errors.no_such_entity(entity_id)
    return page


def base_revision(call: Call, page: Page) -> Revision:
    """The revision that the client began with. Raises ApiError `nosuchrevid`, or the bad-revision exception."""
    text = call.get("baserevid")
    if not text or text == "0":
        return page.last
    found = page.revision(int(text)) if text.isdigit() else None
    if found is None:
        raise errors.wikibase("nosuchrevid", "Revision with ID not found.")
    if found.entity is None and page.last.entity is not None:
        raise errors.bad_revision(request_id())
    return found


def save(call: Call, page: Page, change: Change, comment: str, *, early: bool) -> Saved:
    """Apply a change and make a new revision. `early`: permissions are asked before anything else (wbeditentity).

    Raises ApiError.
    """
    base = base_revision(call, page)
    if early:
        _refuse(call, page, early=True)
    before = base.entity or Entity()
    after = change(copy.deepcopy(before))
    if after.statements == before.statements and after.labels == before.labels:
        return Saved(page.last.id, True, before)
    _refuse(call, page, early=early)
    stored = after if base is page.last else patched(before, after, page.last.entity or Entity())
    _refuse_late(call, page, early=early)
    if base is not page.last:
        call.messages.setdefault(call.get("action"), []).append(PATCHED)
    _store(call, page, stored, comment)
    return Saved(page.last.id, False, after)


def patched(base: Entity, wanted: Entity, latest: Entity) -> Entity:
    """The difference base -> wanted applied to the latest entity, statement by statement. Raises ApiError `editconflict`.

    A statement changed by both is overwritten silently, as on a real wiki; one that is already as wanted, or gone, is
    a conflict.
    """
    old, new = ({statement["id"].upper(): statement for statement in one.all()} for one in (base, wanted))
    result = latest
    for guid, statement in new.items():
        if guid in old and old[guid] == statement:
            continue
        present = latest.find(guid)
        if (guid in old) != (present is not None) or present == statement:
            raise errors.edit_conflict()
        result = put(result, statement)
    for guid in old.keys() - new.keys():
        if latest.find(guid) is None:
            raise errors.edit_conflict()
        result = drop(result, guid)
    return Entity({**latest.labels, **_changed(base.labels, wanted.labels)}, latest.descriptions, result.statements)


def _changed(base: dict[str, str], wanted: dict[str, str]) -> dict[str, str]:
    return {language: text for language, text in wanted.items() if base.get(language) != text}


def _refuse(call: Call, page: Page, *, early: bool) -> None:
    refusal = permission(call, page) or _struck(call)
    if refusal:
        raise errors.refused(refusal, early=early)


def permission(call: Call, page: Page) -> Refusal | None:
    """Why this user may not edit that page, or None."""
    if call.grant and "editpage" not in call.grant.scopes:
        return errors.no_right()
    block = call.user.block if call.user else None
    if call.user and block and (not block.titles or page.title in block.titles):
        return errors.blocked(block, call.user.name)
    if page.protection and (call.user is None or "sysop" not in call.user.groups):
        return errors.protected()
    return None


def _struck(call: Call) -> Refusal | None:
    """A refusal that a fault asks for; each is taken once per request, although both checks of wbeditentity come by."""
    if "refusal_done" in call.used:
        return None
    call.used.add("refusal_done")
    fault = call.world.faults.take("permission", call.facts())
    if fault is None:
        return None
    user = call.user.name if call.user else "127.0.0.1"
    block = Block(99, fault.reason or "Automated edits without consent", call.world.stamp(), "infinity")
    known = {"blocked": errors.blocked(block, user), "protected": errors.protected()}
    return known.get(fault.kind, errors.no_right())


def _refuse_late(call: Call, page: Page, *, early: bool) -> None:
    """What is found out while saving: edit filters, the rate limit, somebody who was faster."""
    fault = call.world.faults.take("save", call.facts())
    if fault:
        _strike(call, fault, early=early)
    if call.lost_race:
        raise errors.refused(errors.lost_race(), early=False)
    if too_fast(call):
        raise errors.refused(errors.rate_limited(), early=early)


def _strike(call: Call, fault: Fault, *, early: bool) -> None:
    match fault.kind:
        case "ratelimited":
            raise errors.refused(errors.rate_limited(), early=early)
        case "abusefilter_disallowed":
            raise errors.refused(errors.abuse_filter("disallow", fault.reason or "Test disallow", "1"), early=early)
        case "abusefilter_warning":
            _warn_once(call, fault.reason or "Test warn", early=early)
        case "editconflict":
            raise errors.edit_conflict()
        case "lost_race":
            raise errors.refused(errors.lost_race(), early=early)
        case "internal_error":
            raise errors.internal_error(request_id())


def _warn_once(call: Call, description: str, *, early: bool) -> None:
    mark = fingerprint(call)
    if mark not in call.world.faults.warned:
        call.world.faults.warned.add(mark)
        raise errors.refused(errors.abuse_filter("warn", description, "2"), early=early)


def too_fast(call: Call) -> bool:
    """Count an edit of this user; true when the limit is used up (then it is not counted)."""
    settings, name = call.world.settings, call.user.name if call.user else "127.0.0.1"
    if not settings.edit_limit:
        return False
    recent, now = call.world.recent_edits[name], call.world.clock()
    while recent and recent[0] <= now - settings.edit_window:
        recent.popleft()
    if len(recent) >= settings.edit_limit:
        return True
    recent.append(now)
    return False


def _store(call: Call, page: Page, entity: Entity, comment: str) -> None:
    world = call.world
    user = call.user.name if call.user else _temporary(call)
    tags = [tag for tag in call.many("tags") if tag]
    if call.grant:
        tags.append("OAuth CID: 1")
    summary = call.get("summary")
    full = (comment + (", " if summary and not comment.endswith("*/") else " ") + summary).strip()[:LONGEST_SUMMARY]
    revision = world.add_revision(page, user=user, comment=full, entity=entity, tags=tags)
    if call.user:
        call.user.edits += 1
    module = call.get("action")
    world.log(Edit(revision.id, user, module, page.title, f"M{page.id}", full, revision.timestamp, tags, world.clock()))


def _temporary(call: Call) -> str:
    """An edit without login makes a temporary account, silently, as on Commons."""
    name = f"~2026-{call.world.state.next_temporary}"
    call.world.state.next_temporary += 1
    call.extra |= {"tempusercreated": name, "tempuserredirect": None}
    return name


def link(statement: Json) -> str:
    """What a statement says, as the automatic part of a summary has it."""
    snak = statement["mainsnak"]
    prop = f"[[Property:{snak['property']}]]"
    if "datavalue" not in snak:
        return f"{prop}: {snak['snaktype']}"
    value = snak["datavalue"]["value"]
    shown = f"[[{value['id']}]]" if isinstance(value, dict) and "id" in value else str(value)
    return f"{prop}: {shown}"
