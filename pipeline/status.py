"""Who does what, in words, for a person at a terminal; and whether a worker lives, for whoever restarts it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from database import Connection, Database, DatabaseError, DatabaseUnavailable
from pipeline import pulse
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
        yield f"    networks   {in_words(worker.networks)}"
        if searching.get(worker.id):
            yield f"    detect     {searching[worker.id]} files"
        for task in held:
            if task.worker == worker.id:
                yield f"    {task.kind:10} {task.subject_id}, renewed {task.seconds} s ago"


def in_words(networks: Mapping[str, str] | None) -> str:
    """Which networks a worker has, those that are missing last."""
    if networks is None:
        return "not made ready yet"
    said = sorted((bool(why), f"{name} missing: {why}" if why else f"{name} ready") for name, why in networks.items())
    return ", ".join(words for _, words in said) or "none"


def healthy(database: Database, worker: str, sign: Path | None = None) -> tuple[bool, str]:
    """Whether the worker lives, and a sentence. `sign`: its sign of life on this machine (pipeline/pulse.py).

    Where the database is away, or has just come back, its heartbeats say nothing, and its sign of life decides: that a
    worker waits for the database is no reason to restart it.
    """
    sign = sign or pulse.path_of(worker)
    try:
        with database.transaction() as db:
            found = {each.id: each for each in workers.all_seen(db)}.get(worker)
    except DatabaseUnavailable as error:
        return _by_its_sign(worker, sign, str(error))
    except DatabaseError as error:
        return False, str(error)
    if found is not None and found.age < ALIVE_S:
        return True, f"worker {worker} was heard {found.age} s ago; networks: {in_words(found.networks)}"
    felt = pulse.felt(sign)
    if felt is not None and felt[1]:
        return _by_its_sign(worker, sign, "the database is back only now")
    if found is None:
        return False, f"worker {worker} has not been heard of in the last day"
    return False, f"worker {worker} was heard {found.age} s ago, and the database is there: it hangs or has ended"


def _by_its_sign(worker: str, sign: Path, outage: str) -> tuple[bool, str]:
    felt = pulse.felt(sign)
    if felt is None:
        return False, f"worker {worker} does not run on this machine ({outage})"
    seconds = f"{felt[0]:.0f} s ago"
    if felt[0] >= ALIVE_S:
        return False, f"worker {worker} gave its last sign of life {seconds}: it hangs or has ended ({outage})"
    return True, f"worker {worker} gave a sign of life {seconds} and waits for the database ({outage})"
