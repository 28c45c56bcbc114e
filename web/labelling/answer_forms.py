"""Parsing of answers and drawn bounding boxes from JSON and form posts.

A step is a group of answers that were given, and can be undone, together. Invalid input raises BadInput.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from boxes import Box
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


def parse_steps(body: Any) -> list[list[NewAnswer]]:
    """Parse `{"steps": [{"step": UUID, "answers": [{...}]}]}` into a list of answers per step. Raises BadInput."""
    items = _parse_list(_parse_object(body).get("steps"), MOST_STEPS)
    return [_parse_step(_parse_object(step)) for step in items]


def _parse_step(step: dict[str, Any]) -> list[NewAnswer]:
    step_id = parse_uuid(step.get("step"))
    return [_parse_answer(step_id, _parse_object(answer)) for answer in _parse_list(step.get("answers"), MOST_ANSWERS)]


def _parse_answer(step_id: str, fields: dict[str, Any]) -> NewAnswer:
    face_id = None if fields.get("face") is None else parse_id(fields.get("face"))
    answer: Any = fields.get("answer")
    if answer not in (FILE_ANSWERS if face_id is None else FACE_ANSWERS):
        raise _unusable_answer()
    return NewAnswer(
        client_id=parse_uuid(fields.get("client_id")),
        step=step_id,
        page_id=parse_id(fields.get("page")),
        face_id=face_id,
        answer=answer,
        twice=fields.get("twice") is True and answer == "target",
        other_item=parse_item(fields.get("other_item")) if answer == "other" else None,
        reason=_matching_string(_REASON, fields.get("reason")),
        sha1=parse_sha1(fields.get("sha1")),
    )


def parse_answer_form(form: dict[str, str], face_ids: Sequence[int]) -> list[NewAnswer]:
    """Parse the form of the question page that is used without JavaScript. Raises BadInput.

    `face_ids`: all faces shown; the button "none of them" answers about each of them.
    The answers' ids are derived from the id of the form, so that submitting it twice is harmless.
    """
    answer, asked_face = form.get("answer", ""), parse_id(form.get("face"))
    if answer.startswith("face:"):
        answer, asked_face = "target", parse_id(answer.removeprefix("face:"))
    answered_faces = face_ids if answer == "none" else [asked_face]
    body = [
        {
            "client_id": str(uuid5(UUID(parse_uuid(form.get("step"))), str(face_id))),
            "page": form.get("page"),
            "face": face_id,
            "answer": "other" if answer == "none" else answer,
            "other_item": _parse_typed_item(form.get("other_item", "")) if answer == "other" else None,
            "reason": form.get("reason"),
            "sha1": form.get("sha1"),
        }
        for face_id in answered_faces
    ]
    return _parse_step({"step": form.get("step"), "answers": body})


def _parse_typed_item(typed: str) -> str | None:
    """Return the typed item of another person, or None for an empty field. Raises BadInput."""
    try:
        return item_id(typed) if typed.strip() else None
    except InvalidName:
        raise BadInput(gettext("Who it is is said by an item such as Q42. You may leave the field empty.")) from None


def parse_file_answer(step: Any, page_id: int, answer: Any, shown_sha1: Any) -> list[NewAnswer]:
    """Parse a form's answer about a whole file. Its id is that of the step, which has one answer. Raises BadInput."""
    body = {"client_id": step, "page": page_id, "face": None, "answer": answer, "sha1": shown_sha1}
    return _parse_step({"step": step, "answers": [body]})


def parse_drawing(body: Any) -> Drawing:
    """Parse `{"step", "client_id", "page", "box": [left, top, width, height], "replaces", "sha1"}`.

    The box is in fractions of the picture's width and height. Raises BadInput.
    """
    fields = _parse_object(body)
    return Drawing(
        client_id=parse_uuid(fields.get("client_id")),
        step=parse_uuid(fields.get("step")),
        page_id=parse_id(fields.get("page")),
        box=parse_box(fields.get("box")),
        replaces=None if fields.get("replaces") is None else parse_id(fields.get("replaces")),
        sha1=parse_sha1(fields.get("sha1")),
    )


def parse_drawing_form(page_id: int, form: dict[str, str]) -> Drawing:
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
    return parse_drawing(body)


def parse_box(value: Any) -> Box:
    """Parse four finite numbers; the store checks that the box lies inside the picture. Raises BadInput."""
    values = _parse_list(value, 4)
    if len(values) != 4 or not all(isinstance(number, int | float) and math.isfinite(number) for number in values):
        raise _unusable_answer()
    return Box(*map(float, values))


def parse_sha1(value: Any) -> str | None:
    """Return the SHA-1 of the file version that was shown, or None if it is missing or malformed."""
    return _matching_string(_SHA1, value)


def parse_uuid(value: Any) -> str:
    """Parse a UUID made by the client and return it in its canonical form. Raises BadInput."""
    try:
        return str(UUID(value))
    except (ValueError, TypeError, AttributeError):
        raise _unusable_answer() from None


def parse_id(value: Any) -> int:
    """Parse a row id from a JSON number or the decimal string of a form. Raises BadInput."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
        raise _unusable_answer()
    return value


def parse_ids(text: str | None, most: int) -> list[int]:
    """Parse up to `most` ids separated by commas, ignoring parts that are not ids."""
    parts = (part for part in (text or "").split(",") if part.isascii() and part.isdecimal() and len(part) < 19)
    return [int(part) for part in parts][:most]


def parse_item(value: Any) -> str | None:
    """Parse a Wikidata item id; return None for an empty value. Raises BadInput."""
    if not value:
        return None
    if not isinstance(value, str) or not is_item(value):
        raise _unusable_answer()
    return value


def _matching_string(pattern: re.Pattern[str], value: Any) -> str | None:
    return value if isinstance(value, str) and pattern.match(value) else None


def _parse_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unusable_answer()
    return value


def _parse_list(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or not 0 < len(value) <= most:
        raise _unusable_answer()
    return value


def _unusable_answer() -> BadInput:
    return BadInput(gettext("This answer cannot be used as it was sent. Reload the page and answer again."))
