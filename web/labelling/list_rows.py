"""Rows of long lists with all their texts formatted in advance, which is faster than doing it in the template."""

from collections.abc import Sequence
from dataclasses import dataclass

from store.labelling.review import ReviewFace
from store.publishing.plans import Planned
from web.labelling import face_states
from web.labelling.face_states import FaceState
from web.site import formats, reasons, urls
from web.site.text import gettext

# The fields that determine a face's displayed state: it is computed once for all faces that agree in them.
_STATE_FIELDS = ("suspended", "source", "label", "said_by", "approved", "approved_by", "suggestion")


@dataclass(frozen=True)
class Cell:
    """One face of the review.

    `chip_url`: the URL of the crop, empty if there is none. `face_url`: the URL of the face's own page.
    `tags`: the CSS class and the text of each tag.
    """

    face_id: int
    title: str
    chip_url: str
    face_url: str
    state: FaceState
    certainty: str
    distance: str
    tags: tuple[tuple[str, str], ...]


def cells(project_id: int, faces: Sequence[ReviewFace], return_url: str) -> list[Cell]:
    """Return a cell for each face, in the same order; `return_url`: the URL to which the page of a face links back."""
    face_url = urls.url_pattern("review.face", "face_id", project_id=project_id, next=return_url)
    chip_url = urls.chip_urls(project_id)
    distance_text = gettext("distance %(number)s", number="%(number)s")
    tags_by_field = _tags()
    states: dict[tuple[object, ...], FaceState] = {}
    rows = []
    for face in faces:
        key = tuple(getattr(face, name) for name in _STATE_FIELDS)
        if key not in states:
            states[key] = face_states.face_state(face)
        face_distance = "" if face.distance is None else distance_text % {"number": formats.decimal(face.distance)}
        tags = tuple(tag for name, tag in tags_by_field.items() if getattr(face, name))
        rows.append(
            Cell(
                face.face_id,
                face.title,
                chip_url(face.chip) if face.chip else "",
                face_url(face.face_id),
                states[key],
                face_states.certainty(face.probability),
                face_distance,
                tags,
            )
        )
    return rows


def _tags() -> dict[str, tuple[str, str]]:
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
    chip_url: str
    by: str
    certainty: str
    earlier: str


def plan_rows(project_id: int, files: Sequence[Planned]) -> list[PlanRow]:
    """Return a row for each file, in the same order."""
    chip_url = urls.chip_urls(project_id)
    approval_texts = {"bulk": gettext("approved in bulk by %(name)s"), "alone": gettext("confirmed by %(name)s")}
    certainty_text = gettext("certainty %(number)s")
    return [
        PlanRow(
            file,
            urls.file_page(file.title),
            chip_url(file.chip) if file.chip else "",
            approval_texts[file.kind] % {"name": file.approved_by},
            "" if file.probability is None else certainty_text % {"number": face_states.certainty(file.probability)},
            reasons.reason(file.earlier) if file.earlier else "",
        )
        for file in files
    ]
