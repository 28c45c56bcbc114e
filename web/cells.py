"""The cells of the review's grid: all that a face shows, in words, so that the template has nothing to look up for each."""

from collections.abc import Sequence
from dataclasses import dataclass

from store.review import Face
from web import formats, standing, urls
from web.standing import Standing
from web.text import gettext

# What a standing is said by: faces that agree in it stand alike.
_SAID = ("suspended", "source", "label", "said_by", "approved", "approved_by", "suggestion")


@dataclass(frozen=True)
class Cell:
    """One face; `chip`, `look`: addresses, `chip` empty where there is no crop; `tags`: class and text of each mark."""

    face_id: int
    title: str
    chip: str
    look: str
    known: Standing
    certainty: str
    distance: str
    tags: tuple[tuple[str, str], ...]


def cells(project_id: int, faces: Sequence[Face], here: str) -> list[Cell]:
    """In the order of the faces; `here`: where the look at one leads back to."""
    look, chip = urls.pattern("review.face", "face_id", project_id=project_id, next=here), urls.chips(project_id)
    distance = gettext("distance %(number)s", number="%(number)s")
    marks = _marks()
    known: dict[tuple[object, ...], Standing] = {}
    found = []
    for face in faces:
        key = tuple(getattr(face, name) for name in _SAID)
        if key not in known:
            known[key] = standing.standing(face)
        far = "" if face.distance is None else distance % {"number": formats.decimal(face.distance)}
        tags = tuple(tag for name, tag in marks.items() if getattr(face, name))
        found.append(
            Cell(
                face.face_id,
                face.title,
                chip(face.chip) if face.chip else "",
                look(face.face_id),
                known[key],
                standing.certainty(face.probability),
                far,
                tags,
            )
        )
    return found


def _marks() -> dict[str, tuple[str, str]]:
    return {
        "prominent": ("tag info", "★ " + gettext("prominent")),
        "stated": ("tag", gettext("on Commons")),
        "drawn": ("tag", gettext("drawn")),
        "poor": ("tag warn", gettext("poor quality")),
    }
