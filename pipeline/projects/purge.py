"""Deletion of data that only a deleted project used, and of unused encodings, in short transactions."""

import logging
from collections.abc import Callable

from database import Connection
from pipeline.jobs.outcome import Finished, Outcome, Stopped, Waiting
from pipeline.jobs.tools import Tools
from store.detection import purging
from store.jobs import tasks
from store.jobs.tasks import Task
from store.projects import projects

log = logging.getLogger(__name__)

ROWS, FILES = 1000, 100
DROP_EVERY_S = 3600.0
DROP_FILES = 500

Piece = Callable[[Connection, int, int], int]

# Files come last, because rows that refer to a face have to be deleted before its file.
PIECES: tuple[tuple[Piece, int], ...] = (
    (purging.rows_of_project, ROWS),
    (purging.drawn_of_project, ROWS),
    (purging.files_of_project, FILES),
)


def run(task: Task, tools: Tools) -> Outcome:
    """Delete a deleted project. Raises LeaseLost, Stopped; the next run deletes the rest."""
    project = tools.run(lambda db: projects.get(db, task.subject_id))
    if project is not None and project.status != "deleted":
        return Waiting()
    for piece, size in PIECES:
        while _delete_piece(task, piece, size, tools):
            tools.check()
    tools.run(lambda db: purging.project(db, task.subject_id))
    log.info("purged", extra={"stage": "purge", "project": task.subject_id})
    return Finished()


def _delete_piece(task: Task, piece: Piece, size: int, tools: Tools) -> int:
    """Delete at most `size` rows or files; return how many were deleted."""

    def work(db: Connection) -> int:
        tasks.hold(db, task)
        return piece(db, task.subject_id, size)

    return tools.run(work)


def drop_unused(tools: Tools) -> None:
    """Drop encodings that no active project uses, once an hour until the worker stops, DROP_FILES files at a time."""
    days = tools.settings.retention_days
    while days and not tools.stop.wait(DROP_EVERY_S):
        try:
            after = -1
            while after and not tools.stop.wait(0.1):
                after, _ = tools.run(
                    lambda db, after=after: purging.drop_encodings(db, days, after, DROP_FILES)  # type: ignore[misc]
                )
        except Stopped:
            return
        except Exception:
            log.exception("dropping unused encodings failed; the next attempt is in an hour")
