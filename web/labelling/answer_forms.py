"""Parsing of answers and drawn bounding boxes from JSON and form posts.

A step is a group of answers that were given, and can be undone, together. Invalid input raises BadInput.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from store.detection.faces import Box
from store.labelling.answers import FACE_ANSWERS, FILE_ANSWERS, NewAnswer
from web.site.errors import BadInput
from web.site.text import gettext
from wiki.names import InvalidName, is_item, item_id

MOST_STEPS = 50
MOST_ANSWERS = 300  # The button "none of them" answers about every face in a picture of a crowd.
_SHA1 = re.compile(r"[0-9a-f]{40}\Z")
_REASON = re.compile(r"[a-z_]{1,32}\Z")


@dataclass(frozen=True)
class Drawing:
    """A bounding box that a volunteer drew around the person's face; the answer about it belongs to the same step."""

    client_id: str
    step: str
    page_id: int
    box: Box
    replaces: int | None
    sha1: str | None


def steps(body: Any) -> list[list[NewAnswer]]:
    """Parse `{"steps": [{"step": UUID, "answers": [{...}]}]}` into a list of answers per step. Raises BadInput."""
    listed = _list(_object(body).get("steps"), MOST_STEPS)
    return [_step(_object(step)) for step in listed]


def _step(step: dict[str, Any]) -> list[NewAnswer]:
    step_id = uuid(step.get("step"))
    return [_answer(step_id, _object(answer)) for answer in _list(step.get("answers"), MOST_ANSWERS)]


def _answer(step_id: str, said: dict[str, Any]) -> NewAnswer:
    face_id = None if said.get("face") is None else number(said.get("face"))
    answer: Any = said.get("answer")
    if answer not in (FILE_ANSWERS if face_id is None else FACE_ANSWERS):
        raise _unusable()
    return NewAnswer(
        client_id=uuid(said.get("client_id")),
        step=step_id,
        page_id=number(said.get("page")),
        face_id=face_id,
        answer=answer,
        twice=said.get("twice") is True and answer == "target",
        other_item=item(said.get("other_item")) if answer == "other" else None,
        reason=_matching(_REASON, said.get("reason")),
        sha1=sha1(said.get("sha1")),
    )


def of_form(form: dict[str, str], face_ids: Sequence[int]) -> list[NewAnswer]:
    """Parse the form of the question page that is used without JavaScript. Raises BadInput.

    `face_ids`: all faces shown; the button "none of them" answers about each of them.
    The answers' ids are derived from the id of the form, so that submitting it twice is harmless.
    """
    pressed, face = form.get("answer", ""), number(form.get("face"))
    if pressed.startswith("face:"):
        pressed, face = "target", number(pressed.removeprefix("face:"))
    about = face_ids if pressed == "none" else [face]
    body = [
        {
            "client_id": str(uuid5(UUID(uuid(form.get("step"))), str(face_id))),
            "page": form.get("page"),
            "face": face_id,
            "answer": "other" if pressed == "none" else pressed,
            "other_item": _typed_item(form.get("other_item", "")) if pressed == "other" else None,
            "reason": form.get("reason"),
            "sha1": form.get("sha1"),
        }
        for face_id in about
    ]
    return _step({"step": form.get("step"), "answers": body})


def _typed_item(typed: str) -> str | None:
    """Return the typed item of another person, or None for an empty field. Raises BadInput."""
    try:
        return item_id(typed) if typed.strip() else None
    except InvalidName:
        raise BadInput(gettext("Who it is is said by an item such as Q42. You may leave the field empty.")) from None


def one_about_file(step: Any, page_id: int, answer: Any, shown_sha1: Any) -> list[NewAnswer]:
    """Parse a form's answer about a whole file. Its id is that of the step, which has one answer. Raises BadInput."""
    body = {"client_id": step, "page": page_id, "face": None, "answer": answer, "sha1": shown_sha1}
    return _step({"step": step, "answers": [body]})


def drawing(body: Any) -> Drawing:
    """Parse `{"step", "client_id", "page", "box": [left, top, width, height], "replaces", "sha1"}`.

    The box is in fractions of the picture's width and height. Raises BadInput.
    """
    said = _object(body)
    return Drawing(
        client_id=uuid(said.get("client_id")),
        step=uuid(said.get("step")),
        page_id=number(said.get("page")),
        box=box(said.get("box")),
        replaces=None if said.get("replaces") is None else number(said.get("replaces")),
        sha1=sha1(said.get("sha1")),
    )


def drawing_of_form(page_id: int, form: dict[str, str]) -> Drawing:
    """Parse a form whose `left`, `top`, `width` and `height` are percentages of the picture. Raises BadInput."""
    try:
        percents = [float(form.get(side, "").replace(",", ".")) for side in ("left", "top", "width", "height")]
    except ValueError:
        raise BadInput(gettext("Give the box as four numbers from 0 to 100.")) from None
    body = {
        **form,
        "page": page_id,
        "box": [percent / 100 for percent in percents],
        "replaces": form.get("replaces") or None,
    }
    return drawing(body)


def box(said: Any) -> Box:
    """Parse four finite numbers; the store checks that the box lies inside the picture. Raises BadInput."""
    values = _list(said, 4)
    if len(values) != 4 or not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        raise _unusable()
    return Box(*map(float, values))


def sha1(said: Any) -> str | None:
    """Return the SHA-1 of the file version that was shown, or None if it is missing or malformed."""
    return _matching(_SHA1, said)


def uuid(said: Any) -> str:
    """Parse a UUID made by the client and return it in its canonical form. Raises BadInput."""
    try:
        return str(UUID(said))
    except (ValueError, TypeError, AttributeError):
        raise _unusable() from None


def number(said: Any) -> int:
    """Parse a row id from a JSON number or the decimal string of a form. Raises BadInput."""
    if isinstance(said, str) and said.isascii() and said.isdecimal() and len(said) < 20:
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int) or not 0 < said < 2**63:
        raise _unusable()
    return said


def numbers(said: str | None, most: int) -> list[int]:
    """Parse up to `most` ids separated by commas, ignoring parts that are not ids."""
    listed = (part for part in (said or "").split(",") if part.isascii() and part.isdecimal() and len(part) < 19)
    return [int(part) for part in listed][:most]


def item(said: Any) -> str | None:
    """Parse a Wikidata item id; return None for an empty value. Raises BadInput."""
    if not said:
        return None
    if not isinstance(said, str) or not is_item(said):
        raise _unusable()
    return said


def _matching(pattern: re.Pattern[str], said: Any) -> str | None:
    return said if isinstance(said, str) and pattern.match(said) else None


def _object(said: Any) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise _unusable()
    return said


def _list(said: Any, most: int) -> list[Any]:
    if not isinstance(said, list) or not 0 < len(said) <= most:
        raise _unusable()
    return said


def _unusable() -> BadInput:
    return BadInput(gettext("This answer cannot be used as it was sent. Reload the page and answer again."))
