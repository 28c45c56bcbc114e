"""What a sender reads before it writes: up to 50 edits with their files and statements, in two requests.

Writes go out one after the other; the next round is read meanwhile, by a thread of its own, while the last edits of this
one are written. What was written last is read back along with it.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.jobs.outcome import Stopped
from pipeline.jobs.tools import Tools
from store.publishing import edits
from store.publishing.edits import Edit
from wiki import depicts
from wiki.client import BATCH
from wiki.depicts import Entity
from wiki.errors import WikiError
from wiki.files import FileInfo, MissingFile

log = logging.getLogger(__name__)

AHEAD = 10  # edits before the end of a round at which the next one is read
FRESH_SECONDS = 30.0  # how old what was read of a file may be when it is written


@dataclass(frozen=True)
class Round:
    """`written`: files that were written before, read back. `stale`: pages written since this was read."""

    todo: Sequence[Edit]
    found: Mapping[int, tuple[Entity, FileInfo | MissingFile]]
    written: Mapping[int, Entity]
    read_at: float
    stale: frozenset[int] = frozenset()


class Rounds:
    """The rounds of one run of one user's sending."""

    def __init__(self, tools: Tools, user_id: int) -> None:
        self._tools = tools
        self._user_id = user_id
        self._thread: threading.Thread | None = None
        self._ready: Round | None = None

    def todo(self) -> list[Edit]:
        """The edits that are due now."""
        return self._tools.run(lambda db: edits.next_open(db, self._user_id, BATCH))

    def read(self, todo: Sequence[Edit], written: Sequence[int], stale: frozenset[int] = frozenset()) -> Round:
        """Read a round, and back what was `written` (page ids). Raises WikiError."""
        read_at = self._tools.clock()
        back = depicts.read_statements(self._tools.wiki, sorted(written)[:BATCH]) if written else {}
        found = depicts.read_files(self._tools.wiki, [edit.page_id for edit in todo])
        return Round(todo, found, back, read_at, stale)

    def begin(self, current: Sequence[Edit], left: Sequence[Edit], written: Sequence[int]) -> None:
        """Read the round after `current` in a thread of its own, while what is `left` of this one is written."""
        known, stale = {edit.id for edit in current}, frozenset(edit.page_id for edit in left)

        def work() -> None:
            try:
                every = self._tools.run(lambda db: edits.next_open(db, self._user_id, BATCH + len(known)))
                todo = [edit for edit in every if edit.id not in known][:BATCH]
                self._ready = self.read(todo, written, stale) if todo else None
            except (WikiError, Stopped) as error:  # the sender reads it itself, and hears of it then
                log.debug("not read ahead: %s", error)
            except Exception:
                log.exception("reading ahead failed")

        self._ready = None
        self._thread = threading.Thread(target=work, name="read-ahead", daemon=True)
        self._thread.start()

    def take(self) -> Round | None:
        """The round that was read ahead, None where none was or it is too old by now. Raises Stopped."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.5)
            self._tools.check()
        found, self._ready, self._thread = self._ready, None, None
        return found if found is not None and self._tools.clock() - found.read_at < FRESH_SECONDS else None
