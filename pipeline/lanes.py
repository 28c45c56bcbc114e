"""The lanes of a worker, one for each kind of work.

Urgent work (questions, drawn faces, sending) thus never waits for a long crawl or the search of a large category.
"""

import threading

from pipeline.detection import drawn_faces
from pipeline.detection.conveyor import Conveyor
from pipeline.jobs.lane import Lane, WorkerContext, task_lane
from pipeline.jobs.runner import Runner
from pipeline.jobs.tools import Tools
from pipeline.labelling.model import Model
from pipeline.projects import bootstrap, crawl, person_check, purge
from pipeline.publishing import publish, reverts

SENDERS = 2  # threads that write to the wiki, each for a different user


def runner(tools: Tools) -> Runner:
    """Return the runner of a worker with all lanes."""
    return Runner(tools, threads, person_check.block_by_setting)


def threads(context: WorkerContext) -> list[threading.Thread]:
    """Return the threads of all lanes, not yet started."""
    tools = context.tools
    drawn_lane = Lane("drawn", context, lambda: drawn_faces.look(tools), lambda: drawn_faces.next_in(tools))
    reverts_lane = Lane("reverts", context, lambda: reverts.look(tools), lambda: reverts.next_in(tools))
    crawl_lane = task_lane("crawl", context, {"crawl": crawl.run, "bootstrap": bootstrap.run, "purge": purge.run})
    return [
        *task_lane("model", context, {"model": Model().run}).threads(),
        *drawn_lane.threads(),
        *reverts_lane.threads(),
        *task_lane("publish", context, {"publish": publish.run}).threads(SENDERS),
        *crawl_lane.threads(tools.settings.max_projects),
        *Conveyor(context).threads(),
        threading.Thread(target=purge.drop_unused, args=(tools,), name="drop-unused", daemon=True),
    ]
