"""The report of the model's last run on a project (projects.model_json), parsed for the pages."""

import json
from dataclasses import dataclass
from typing import Any

from web.site.text import gettext

SFACE = "sface"  # versions of the better encoder begin with this


@dataclass(frozen=True)
class Outlook:
    """Outlook for one error budget, which permits at most 1 wrong match in `budget`.

    `matches`: files that would be proposed; `expected_wrong`: how many of them are probably wrong.
    """

    budget: int
    matches: int
    expected_wrong: float


@dataclass(frozen=True)
class Distances:
    """Histogram of the faces' distances to the confirmed ones, in steps of `width` from 0.

    The last step includes all larger distances. `yes` and `no` count the faces by a human's answer, `open` those
    without one.
    """

    width: float
    yes: tuple[int, ...]
    no: tuple[int, ...]
    open: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """The parsed report.

    `on`: whether the model makes predictions. `may_stop`: whether labelling may stop. `low`, `high`: interval of the
    number of matches probably not found yet. `new`, `withdrawn`: proposals added and removed by the last run that
    changed any. `answers`: answers given between that run and the one before. `files_of_others`: files in which only other
    people's faces were found; None in reports of older versions. `hard`: whether the people are hard to tell apart.
    `weak`: whether the faces were encoded with the weaker network.
    """

    on: bool
    may_stop: bool
    low: int
    high: int
    new: int
    withdrawn: int
    answers: int
    outlooks: tuple[Outlook, ...]
    distances: Distances | None
    files_of_others: int | None = None
    hard: bool = False
    weak: bool = False

    @property
    def note(self) -> str:
        """What to know before trusting a suggestion, in the language of the request; empty if there is nothing special."""
        if not self.on:
            return ""
        sentences = []
        if self.hard:
            sentences.append(
                gettext("The people in these files are hard to tell apart. Look closely at each suggestion.")
            )
        if self.weak:
            sentences.append(
                gettext(
                    "A weaker network than SFace read these faces, so suggestions are less sure. "
                    "The operator of this tool can change that."
                )
            )
        return " ".join(sentences)

    def missed_files(self, without_face: int) -> int:
        """Return the number of files in which the person's face may have been missed, given those without any face.

        0 if the report does not count the files with other people's faces.
        """
        return 0 if self.files_of_others is None else without_face + self.files_of_others


def parse_report(text: str | None) -> Report | None:
    """Parse the report; return None before the first run."""
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
        distances=_parse_distances(content.get("histogram")),
        files_of_others=content.get("files_of_others"),
        hard=bool(content.get("hard")),
        weak=not str(content.get("encoder", SFACE)).startswith(SFACE),
    )


def note_of(text: str | None) -> str:
    """Return the note of a stored report, empty before the first run."""
    report = parse_report(text)
    return report.note if report else ""


def _parse_distances(histogram: dict[str, Any] | None) -> Distances | None:
    if not histogram or not histogram.get("bins"):
        return None
    open_ = zip(histogram["match"], histogram["unsure"], histogram["no_match"], strict=True)
    return Distances(
        width=histogram["to"] / histogram["bins"],
        yes=tuple(histogram["target"]),
        no=tuple(histogram["other"]),
        open=tuple(sum(counts) for counts in open_),
    )
