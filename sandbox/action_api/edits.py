"""Saving of changes to a page's MediaInfo: permissions, base revisions, and patching as Wikibase does it."""

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
    """The result of a save.

    `revision`: id of the newest revision. `shown`: the entity that Wikibase returns, which for an outdated base is the
    changed base, not the stored entity.
    """

    revision: int
    unchanged: bool
    shown: Entity


def page_of(call: Call, entity_id: str) -> Page:
    """Return the file page of an M id; redirects and pages without a file are accepted.

    Raises ApiError `no-such-entity`.
    """
    number = entity_id[1:]
    page = call.world.page_of_id(int(number)) if number.isdigit() and entity_id[:1] in "Mm" else None
    if page is None or page.namespace != 6 or call.site != "commons":
        raise errors.no_such_entity(entity_id)
    return page


def base_revision(call: Call, page: Page) -> Revision:
    """Return the revision that the client's change is based on.

    Raises ApiError `nosuchrevid`, or Wikibase's BadRevisionException for a revision older than the first MediaInfo.
    """
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
    """Apply a change to the base revision and store the result as a new revision. Raises ApiError.

    `comment`: automatic part of the summary. `early`: permissions are checked before all else, as in wbeditentity.
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
    _refuse_while_saving(call, page, early=early)
    if base is not page.last:
        call.messages.setdefault(call.get("action"), []).append(PATCHED)
    _store(call, page, stored, comment)
    return Saved(page.last.id, False, after)


def patched(base: Entity, wanted: Entity, latest: Entity) -> Entity:
    """Return the latest entity with the difference from `base` to `wanted` applied statement by statement.

    As on a real wiki, a statement that both edits changed is overwritten silently. A statement that already has the
    wanted form, or that is gone, is a conflict: raises ApiError `editconflict`.
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
    refusal = permission(call, page) or _injected_refusal(call)
    if refusal:
        raise errors.refused(refusal, early=early)


def permission(call: Call, page: Page) -> Refusal | None:
    """Return the reason why the user may not edit the page, or None if the user may."""
    if call.grant and "editpage" not in call.grant.scopes:
        return errors.no_right()
    block = call.user.block if call.user else None
    if call.user and block and (not block.titles or page.title in block.titles):
        return errors.blocked(block, call.user.name)
    if page.protection and (call.user is None or "sysop" not in call.user.groups):
        return errors.protected()
    return None


def _injected_refusal(call: Call) -> Refusal | None:
    """Return the refusal that a fault demands, or None.

    Only the first call of a request takes a fault, because wbeditentity checks permissions twice.
    """
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


def _refuse_while_saving(call: Call, page: Page, *, early: bool) -> None:
    """Raise ApiError for what Wikibase detects only while saving: edit filters, conflicting writes, the rate limit."""
    fault = call.world.faults.take("save", call.facts())
    if fault:
        _raise_injected(call, fault, early=early)
    if call.lost_race:
        raise errors.refused(errors.lost_race(), early=False)
    if too_fast(call):
        raise errors.refused(errors.rate_limited(), early=early)


def _raise_injected(call: Call, fault: Fault, *, early: bool) -> None:
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
    request_hash = fingerprint(call)
    if request_hash not in call.world.faults.warned:
        call.world.faults.warned.add(request_hash)
        raise errors.refused(errors.abuse_filter("warn", description, "2"), early=early)


def too_fast(call: Call) -> bool:
    """Count an edit of the user; return True, without counting it, if the rate limit is exceeded."""
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
    """Return the name of a new temporary account, as Commons creates one for an edit without login."""
    name = f"~2026-{call.world.state.next_temporary}"
    call.world.state.next_temporary += 1
    call.extra |= {"tempusercreated": name, "tempuserredirect": None}
    return name


def link(statement: Json) -> str:
    """Return property and value of a statement as wikitext for the automatic part of a summary."""
    snak = statement["mainsnak"]
    prop = f"[[Property:{snak['property']}]]"
    if "datavalue" not in snak:
        return f"{prop}: {snak['snaktype']}"
    value = snak["datavalue"]["value"]
    shown = f"[[{value['id']}]]" if isinstance(value, dict) and "id" in value else str(value)
    return f"{prop}: {shown}"
