"""Decisions about one edit, from its row in the ledger and the state of the wiki. Pure: no clock, no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from store.publishing.edits import Edit
from wiki import depicts
from wiki.depicts import Entity, Statement
from wiki.files import FileInfo, MissingFile
from wiki.names import Box, box_of


@dataclass(frozen=True)
class Seen:
    """Current state of the wiki.

    `stored`: the revision that an earlier request of the same edit made, 0 for none. The ledger may not know of that
    request, as it may have been restored from an older backup. `same`: the items of the person, if some were merged.
    """

    entity: Entity
    file: FileInfo | MissingFile | None = None
    stored: int = 0
    same: frozenset[str] = frozenset()

    def names(self, edit: Edit) -> frozenset[str]:
        """Return the items that the edit's statement may name: its item, and others of the same person."""
        return self.same | {edit.item}


@dataclass(frozen=True)
class Write:
    """Send the request based on `base_revision`. `statement_id`: what to remove or amend, None for an addition."""

    base_revision: int
    statement_id: str | None = None


@dataclass(frozen=True)
class Leave:
    """Write nothing.

    `state`: `already` (the wiki is as wanted), `done` (an earlier request of this edit was stored), `skipped` for
    `reason`, or `reverted` (the edit was stored and then reverted). `states`: GUID of the statement naming the item.
    """

    state: Literal["already", "done", "skipped", "reverted"]
    reason: str | None = None
    statement_id: str | None = None
    revision: int | None = None
    states: str | None = None


Verdict = Write | Leave


def decide(edit: Edit, seen: Seen) -> Verdict:
    """Decide whether an edit is written.

    An addition requires the bytes that were approved; a removal requires that others have not changed the statement,
    unless it is forced. A deprecated statement does not count as stated, but it is a decision of an editor on Commons:
    no statement is added beside it, and no qualifier to it.
    """
    if edit.action == "add":
        return _decide_add(edit, seen)
    if edit.action == "remove":
        return _decide_remove(edit, seen)
    return _decide_qualify(edit, seen)


def _decide_add(edit: Edit, seen: Seen) -> Verdict:
    entity = seen.entity
    own = depicts.ours(entity, edit.statement_id) if edit.statement_id else None
    if own is not None and own.item in seen.names(edit):
        if own.deprecated:
            return Leave("reverted", revision=seen.stored or entity.last_revision)
        return Leave("done", statement_id=own.id, revision=seen.stored or entity.last_revision, states=own.id)
    if entity.redirect:
        return Leave("skipped", "redirect")
    if not entity.exists:
        return Leave("skipped", "deleted")
    stated = depicts.stating(entity, *seen.names(edit))
    if stated:
        if _ours_unknown(edit, seen, stated):
            return Leave("done", statement_id=stated[0].id, revision=seen.stored, states=stated[0].id)
        return Leave("already", statement_id=stated[0].id, states=stated[0].id)
    if isinstance(seen.file, MissingFile):
        return Leave("skipped", seen.file.why.value)
    if _overwritten(edit, seen):
        return Leave("skipped", "overwritten")
    if seen.stored:
        return Leave("reverted", revision=seen.stored)
    if depicts.denying(entity, *seen.names(edit)):
        return Leave("skipped", "deprecated")
    return Write(entity.last_revision)


def _ours_unknown(edit: Edit, seen: Seen, stated: Sequence[Statement]) -> bool:
    """Return whether this edit made the only statement, although the ledger has lost its id.

    True if a request of this edit made the newest revision of the page.
    """
    return not edit.statement_id and len(stated) == 1 and seen.stored == seen.entity.last_revision > 0


def _decide_remove(edit: Edit, seen: Seen) -> Verdict:
    entity, stated = seen.entity, depicts.stating(seen.entity, *seen.names(edit))
    found = depicts.ours(entity, edit.statement_id) if edit.statement_id else next(iter(stated), None)
    if found is None or found.item not in seen.names(edit):
        return _gone(edit, seen, stated[0].id if stated else None)
    if found.deprecated and edit.undoes is None and not edit.forced:
        return Leave("already", states=stated[0].id if stated else None)
    touched = (
        not as_written(edit, found, seen.same)
        if edit.undoes is not None
        else depicts.foreign(found) and not edit.forced
    )
    if touched:
        return Leave("skipped", "changed_by_others", states=found.id)
    return Write(entity.last_revision, found.id)


def _gone(edit: Edit, seen: Seen, other: str | None) -> Leave:
    """Decide about a removal whose statement is missing; `other`: GUID of another statement of the item."""
    if seen.stored:
        return Leave("done", revision=seen.stored, states=other)
    if other is not None and edit.undoes is None:
        return Leave("skipped", "changed_by_others", states=other)
    return Leave("already", states=other)


def _decide_qualify(edit: Edit, seen: Seen) -> Verdict:
    found = depicts.ours(seen.entity, edit.statement_id) if edit.statement_id else None
    if found is None or found.item not in seen.names(edit):
        return Leave("skipped", "statement_gone")
    if found.deprecated:
        return Leave("skipped", "deprecated")
    if depicts.positions(found):
        if seen.stored:
            return Leave("done", statement_id=found.id, revision=seen.stored, states=found.id)
        return Leave("already", statement_id=found.id, states=found.id)
    if _overwritten(edit, seen):
        return Leave("skipped", "overwritten", states=found.id)
    return Write(seen.entity.last_revision, found.id)


def _overwritten(edit: Edit, seen: Seen) -> bool:
    if not isinstance(seen.file, FileInfo):
        return True
    return edit.approved_sha1 is not None and seen.file.sha1 != edit.approved_sha1


def as_written(edit: Edit, statement: Statement, same: frozenset[str] = frozenset()) -> bool:
    """Return whether a statement is unchanged since this tool wrote it; a bot may have replaced a merged item."""
    rank = "preferred" if edit.prominent else "normal"
    item = statement.item if statement.item in same else edit.item
    return depicts.untouched(statement, item or edit.item, rank=rank, box=position(edit))


def surplus(edit: Edit, seen: Seen) -> Statement | None:
    """Return this edit's statement if it is an unchanged duplicate, which has to be removed; else None."""
    if edit.action != "add" or not edit.statement_id or not depicts.twice(seen.entity, *seen.names(edit)):
        return None
    own = depicts.ours(seen.entity, edit.statement_id)
    return own if own is not None and as_written(edit, own, seen.same) else None


def position(edit: Edit) -> Box | None:
    """Return the bounding box that the edit writes as a qualifier, or None."""
    return box_of(edit.qualifier) if edit.qualifier else None
