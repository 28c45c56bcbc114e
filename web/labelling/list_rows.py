"""Rows of long lists with all their texts formatted in advance, which is faster than doing it in the template."""

from collections.abc import Sequence
from dataclasses import dataclass

from store.labelling.review import ReviewFace
from store.publishing.plans import Planned
from web.labelling import face_states
from web.labelling.face_states import Standing
from web.site import formats, reasons, urls
from web.site.text import gettext

# The fields that determine a face's displayed state: it is computed once for all faces that agree in them.
_SAID = ("suspended", "source", "label", "said_by", "approved", "approved_by", "suggestion")


@dataclass(frozen=True)
class Cell:
    """One face of the review.

    `chip`: the URL of the crop, empty if there is none. `look`: the URL of the face's own page.
    `tags`: the CSS class and the text of each tag.
    """

    face_id: int
    title: str
    chip: str
    look: str
    known: Standing
    certainty: str
    distance: str
    tags: tuple[tuple[str, str], ...]


def cells(project_id: int, faces: Sequence[ReviewFace], here: str) -> list[Cell]:
    """Return a cell for each face, in the same order; `here`: the URL to which the page of a face links back."""
    look, chip = urls.pattern("review.face", "face_id", project_id=project_id, next=here), urls.chips(project_id)
    distance = gettext("distance %(number)s", number="%(number)s")
    marks = _marks()
    known: dict[tuple[object, ...], Standing] = {}
    found = []
    for face in faces:
        key = tuple(getattr(face, name) for name in _SAID)
        if key not in known:
            known[key] = face_states.standing(face)
        far = "" if face.distance is None else distance % {"number": formats.decimal(face.distance)}
        tags = tuple(tag for name, tag in marks.items() if getattr(face, name))
        found.append(
            Cell(
                face.face_id,
                face.title,
                chip(face.chip) if face.chip else "",
                look(face.face_id),
                known[key],
                face_states.certainty(face.probability),
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


@dataclass(frozen=True)
class PlanRow:
    """An approved file of the plan.

    `by`: who approved it, and whether in bulk. `earlier`: why an earlier attempt did not write it, empty if there was
    none.
    """

    planned: Planned
    url: str
    chip: str
    by: str
    certainty: str
    earlier: str


def plan_rows(project_id: int, files: Sequence[Planned]) -> list[PlanRow]:
    """Return a row for each file, in the same order."""
    chip = urls.chips(project_id)
    words_of = {"bulk": gettext("approved in bulk by %(name)s"), "alone": gettext("confirmed by %(name)s")}
    sure = gettext("certainty %(number)s")
    return [
        PlanRow(
            file,
            urls.file_page(file.title),
            chip(file.chip) if file.chip else "",
            words_of[file.kind] % {"name": file.approved_by},
            "" if file.probability is None else sure % {"number": face_states.certainty(file.probability)},
            reasons.reason(file.earlier) if file.earlier else "",
        )
        for file in files
    ]
