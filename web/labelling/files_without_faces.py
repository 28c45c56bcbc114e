"""Pages for files in which no face was found, where volunteers draw a face or answer about the whole file."""

from typing import Any
from uuid import uuid4

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from database import Connection
from store.detection import files
from store.errors import NotFound, Stale
from store.labelling import answers, question_data
from store.labelling.answers import NewAnswer
from store.labelling.predictions import Question
from store.labelling.question_data import FILES_KINDS, Asked, FilesKind
from web.labelling import answer_forms, captions, drawn_boxes, question_views
from web.site import reasons, urls
from web.site.access import member, user
from web.site.errors import BadInput
from web.site.services import services, transaction
from web.site.text import gettext

bp = Blueprint("files", __name__, url_prefix="/projects/<int:project_id>/files")

PAGE = 24  # files


def _kind() -> FilesKind:
    wanted = request.args.get("kind")
    return next((kind for kind in FILES_KINDS if kind == wanted), "open")


@bp.get("")
def page(project_id: int) -> str:
    """Render one page of the files without a face that are of the kind `kind`, after the page id `after`."""
    kind, after = _kind(), (answer_forms.parse_ids(request.args.get("after"), 1) or [0])[0]
    with transaction() as db:
        project, role = member(db, project_id)
        counts = question_data.faceless_counts(db, project_id)
        found = question_data.faceless(db, project_id, kind, after, PAGE + 1)
    return render_template(
        "labelling/files/page.html",
        project=project,
        role=role,
        kind=kind,
        counts=counts,
        files=found[:PAGE],
        after=found[PAGE - 1].file.page_id if len(found) > PAGE else None,
        first=not after,
        boot=_boot(project_id),
        reason=reasons.reason,
        rendering=urls.rendering,
        file_texts=captions.file_texts,
        draw=urls.pattern("files.draw", "page_id", project_id=project_id, next=request.full_path),
        new_step=lambda: str(uuid4()),
    )


def _boot(project_id: int) -> dict[str, Any]:
    names = {"save": "classify.save", "undo": "classify.undo", "box": "classify.box", "session": "classify.session"}
    addresses = {name: url_for(endpoint, project_id=project_id) for name, endpoint in names.items()}
    return {"user": user().id, "project": project_id, "urls": addresses}


@bp.post("")
def answer(project_id: int) -> Response:
    """Handle the form that is used without JavaScript: save an answer about a file, or run the detector on it again."""
    form = request.form
    page_id = answer_forms.parse_id(form.get("page"))
    if form.get("answer") == "again":
        with transaction() as db:
            member(db, project_id)
            files.search_again(
                db, list(files.get(db, [page_id])) if question_data.whole_files(db, project_id, [page_id]) else []
            )
        flash(gettext("The file is searched again."))
    else:
        step = answer_forms.parse_file_answer(form.get("step"), page_id, form.get("answer"), form.get("sha1"))
        services().database.retry(lambda db: _record(db, project_id, step))
    return redirect(urls.local(form.get("next"), url_for(".page", project_id=project_id)), 303)


def _record(db: Connection, project_id: int, step: list[NewAnswer]) -> None:
    member(db, project_id)
    answers.record(db, project_id, user().id, step)


@bp.get("/<int:page_id>/draw")
def draw(project_id: int, page_id: int) -> str:
    """Render one photograph to draw a bounding box on it; `face`: the face whose box is corrected."""
    with transaction() as db:
        project, role = member(db, project_id)
        one = _asked(db, project_id, page_id)
    question = question_views.question(project, one)
    return render_template(
        "labelling/files/draw.html",
        project=project,
        role=role,
        q=question,
        step=str(uuid4()),
        client_id=str(uuid4()),
        back=_back(project_id),
    )


def _asked(db: Connection, project_id: int, page_id: int) -> Asked:
    face = answer_forms.parse_ids(request.args.get("face"), 1)
    found = question_data.about(db, project_id, [Question(page_id, face[0], "drawn")]) if face else []
    found = found or question_data.about(db, project_id, [Question(page_id, None, "drawn")])
    if not found:
        raise NotFound(f"file {page_id}")
    return found[0]


def _back(project_id: int) -> str:
    return urls.local(request.args.get("next"), url_for(".page", project_id=project_id))


@bp.post("/<int:page_id>/draw")
def save(project_id: int, page_id: int) -> Response:
    """Save a bounding box given in percent of the picture."""
    drawing = answer_forms.parse_drawing_form(page_id, request.form.to_dict())
    try:
        services().database.retry(lambda db: drawn_boxes.record(db, project_id, drawing))
    except Stale as error:
        raise BadInput(drawn_boxes.stale_text(error)) from None
    flash(gettext("The box is saved and counts. A worker reads the face within seconds."), "good")
    return redirect(urls.local(request.form.get("next"), url_for(".page", project_id=project_id)), 303)
