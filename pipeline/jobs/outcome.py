"""What a stage comes to, and what an error of the wiki means for it. Only the runner settles claims by it."""

from dataclasses import dataclass

from wiki.errors import Reread, RetryWithNewToken, Wait, WikiError

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

# Errors that pass are tried again after these many seconds. A file then counts as failed; a project's work never does.
AGAIN = (2 * MINUTE, HOUR, DAY)


@dataclass(frozen=True)
class Done:
    """The work is done; the next run is due in `again_in` seconds, never where None.

    `rest`: seconds before a run that was wished for in the meantime, or soon after, begins.
    """

    again_in: float | None = None
    rest: float = 0.0


@dataclass(frozen=True)
class Waiting:
    """Stopped in the middle (the worker ends, or the project was paused): whoever claims it next goes on."""


@dataclass(frozen=True)
class Retry:
    """Not done now; `reason` is a key that the pages put into words."""

    seconds: float
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Failed:
    """Not done, and trying again would end the same way until somebody changes something."""

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Finished:
    """Done for good: the work itself goes (a purged project's)."""


Outcome = Done | Waiting | Retry | Failed | Finished


class Stopped(Exception):
    """The worker is to end: leave the work as it is."""


def again_in(attempts: int) -> float | None:
    """Seconds until a file is tried again after a passing error, given how often it failed before; None: no more."""
    return AGAIN[attempts] if attempts < len(AGAIN) else None


def project_again_in(attempts: int) -> float:
    """The same for the work of a whole project, which is never given up: 30 s, doubled up to an hour."""
    return float(min(HOUR, 30.0 * 2 ** min(attempts, 10)))


def passes(error: WikiError) -> bool:
    """Whether the same request may succeed later without anybody doing anything."""
    return isinstance(error, Wait | Reread | RetryWithNewToken)


def of_wiki(error: WikiError, attempts: int) -> Retry | Failed:
    """What an error of the wiki means for a project's work."""
    detail = ": ".join(part for part in (error.code, error.text) if part)
    if not passes(error):
        return Failed(error.reason.value, detail)
    seconds = max(project_again_in(attempts), error.seconds if isinstance(error, Wait) and error.asked else 0.0)
    return Retry(seconds, error.reason.value, detail)
