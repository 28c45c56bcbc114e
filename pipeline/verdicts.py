"""What is to be done about one edit, given the ledger's row and what the wiki says now. Pure: no clock, no network."""

from dataclasses import dataclass
from typing import Literal

from store.edits import Edit
from wiki import depicts
from wiki.depicts import Entity, Statement
from wiki.files import FileInfo, MissingFile
from wiki.names import Box, box_of


@dataclass(frozen=True)
class Write:
    """Send the request, based on this revision; `statement_id` is the one to remove or amend, None for an addition."""

    base_revision: int
    statement_id: str | None = None


@dataclass(frozen=True)
class Leave:
    """Nothing is written: `already` (the wiki is as wanted), `done` (our own request was stored), `skipped` for a reason, or
    `reverted` (it was stored, and somebody took it back)."""

    state: Literal["already", "done", "skipped", "reverted"]
    reason: str | None = None
    statement_id: str | None = None
    revision: int | None = None


Verdict = Write | Leave


def decide(edit: Edit, entity: Entity, file: FileInfo | MissingFile | None) -> Verdict:
    """The verdict on an edit: an addition needs the very bytes that were approved, a removal a statement as we know it."""
    if edit.action == "add":
        return _decide_add(edit, entity, file)
    if edit.action == "remove":
        return _decide_remove(edit, entity)
    return _decide_qualify(edit, entity)


def _decide_add(edit: Edit, entity: Entity, file: FileInfo | MissingFile | None) -> Verdict:
    own = depicts.ours(entity, edit.statement_id) if edit.statement_id else None
    if own is not None and own.item == edit.item:
        return Leave("done", statement_id=own.id, revision=entity.last_revision)
    if entity.redirect:
        return Leave("skipped", "redirect")
    if not entity.exists:
        return Leave("skipped", "deleted")
    stated = depicts.stating(entity, edit.item)
    if stated:
        return Leave("already", statement_id=stated[0].id)
    if isinstance(file, MissingFile):
        return Leave("skipped", file.why.value)
    if file is None or (edit.approved_sha1 is not None and file.sha1 != edit.approved_sha1):
        return Leave("skipped", "overwritten")
    return Write(entity.last_revision)


def _decide_remove(edit: Edit, entity: Entity) -> Verdict:
    if edit.statement_id:
        found = depicts.ours(entity, edit.statement_id)
    else:
        stated = depicts.stating(entity, edit.item)
        found = stated[0] if stated else None
    if found is None or found.item != edit.item:
        return Leave("already")
    if edit.undoes is not None and not as_written(edit, found):
        return Leave("skipped", "changed_by_others")
    if edit.undoes is None and depicts.foreign(found) and not edit.forced:
        return Leave("skipped", "changed_by_others")
    return Write(entity.last_revision, found.id)


def _decide_qualify(edit: Edit, entity: Entity) -> Verdict:
    found = depicts.ours(entity, edit.statement_id) if edit.statement_id else None
    if found is None or found.item != edit.item:
        return Leave("skipped", "statement_gone")
    if depicts.positions(found):
        return Leave("already", statement_id=found.id)
    return Write(entity.last_revision, found.id)


def as_written(edit: Edit, statement: Statement) -> bool:
    """Whether a statement is still as the edit wrote it; the position may have been added by a later edit of ours."""
    rank = "preferred" if edit.prominent else "normal"
    box = position(edit)
    return depicts.untouched(statement, edit.item, rank=rank, box=box)


def surplus(edit: Edit, entity: Entity) -> Statement | None:
    """Our statement, where a merged conflict left the same value twice and ours is untouched: it is to be removed."""
    if edit.action != "add" or not edit.statement_id or not depicts.twice(entity, edit.item):
        return None
    own = depicts.ours(entity, edit.statement_id)
    return own if own is not None and as_written(edit, own) else None


def position(edit: Edit) -> Box | None:
    """The face's box that the edit writes as a qualifier."""
    return box_of(edit.qualifier) if edit.qualifier else None
