"""Structured logs: one line per event, `time level stage=... project=... logger message`, then any traceback."""

import logging
import sys
import time

FIELDS = ("worker", "stage", "project", "user", "file", "face")


class Formatter(logging.Formatter):
    """Formatter that puts the FIELDS of `extra` before the message, as key=value."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is defined by logging.Formatter
        pairs = [f"{name}={value}" for name in FIELDS if (value := getattr(record, name, None)) is not None]
        return " ".join([self.formatTime(record), record.levelname, *pairs, record.name, record.message])


def set_up(level: str, worker: str) -> None:
    """Log to standard error; every line names the worker."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter())
    handler.addFilter(_WorkerName(worker))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("urllib3").setLevel(logging.WARNING)


class _WorkerName(logging.Filter):
    """Filter that adds the worker's name to every record."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._worker = worker

    def filter(self, record: logging.LogRecord) -> bool:
        record.worker = self._worker
        return True
