"""Checks for reverts: read edited files again at growing intervals, because a reverted edit must not be repeated.

Up to 50 files are read with two requests, followed by a pause. Edits of completed and deleted projects are checked
too, as they stay in the ledger.
"""

import logging

from database import Connection
from pipeline.jobs.tools import Tools
from pipeline.projects import stated_depicts
from store.publishing import reverts
from wiki import depicts
from wiki.client import BATCH
from wiki.errors import WikiError

log = logging.getLogger(__name__)

PAUSE = 1.0  # seconds after two requests, so that crawling and sending come first


def look(tools: Tools) -> bool:
    """Read the files of additions that are due; return False if none is, or if the wiki does not answer."""
    claimed = tools.run(lambda db: reverts.claim(db, BATCH))
    if not claimed:
        return False
    try:
        entities = depicts.read_statements(tools.wiki, sorted(set(claimed.values())))
    except WikiError as error:
        log.info("edits were not checked for reverts, next attempt later: %s", error, extra={"stage": "reverts"})
        return False

    def note(db: Connection) -> int:
        found = reverts.notice(db, stated_depicts.readings(entities.values()))
        reverts.looked(db, list(claimed))
        return found

    count = tools.run(note)
    if count:
        log.info("%d statements were reverted on the wiki", count, extra={"stage": "reverts"})
    tools.stop.wait(PAUSE)
    return True


def next_in(tools: Tools) -> float | None:
    """Return the seconds until an edit has to be checked, None if there is none."""
    return tools.run(reverts.due_in)
