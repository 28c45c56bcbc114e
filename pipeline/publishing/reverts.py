"""What we wrote is read again at growing distances: somebody may have taken it back, and then it is not sent again.

Slow and cheap: up to 50 files in two requests, and a pause. Also for projects that are completed or gone, for the ledger
outlives them.
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

PAUSE = 1.0  # seconds after each request pair, so that crawling and sending go first


def look(tools: Tools) -> bool:
    """Read the files of additions that are due; False where none is, or where the wiki does not answer."""
    claimed = tools.run(lambda db: reverts.claim(db, BATCH))
    if not claimed:
        return False
    try:
        entities = depicts.read_statements(tools.wiki, sorted(set(claimed.values())))
    except WikiError as error:
        log.info("what was written is looked at later: %s", error, extra={"stage": "reverts"})
        return False

    def note(db: Connection) -> int:
        found = reverts.notice(db, stated_depicts.readings(entities.values()))
        reverts.looked(db, list(claimed))
        return found

    count = tools.run(note)
    if count:
        log.info("%d statements were taken back on the wiki", count, extra={"stage": "reverts"})
    tools.stop.wait(PAUSE)
    return True


def next_in(tools: Tools) -> float | None:
    """Seconds until something that was written has to be looked at."""
    return tools.run(reverts.due_in)
