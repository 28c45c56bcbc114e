"""Resolution of Wikidata items that were merged or deleted since an edit was planned."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from database import Connection
from pipeline.jobs.tools import Tools
from store.accounts import blocked_items
from store.projects import merges
from store.publishing import batches
from store.publishing.edits import Edit
from wiki import redirects

log = logging.getLogger(__name__)


class Items:
    """The items of one run for one user; each is looked up once on Wikidata and once among the stored mergers."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._targets: dict[str, str | None] = {}
        self._same: dict[str, frozenset[str]] = {}

    def follow(self, todo: Sequence[Edit]) -> list[Edit]:
        """Return the edits to send, with merged items replaced in additions. Raises WikiError.

        Batches that add a deleted item are paused; of these, only edits that may be written already are returned.
        """
        self._resolve({edit.item for edit in todo if edit.action == "add"} - self._targets.keys())
        gone = {edit.batch_id for edit in todo if edit.action == "add" and self._targets[edit.item] is None}
        for batch_id in sorted(gone):
            log.warning("the item of a batch was deleted", extra={"batch": batch_id})
            self._tools.run(lambda db, batch_id=batch_id: batches.pause(db, batch_id, "item_deleted"))  # type: ignore[misc]
        return [self._with_target(edit) for edit in todo if edit.batch_id not in gone or edit.state == "sending"]

    def same(self, item: str) -> frozenset[str]:
        """Return all items of the same person, including `item`: a statement of any of them counts as present."""
        if item not in self._same:
            self._same[item] = self._tools.run(lambda db: merges.names(db, item))
        return self._same[item]

    def _resolve(self, items: set[str]) -> None:
        found = redirects.resolve(self._tools.wiki, sorted(items)) if items else {}
        for item in sorted(items):
            self._targets[item] = target = found.get(item)
            if target is not None and target != item:
                self._record_merger(item, target)

    def _record_merger(self, item: str, target: str) -> None:
        def work(db: Connection) -> list[int]:
            blocked = target in self._tools.settings.blocked_items or blocked_items.is_blocked(db, target)
            return merges.follow(db, item, target, blocked=blocked)

        found = self._tools.run(work)
        self._same.clear()
        log.info("%s was merged into %s; projects that follow: %s", item, target, found)

    def _with_target(self, edit: Edit) -> Edit:
        return replace(edit, item=self._targets.get(edit.item) or edit.item) if edit.action == "add" else edit
