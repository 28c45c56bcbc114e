"""Who does what, in words, for a person at a terminal; and whether a worker lives, for whoever restarts it."""

from collections.abc import Iterator

from database import Connection, Database, DatabaseError
from store import searches, tasks, workers

ALIVE_S = 60


def status(db: Connection) -> Iterator[str]:
    """A line for each worker, and one for each piece of work that it holds."""
    held, searching = tasks.held(db), searches.held(db)
    known = workers.all_seen(db)
    if not known:
        yield "No worker has been heard of in the last day."
    for worker in known:
        state = "alive" if worker.age < ALIVE_S else "silent"
        yield f"{worker.id}  {state}, heard {worker.age} s ago, {worker.host} pid {worker.pid}  {worker.doing}".rstrip()
        if searching.get(worker.id):
            yield f"    detect     {searching[worker.id]} files"
        for task in held:
            if task.worker == worker.id:
                yield f"    {task.kind:10} {task.subject_id}, renewed {task.seconds} s ago"


def healthy(database: Database, worker: str) -> tuple[bool, str]:
    """Whether the worker has been heard of within the last minute, and a sentence."""
    try:
        with database.transaction() as db:
            found = {each.id: each for each in workers.all_seen(db)}.get(worker)
    except DatabaseError as error:
        return False, str(error)
    if found is None:
        return False, f"worker {worker} has not been heard of in the last day"
    return found.age < ALIVE_S, f"worker {worker} was heard {found.age} s ago"
