"""What the last run of the model said about a project (projects.model_json), as the pages use it."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outlook:
    """What an error budget (at most 1 wrong in `budget`) would propose: files, and how many of them probably wrong."""

    budget: int
    matches: int
    expected_wrong: float


@dataclass(frozen=True)
class Report:
    """`low`..`high`: matches probably still unfound. `new`, `withdrawn`: proposals that changed by the last `answers`."""

    on: bool
    may_stop: bool
    low: int
    high: int
    new: int
    withdrawn: int
    answers: int
    outlooks: tuple[Outlook, ...]


def read(text: str | None) -> Report | None:
    """The report, or None before the first run."""
    if not text:
        return None
    content: dict[str, Any] = json.loads(text)
    unfound, changes = content.get("unfound", {}), content.get("changes", {})
    return Report(
        on=bool(content.get("on")),
        may_stop=bool(content.get("stop", {}).get("may")),
        low=int(unfound.get("low", 0)),
        high=int(unfound.get("high", 0)),
        new=int(changes.get("new", 0)),
        withdrawn=int(changes.get("withdrawn", 0)),
        answers=int(changes.get("answers", 0)),
        outlooks=tuple(
            Outlook(row["budget"], row["matches"], row["expected_wrong"]) for row in content.get("curve", [])
        ),
    )
