"""A worker: python worker.py --worker-id ID. It crawls, searches, asks the model and sends, until it is told to stop.

Detector children are spawned and import this module again: nothing heavy is imported before main().
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

NICE = (
    5  # of 19: where they share a machine, pages come before models, and these before searches (pipeline/jobs/tools.py)
)
# Toolforge ends a health check after 5 s, and a second of these goes into starting Python.
CHECK_PATIENCE_S, CHECK_CONNECT_S = 1.0, 2
Opener = Callable[[config.Settings, str, threading.Event], "Tools"]


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="worker.py", description="Crawls, searches, asks the model and sends.")
    parser.add_argument(
        "--worker-id",
        default=socket.gethostname()[:64],
        type=_worker_id,
        help="its name; a worker that starts takes over what an earlier one of its name had claimed (default: the host's)",
    )
    parser.add_argument("--status", action="store_true", help="print who does what, and end")
    parser.add_argument(
        "--check",
        action="store_true",
        help="end with 0 if the worker of that name lives, also while it waits for the database, else with 1",
    )
    return parser.parse_args(given)


def _worker_id(value: str) -> str:
    if not value or len(value) > 64 or not value.isprintable():
        raise argparse.ArgumentTypeError("up to 64 printable characters")
    return value


def main(given: list[str] | None = None, opener: Opener | None = None) -> int:
    """Work until SIGTERM or SIGINT; returns the exit status. `opener` makes other tools than the real ones, for a bench."""
    options = arguments(given)
    settings = config.load()
    if options.status or options.check:
        return _tell(settings, options)
    stop = threading.Event()
    os.nice(NICE)
    os.putenv("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded; two would wait for each other by spinning

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    return _work(settings, options.worker_id, stop, opener)


def _work(settings: config.Settings, worker: str, stop: threading.Event, opener: Opener | None) -> int:
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


def _tell(settings: config.Settings, options: argparse.Namespace) -> int:
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
            print("\n".join(status.status(db)))
    except DatabaseError as error:
        config.stop(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
