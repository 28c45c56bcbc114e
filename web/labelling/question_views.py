"""Questions as pages and scripts display them: URLs, coordinates and texts in the user's language."""

from collections.abc import Sequence
from typing import TypedDict

from flask_babel import get_locale

from boxes import Box
from store.detection.depicted_items import Named
from store.detection.files import File
from store.labelling.question_data import Asked, AskedFace
from store.projects.projects import Project
from web.labelling.ages import age
from web.labelling.captions import FileTexts, file_texts
from web.site import urls
from web.site.text import gettext, lazy_gettext, ngettext

MARGIN = 1.6  # side of the displayed crop divided by the longer side of the bounding box

_REASON_TEXTS = {
    "named": lazy_gettext("Somebody said in another project that this is them."),
    "first": lazy_gettext("One of the first: nothing is known yet."),
    "alike": lazy_gettext("Looks most like the faces known so far."),
    "unsure": lazy_gettext("The model is unsure."),
    "unseen": lazy_gettext("Unlike any face answered so far."),
    "spot_check": lazy_gettext("Spot check: the model has decided, a human looks."),
    "mistaken": lazy_gettext("Does not fit the other answers: please look again."),
    "skipped": lazy_gettext("You skipped it before."),
}


class FaceJson(TypedDict):
    """A face of the photograph.

    `box`: left, top, width and height in fractions of the picture. `n`: its number, counted from the left from 1.
    """

    id: int
    n: int
    box: tuple[float, float, float, float]
    label: str | None
    state: str


class PersonJson(TypedDict):
    """Another person in the photograph; `label`: in the user's language, else English, else any, else the item."""

    item: str
    label: str
    url: str
    hint: str


class QuestionJson(FileTexts):
    """One question; `face` is None if it is about the whole file. `why` is the sentence for the key `reason`."""

    page: int
    face: int | None
    reason: str
    why: str
    sha1: str | None
    title: str
    file_url: str
    photo: str | None
    width: int
    height: int
    taken: str
    age: str
    stated: str
    others: list[PersonJson]
    faces: list[FaceJson]
    crop: str
    similar: list[str]


def question(project: Project, asked: Asked) -> QuestionJson:
    """Return everything that is displayed for a question."""
    file = asked.file
    width, height = display_size(file)
    displayed_faces = [face for face in asked.faces if face.label != "not_face" or face.id == asked.question.face_id]
    return {
        "page": file.page_id,
        "face": asked.question.face_id,
        "reason": asked.question.reason,
        "why": reason_text(asked.question.reason),
        "sha1": file.sha1,
        "title": file.title,
        "file_url": urls.file_page(file.title),
        "photo": file.thumb_url,
        "width": width,
        "height": height,
        **file_texts(file),
        "taken": file.taken_on or "",
        "age": age_text(project, file),
        "stated": gettext("Commons states %(label)s here.", label=project.label) if asked.stated else "",
        "others": [_person_json(named) for named in asked.others],
        "faces": _faces_json(displayed_faces),
        "crop": crop_view_box(asked, width, height),
        "similar": [urls.chip_url(project.id, chip) for chip in asked.similar],
    }


def display_size(file: File) -> tuple[int, int]:
    """Return a width and height with the aspect ratio of the picture; 960 x 720 if its size is unknown."""
    if file.searched_width and file.searched_height:
        return file.searched_width, file.searched_height
    return (file.width, file.height) if file.width and file.height else (960, 720)


def crop_view_box(asked: Asked, width: int, height: int) -> str:
    """Return a square around the face in question as an SVG viewBox, in pixels of the picture.

    Its side is MARGIN times the longer side of the bounding box.
    """
    box = next((face.box for face in asked.faces if face.id == asked.question.face_id), Box(0, 0, 1, 1))
    side = max(box.width * width, box.height * height) * MARGIN
    left = (box.left + box.width / 2) * width - side / 2
    top = (box.top + box.height / 2) * height - side / 2
    return f"{left:.1f} {top:.1f} {side:.1f} {side:.1f}"


def _person_json(named: Named) -> PersonJson:
    label = (
        named.labels.get(str(get_locale())) or named.labels.get("en") or next(iter(named.labels.values()), named.item)
    )
    hint = gettext("stated on Commons") if named.stated else gettext("said here")
    return {"item": named.item, "label": label, "url": urls.item_page(named.item), "hint": hint}


def _faces_json(faces: Sequence[AskedFace]) -> list[FaceJson]:
    return [
        {
            "id": face.id,
            "n": place,
            "box": (face.box.left, face.box.top, face.box.width, face.box.height),
            "label": face.label if face.source in {"human", "implied"} else None,
            "state": _answer_text(face),
        }
        for place, face in enumerate(faces, start=1)
    ]


def _answer_text(face: AskedFace) -> str:
    if face.source != "human" or not face.label:
        return ""
    name = face.said_by or ""
    if face.label == "target":
        return gettext("confirmed by %(name)s", name=name)
    if face.label == "other":
        return gettext("somebody else, says %(name)s", name=name)
    if face.label == "unsure":
        return gettext("%(name)s was unsure", name=name)
    return gettext("not a face, says %(name)s", name=name)


def reason_text(reason: str) -> str:
    """Return the sentence that explains why a question is asked, or "" for reasons without one."""
    return str(_REASON_TEXTS.get(reason, ""))


def age_text(project: Project, file: File) -> str:
    """Return the person's age in the picture in words, or "" if it is unknown or spans more than 30 years."""
    age_range = age(project.born, project.died, file.taken_on)
    if age_range is None or age_range.high - age_range.low > 30:
        return ""
    if age_range.after_death:
        return gettext("after the person's death")
    if age_range.high < 0:
        return gettext("before the person's birth")
    if age_range.low == age_range.high:
        return ngettext("aged %(num)d", "aged %(num)d", age_range.high)
    return gettext("aged %(low)s to %(high)s", low=max(0, age_range.low), high=age_range.high)
