"""Who does what, in words, for a person at a terminal; and whether a worker lives, for whoever restarts it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from database import Connection, Database, DatabaseError, DatabaseUnavailable
from pipeline.jobs import heartbeat_file
from pipeline.jobs.heartbeat_file import Sign
from store.detection import searches
from store.jobs import tasks, workers

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


def healthy(ask: Callable[[], Database], worker: str, sign: Path | None = None) -> tuple[bool, str]:
    """Whether the worker lives, and a sentence. `sign`: its local heartbeat file (pipeline/jobs/heartbeat_file.py).

    The file alone decides where it says that the worker reached the database lately, or waits for it: the check then takes none
    of the account's connections, and a database that is away or full is no reason to restart a worker. Only where the
    file says neither, the heartbeats in the database are looked at; `ask` makes what they are asked through.
    """
    felt = heartbeat_file.felt(sign or heartbeat_file.path_of(worker))
    if felt is not None and felt.age < ALIVE_S:
        if felt.waiting_for:
            return _waits(worker, felt, felt.waiting_for)
        if felt.reached is not None and felt.reached < ALIVE_S:
            return (
                True,
                f"worker {worker} reached the database {felt.reached:.0f} s ago; networks: {in_words(felt.networks)}",
            )
    try:
        with ask().transaction() as db:
            found = {each.id: each for each in workers.all_seen(db)}.get(worker)
    except DatabaseUnavailable as error:
        return _without_database(worker, felt, str(error))
    except DatabaseError as error:
        return False, str(error)
    if found is not None and found.age < ALIVE_S:
        return True, f"worker {worker} was heard {found.age} s ago; networks: {in_words(found.networks)}"
    if found is None:
        return False, f"worker {worker} has not been heard of in the last day"
    return False, f"worker {worker} was heard {found.age} s ago, and the database is there: it hangs or has ended"


def _without_database(worker: str, felt: Sign | None, outage: str) -> tuple[bool, str]:
    if felt is None:
        return False, f"worker {worker} does not run on this machine ({outage})"
    if felt.age >= ALIVE_S:
        return (
            False,
            f"worker {worker} gave its last sign of life {felt.age:.0f} s ago: it hangs or has ended ({outage})",
        )
    return _waits(worker, felt, outage)


def _waits(worker: str, felt: Sign, outage: str) -> tuple[bool, str]:
    return True, f"worker {worker} gave a sign of life {felt.age:.0f} s ago and waits for the database ({outage})"
