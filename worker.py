"""The worker process: crawls sources, detects faces, runs the model and sends edits, until SIGTERM or SIGINT.

python worker.py --worker-id ID

Detector children are spawned and import this module again, so large modules are imported only inside functions.
"""

import argparse
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import config

if TYPE_CHECKING:
    from pipeline.jobs.tools import Tools

# Niceness, of 19: on a shared machine web processes come before models, and these before searches
# (pipeline/jobs/tools.py).
NICE = 5
# Seconds. Toolforge ends a health check after 5 s, and starting Python takes one of these.
CHECK_PATIENCE_S, CHECK_CONNECT_S = 1.0, 2
Opener = Callable[[config.Settings, str, threading.Event], "Tools"]


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="worker.py", description="Crawl, detect faces, run the model and send edits.")
    parser.add_argument(
        "--worker-id",
        default=socket.gethostname()[:64],
        type=_worker_id,
        help="name of the worker; it takes over the claims of an earlier worker of that name (default: host name)",
    )
    parser.add_argument("--status", action="store_true", help="print what each worker does, and exit")
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with 0 if the worker of that name is alive and each of its lanes makes progress, also while it waits for "
        "the database, else with 1",
    )
    return parser.parse_args(given)


def _worker_id(value: str) -> str:
    if not value or len(value) > 64 or not value.isprintable():
        raise argparse.ArgumentTypeError("up to 64 printable characters")
    return value


def main(given: list[str] | None = None, opener: Opener | None = None) -> int:
    """Run the worker until SIGTERM or SIGINT and return the exit status; benches replace `open_tools` by `opener`."""
    options = arguments(given)
    settings = config.load()
    if options.status or options.check:
        return _report(settings, options)
    stop = threading.Event()
    os.nice(NICE)
    # Read when numpy is imported; several threads would wait for each other in busy loops.
    os.putenv("OPENBLAS_NUM_THREADS", "1")

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    return _work(settings, options.worker_id, stop, opener)


def _work(settings: config.Settings, worker: str, stop: threading.Event, opener: Opener | None) -> int:
    """Run all lanes until `stop` is set, and return the exit status."""
    from database import DatabaseError
    from pipeline import lanes
    from pipeline.jobs import logs
    from pipeline.jobs.tools import open_tools

    logs.set_up(settings.log_level, worker)
    try:
        lanes.runner((opener or open_tools)(settings, worker, stop)).run()
    except DatabaseError as error:
        config.stop(str(error))
    return 0


def _report(settings: config.Settings, options: argparse.Namespace) -> int:
    """Print the status of all workers or check one, and return the exit status."""
    from database import Database, DatabaseError
    from pipeline.jobs import status

    if options.check:
        alive, sentence = status.healthy(
            lambda: Database(settings, size=1, patience=CHECK_PATIENCE_S, connect_timeout=CHECK_CONNECT_S),
            options.worker_id,
        )
        print(sentence, file=sys.stdout if alive else sys.stderr)
        return 0 if alive else 1
    database = Database(settings, size=1)
    try:
        with database.transaction() as db:
            print("\n".join(status.status(db, status.workers_of_jobs())))
    except DatabaseError as error:
        config.stop(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
