"""Outcomes of stages, and the outcomes that errors of the wiki lead to. Only lanes settle claims, by these outcomes."""

from dataclasses import dataclass

from wiki.errors import Reread, RetryWithNewToken, Wait, WikiError

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

# Seconds until a file is retried after each temporary error; then it has failed. A project's work is always retried.
AGAIN = (2 * MINUTE, HOUR, DAY)


@dataclass(frozen=True)
class Done:
    """The work is done; the next run is due in `again_in` seconds, None for no further run.

    `rest`: seconds during which no run begins that was requested with a delay.
    """

    again_in: float | None = None
    rest: float = 0.0


@dataclass(frozen=True)
class Waiting:
    """Interrupted, as the worker ends or the project was paused; the next worker that claims the task continues."""


@dataclass(frozen=True)
class Retry:
    """Not done; retried in `seconds`. `reason` is a key that the pages translate, `detail` a text."""

    seconds: float
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Failed:
    """Not done, and a retry would fail in the same way until a human intervenes."""

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Finished:
    """Done for good; the task is deleted, such as that of a purged project."""


Outcome = Done | Waiting | Retry | Failed | Finished


class Stopped(Exception):
    """The worker has to end; the work is left as it is."""


def again_in(attempts: int) -> float | None:
    """Return the seconds until a file is retried after a temporary error; None for no retry.

    `attempts`: how often the file failed before.
    """
    return AGAIN[attempts] if attempts < len(AGAIN) else None


def project_again_in(attempts: int) -> float:
    """Return the seconds until the work of a project is retried: 30 s, doubled with each attempt, at most an hour."""
    return float(min(HOUR, 30.0 * 2 ** min(attempts, 10)))


def passes(error: WikiError) -> bool:
    """Return whether the error is temporary: the same request may succeed later without intervention."""
    return isinstance(error, Wait | Reread | RetryWithNewToken)


def of_wiki(error: WikiError, attempts: int) -> Retry | Failed:
    """Return the outcome of a project's work after an error of the wiki; a wait that the wiki requests is observed."""
    detail = ": ".join(part for part in (error.code, error.text) if part)
    if not passes(error):
        return Failed(error.reason.value, detail)
    seconds = max(project_again_in(attempts), error.seconds if isinstance(error, Wait) and error.asked else 0.0)
    return Retry(seconds, error.reason.value, detail)
