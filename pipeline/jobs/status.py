"""Status report of the workers for the command line, and the health check of one worker."""

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import yaml

from database import Connection, Database, DatabaseError, DatabaseUnavailable
from pipeline.jobs import heartbeat_file
from pipeline.jobs.heartbeat_file import Heartbeat
from store.detection import searches
from store.jobs import tasks, workers
from store.jobs.workers import DEAD_AFTER_SECONDS

JOBS = Path(__file__).parents[2] / "jobs.yaml"


def workers_of_jobs(path: Path = JOBS) -> list[str]:
    """Return the ids of the workers that jobs.yaml starts, as its health checks name them; none if there is no such file."""
    if not path.is_file():
        return []
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))
    checks = [shlex.split(job.get("health-check-script", "")) for job in jobs]
    return [words[words.index("--worker-id") + 1] for words in checks if "--worker-id" in words]


def status(db: Connection, planned: Collection[str] = ()) -> Iterator[str]:
    """Yield a line for each worker, followed by one for each task or search that it has claimed.

    `planned`: ids of workers that run together. If one of them is known, those that are not are reported as missing: a
    worker that never started or was stopped has no row.
    """
    held, searching = tasks.held(db), searches.held(db)
    known = workers.all_seen(db)
    if not known:
        yield "No worker has been heard of in the last day."
    for worker in known:
        state = "alive" if worker.age < DEAD_AFTER_SECONDS else "silent"
        yield f"{worker.id}  {state}, heard {worker.age} s ago, {worker.host} pid {worker.pid}  {worker.doing}".rstrip()
        yield f"    networks   {in_words(worker.networks)}"
        if searching.get(worker.id):
            yield f"    detect     {searching[worker.id]} files"
        for task in held:
            if task.worker == worker.id:
                yield f"    {task.kind:10} {task.subject_id}, renewed {task.seconds} s ago"
    ids = {worker.id for worker in known}
    if ids & set(planned):
        yield from (f"{one}  missing: jobs.yaml starts it, and it does not run" for one in planned if one not in ids)


def in_words(networks: Mapping[str, str] | None) -> str:
    """Describe which networks a worker has; missing ones come last."""
    if networks is None:
        return "not made ready yet"
    said = sorted((bool(why), f"{name} missing: {why}" if why else f"{name} ready") for name, why in networks.items())
    return ", ".join(words for _, words in said) or "none"


def healthy(ask: Callable[[], Database], worker: str, sign: Path | None = None) -> tuple[bool, str]:
    """Return whether the worker is alive and all its lanes make progress, and a sentence that says why.

    `sign`: the path of its local heartbeat file.

    The file alone decides if it states that the worker recently reached the database or is waiting for it: the check then
    uses none of the account's connections, and a database that is unavailable or full is no reason to restart a worker.
    Otherwise the heartbeats in the database are read; `ask` opens the database for that.
    """
    heartbeat = heartbeat_file.read_heartbeat_file(sign or heartbeat_file.path_of(worker))
    if heartbeat is not None and heartbeat.age < DEAD_AFTER_SECONDS:
        if heartbeat.waiting_for:
            return _waits(worker, heartbeat, heartbeat.waiting_for)
        if heartbeat.stuck:
            return False, _is_stuck(worker, heartbeat.stuck)
        if heartbeat.reached is not None and heartbeat.reached < DEAD_AFTER_SECONDS:
            return (
                True,
                f"worker {worker} reached the database {heartbeat.reached:.0f} s ago; networks: {in_words(heartbeat.networks)}",
            )
    try:
        with ask().transaction() as db:
            found = {each.id: each for each in workers.all_seen(db)}.get(worker)
    except DatabaseUnavailable as error:
        return _without_database(worker, heartbeat, str(error))
    except DatabaseError as error:
        return False, str(error)
    if found is not None and found.age < DEAD_AFTER_SECONDS:
        if found.stuck:
            return False, _is_stuck(worker, found.stuck)
        return True, f"worker {worker} was heard {found.age} s ago; networks: {in_words(found.networks)}"
    if found is None:
        return False, f"worker {worker} has not been heard of in the last day"
    return False, f"worker {worker} was heard {found.age} s ago, and the database is there: it hangs or has ended"


def _is_stuck(worker: str, stuck: str) -> str:
    return f"worker {worker} is alive, but {stuck}: its log says why, and a restart releases what it has claimed"


def _without_database(worker: str, heartbeat: Heartbeat | None, outage: str) -> tuple[bool, str]:
    if heartbeat is None:
        return False, f"worker {worker} does not run on this machine ({outage})"
    if heartbeat.age >= DEAD_AFTER_SECONDS:
        return (
            False,
            f"worker {worker} gave its last sign of life {heartbeat.age:.0f} s ago: it hangs or has ended ({outage})",
        )
    return _waits(worker, heartbeat, outage)


def _waits(worker: str, heartbeat: Heartbeat, outage: str) -> tuple[bool, str]:
    return True, f"worker {worker} gave a sign of life {heartbeat.age:.0f} s ago and waits for the database ({outage})"
