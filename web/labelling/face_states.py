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
class FaceState:
    """A face's state as displayed; `kind` is a CSS class, `sign` a character printed before `text`."""

    kind: Kind
    sign: str
    text: str


def face_state(face: ReviewFace) -> FaceState:
    """Return the state to display for a face.

    Precedence: an answer that has to be checked again, a human's answer, an answer implied by another face of the
    picture, a bulk approval, a label from Wikidata or Commons, the model's prediction.
    """
    if face.suspended:
        return FaceState("again", "↻", gettext("overwritten since: look again"))
    if face.source == "human":
        return _answered_state(face)
    if face.source == "implied":
        return FaceState("no", "✕", gettext("another face of the picture is confirmed"))
    if face.approved == "bulk":
        return FaceState("bulk", "✓✓", gettext("approved in bulk by %(name)s", name=face.approved_by or "?"))
    if face.source == "portrait":
        return FaceState("bootstrap", "◆", gettext("portrait on Wikidata, not checked"))
    if face.source == "bootstrap":
        return FaceState("bootstrap", "◆", gettext("from Commons, not checked"))
    return _predicted_state(face)


def _answered_state(face: ReviewFace) -> FaceState:
    name = face.said_by or "?"
    if face.label == "target":
        return FaceState("yes", "✓", gettext("confirmed by %(name)s", name=name))
    if face.label == "unsure":
        return FaceState("open", "?", gettext("%(name)s was unsure", name=name))
    if face.label == "not_face":
        return FaceState("no", "✕", gettext("not a face, says %(name)s", name=name))
    return FaceState("no", "✕", gettext("rejected by %(name)s", name=name))


def _predicted_state(face: ReviewFace) -> FaceState:
    if face.suggestion == "match":
        return FaceState("match", "≈", gettext("suggested"))
    if face.suggestion == "no_match":
        return FaceState("no-match", "≠", gettext("no match, says the model"))
    if face.suggestion == "unsure":
        return FaceState("unsure", "?", gettext("the model is unsure"))
    return FaceState("new", "…", gettext("not compared yet"))


def certainty(probability: float | None) -> str:
    """Format a probability to a tenth of a percent, or return "" if there is none.

    It is rounded down and is at most 99.9 %, because the model is never certain.
    """
    if probability is None:
        return ""
    return _format_tenths(min(math.floor(probability * 1000), 999), str(get_locale()))


@lru_cache(4096)
def _format_tenths(tenths: int, _language: str) -> str:
    """Format tenths of a percent in the current language; cached, as many faces of a page share a value."""
    return str(format_percent(tenths / 1000, format="#,##0.0%"))


def expected_wrong_text(expected: float) -> str:
    """Return the expected number of wrong matches in words."""
    if expected < 0.05:
        return gettext("hardly any")
    return gettext("about %(number)s", number=number(round(expected, 1) if expected < 9.95 else round(expected)))


@dataclass(frozen=True)
class Action:
    """An action on selected faces: the endpoint that performs it, its keyboard key, label and explanation."""

    endpoint: str
    key: str
    text: str
    hint: str = ""
    on: int = 1
    main: bool = False


# Actions offered under each filter; the first is the most common one.
_ACTIONS: dict[Show, tuple[str, ...]] = {
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


def actions(show: Show) -> list[Action]:
    """Return the actions that are offered for the faces of a filter."""
    actions_by_name = {
        "approve": Action(
            "approve",
            "a",
            gettext("Approve"),
            gettext("The files may be written; the model does not learn from it."),
            main=True,
        ),
        "confirm": Action(
            "confirm",
            "y",
            gettext("Confirm"),
            gettext("You looked at each: they are the person. The model learns."),
            main=True,
        ),
        "reject": Action("reject", "n", gettext("Reject"), gettext("Somebody else. The model learns.")),
        "not_face": Action("not_face", "i", gettext("Not a face")),
        "withdraw": Action(
            "withdraw", "w", gettext("Take approval back"), gettext("Of faces approved in bulk; answers are undone.")
        ),
        "prominent": Action(
            "prominent",
            "p",
            gettext("Prominent"),
            gettext("Written with preferred rank: the person is the main subject."),
        ),
        "plain": Action("prominent", "o", gettext("Not prominent"), on=0),
    }
    return [actions_by_name[name] for name in _ACTIONS[show]]


def no_faces_text(show: Show) -> str:
    """Explain why a filter shows no faces, and what to do."""
    texts = {
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
    return texts.get(show, gettext("No face here."))
