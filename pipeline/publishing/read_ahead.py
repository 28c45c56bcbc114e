"""Rounds of up to 50 edits, whose files and statements are read with two requests before the edits are written.

Edits are written one after the other. While the last of a round are written, a thread reads the next round, and reads
back the files that were written before.
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

AHEAD = 10  # edits left in a round when the next one is read
FRESH_SECONDS = 30.0  # maximum age of the data of a file when it is written


@dataclass(frozen=True)
class Round:
    """Edits with the data read for them.

    `found`: page id -> statements and file. `written`: page id -> statements of files written before, read back.
    `read_at`: monotonic time before reading. `stale`: page ids of files that may have been written since.
    """

    todo: Sequence[Edit]
    found: Mapping[int, tuple[Entity, FileInfo | MissingFile]]
    written: Mapping[int, Entity]
    read_at: float
    stale: frozenset[int] = frozenset()


class Rounds:
    """The rounds of one turn of sending for one user."""

    def __init__(self, tools: Tools, user_id: int) -> None:
        self._tools = tools
        self._user_id = user_id
        self._thread: threading.Thread | None = None
        self._ready: Round | None = None

    def todo(self) -> list[Edit]:
        """Return the edits that are due now, one round at most."""
        return self._tools.run(lambda db: edits.next_open(db, self._user_id, BATCH))

    def read(self, todo: Sequence[Edit], written: Sequence[int], stale: frozenset[int] = frozenset()) -> Round:
        """Read a round, and read back the pages `written` (page ids). Raises WikiError."""
        read_at = self._tools.clock()
        back = depicts.read_statements(self._tools.wiki, sorted(written)[:BATCH]) if written else {}
        found = depicts.read_files(self._tools.wiki, [edit.page_id for edit in todo])
        return Round(todo, found, back, read_at, stale)

    def begin(self, current: Sequence[Edit], left: Sequence[Edit], written: Sequence[int]) -> None:
        """Start a thread that reads the round after `current`, while the edits `left` of it are written."""
        known, stale = {edit.id for edit in current}, frozenset(edit.page_id for edit in left)

        def work() -> None:
            try:
                every = self._tools.run(lambda db: edits.next_open(db, self._user_id, BATCH + len(known)))
                todo = [edit for edit in every if edit.id not in known][:BATCH]
                self._ready = self.read(todo, written, stale) if todo else None
            except (WikiError, Stopped) as error:  # the sender reads the round itself and gets the error then
                log.debug("the next round was not read ahead: %s", error)
            except Exception:
                log.exception("reading the next round failed with an unexpected error")

        self._ready = None
        self._thread = threading.Thread(target=work, name="read-ahead", daemon=True)
        self._thread.start()

    def take(self) -> Round | None:
        """Return the round that was read ahead, None if there is none or it is too old. Raises Stopped."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.5)
            self._tools.check()
        found, self._ready, self._thread = self._ready, None, None
        return found if found is not None and self._tools.clock() - found.read_at < FRESH_SECONDS else None
