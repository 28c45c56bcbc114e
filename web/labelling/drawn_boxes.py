"""Saving of hand-drawn bounding boxes, and the messages for answers that arrive too late."""

from database import Connection
from store.detection import faces
from store.errors import Stale
from store.labelling import answers
from store.labelling.answers import NewAnswer
from web.labelling.answer_forms import Drawing
from web.site.access import member, user
from web.site.text import gettext


def record(db: Connection, project_id: int, drawing: Drawing) -> tuple[int, bool]:
    """Store the box together with the answer that it shows the person.

    The answer counts at once; a worker computes the encoding later. Returns the face id, and whether an earlier
    request for the same step had already stored the box. The file is locked before that is looked up: of two requests at
    once, one stores the box and the other sees it. Raises NotFound and Stale.
    """
    member(db, project_id)
    answers.lock(db, project_id, [drawing.page_id])
    earlier = answers.drawn(db, project_id, user().id, drawing.client_id, drawing.step)
    if earlier is not None:
        return earlier, True
    face_id = faces.draw(
        db, project_id, drawing.page_id, user().id, drawing.box, replaces=drawing.replaces, sha1=drawing.sha1
    )
    answer = NewAnswer(
        drawing.client_id, drawing.step, drawing.page_id, face_id, "target", reason="drawn", sha1=drawing.sha1
    )
    answers.record(db, project_id, user().id, [answer])
    return face_id, False


def stale_text(error: Stale) -> str:
    """Explain why an answer or a box was not saved, and what to do next."""
    texts = {
        "gone": gettext("The face was drawn anew or is not found any more; the answer about it was not saved."),
        "box": gettext("The box lies outside the picture or is too small to hold a face. Draw it again."),
        "face": gettext("The face whose box you corrected has changed meanwhile. Draw it again."),
    }
    return texts.get(error.reason, gettext("This has changed meanwhile; the answer was not saved."))
