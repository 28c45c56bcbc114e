"""Display of a face's state in the review: label, actions and texts.

A state is never shown by colour alone, and a suggestion of the model never looks like a confirmed answer.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from flask_babel import format_percent, get_locale

from store.labelling.review import ReviewFace, Show
from web.site.formats import number
from web.site.text import gettext

Kind = Literal["yes", "no", "open", "again", "bulk", "bootstrap", "match", "no-match", "unsure", "new"]


@dataclass(frozen=True)
class Standing:
    """A face's state as displayed; `kind` is a CSS class, `sign` a character printed before `text`."""

    kind: Kind
    sign: str
    text: str


def standing(face: ReviewFace) -> Standing:
    """Return the state to display for a face.

    Precedence: an answer that has to be checked again, a human's answer, an answer implied by another face of the
    picture, a bulk approval, a label from Wikidata or Commons, the model's prediction.
    """
    if face.suspended:
        return Standing("again", "↻", gettext("overwritten since: look again"))
    if face.source == "human":
        return _human(face)
    if face.source == "implied":
        return Standing("no", "✕", gettext("another face of the picture is confirmed"))
    if face.approved == "bulk":
        return Standing("bulk", "✓✓", gettext("approved in bulk by %(name)s", name=face.approved_by or "?"))
    if face.source == "portrait":
        return Standing("bootstrap", "◆", gettext("portrait on Wikidata, not checked"))
    if face.source == "bootstrap":
        return Standing("bootstrap", "◆", gettext("from Commons, not checked"))
    return _model(face)


def _human(face: ReviewFace) -> Standing:
    name = face.said_by or "?"
    if face.label == "target":
        return Standing("yes", "✓", gettext("confirmed by %(name)s", name=name))
    if face.label == "unsure":
        return Standing("open", "?", gettext("%(name)s was unsure", name=name))
    if face.label == "not_face":
        return Standing("no", "✕", gettext("not a face, says %(name)s", name=name))
    return Standing("no", "✕", gettext("rejected by %(name)s", name=name))


def _model(face: ReviewFace) -> Standing:
    if face.suggestion == "match":
        return Standing("match", "≈", gettext("suggested"))
    if face.suggestion == "no_match":
        return Standing("no-match", "≠", gettext("no match, says the model"))
    if face.suggestion == "unsure":
        return Standing("unsure", "?", gettext("the model is unsure"))
    return Standing("new", "…", gettext("not compared yet"))


def certainty(probability: float | None) -> str:
    """Format a probability to a tenth of a percent, or return "" if there is none.

    It is rounded down and is at most 99.9 %, because the model is never certain.
    """
    if probability is None:
        return ""
    return _tenths(min(math.floor(probability * 1000), 999), str(get_locale()))


@lru_cache(4096)
def _tenths(number: int, _language: str) -> str:
    """Format tenths of a percent in the current language; cached, as many faces of a page share a value."""
    return str(format_percent(number / 1000, format="#,##0.0%"))


def wrong(expected: float) -> str:
    """Return the expected number of wrong matches in words."""
    if expected < 0.05:
        return gettext("hardly any")
    return gettext("about %(number)s", number=number(round(expected, 1) if expected < 9.95 else round(expected)))


@dataclass(frozen=True)
class Act:
    """An action on selected faces: the endpoint that performs it, its keyboard key, label and explanation."""

    endpoint: str
    key: str
    text: str
    hint: str = ""
    on: int = 1
    main: bool = False


# Actions offered under each filter; the first is the most common one.
_ACTS: dict[Show, tuple[str, ...]] = {
    "matches": ("approve", "reject", "not_face"),
    "approved": ("withdraw", "reject", "prominent", "plain"),
    "confirmed": ("reject", "prominent", "plain"),
    "unsure": ("confirm", "reject", "not_face"),
    "non_matches": ("confirm", "reject", "not_face"),
    "rejected": ("confirm",),
    "bootstrap": ("confirm", "reject", "not_face"),
    "drawn": ("confirm", "reject", "not_face"),
    "stated": ("confirm", "reject", "not_face"),
    "waiting": ("prominent", "plain", "withdraw", "reject"),
}


def acts(show: Show) -> list[Act]:
    """Return the actions that are offered for the faces of a filter."""
    known = {
        "approve": Act(
            "approve",
            "a",
            gettext("Approve"),
            gettext("The files may be written; the model does not learn from it."),
            main=True,
        ),
        "confirm": Act(
            "confirm",
            "y",
            gettext("Confirm"),
            gettext("You looked at each: they are the person. The model learns."),
            main=True,
        ),
        "reject": Act("reject", "n", gettext("Reject"), gettext("Somebody else. The model learns.")),
        "not_face": Act("not_face", "i", gettext("Not a face")),
        "withdraw": Act(
            "withdraw", "w", gettext("Take approval back"), gettext("Of faces approved in bulk; answers are undone.")
        ),
        "prominent": Act(
            "prominent",
            "p",
            gettext("Prominent"),
            gettext("Written with preferred rank: the person is the main subject."),
        ),
        "plain": Act("prominent", "o", gettext("Not prominent"), on=0),
    }
    return [known[name] for name in _ACTS[show]]


def empty(show: Show) -> str:
    """Explain why a filter shows no faces, and what to do."""
    words = {
        "matches": gettext(
            "Nothing to approve: the model suggests no match that is still open. Answer questions, and it finds more."
        ),
        "approved": gettext("Nothing was approved in bulk."),
        "confirmed": gettext("No face is confirmed yet. Confirm some among the questions."),
        "unsure": gettext("The model is unsure about no face."),
        "waiting": gettext("Nothing waits to be sent. Approve matches first."),
        "drawn": gettext("No face was drawn by hand."),
        "stated": gettext("No file with a face states the person on Commons yet."),
    }
    return words.get(show, gettext("No face here."))
