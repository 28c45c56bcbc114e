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


def _requested_kind() -> FilesKind:
    requested = request.args.get("kind")
    return next((kind for kind in FILES_KINDS if kind == requested), "open")


@bp.get("")
def page(project_id: int) -> str:
    """Render one page of the files without a face that are of the kind `kind`, after the page id `after`."""
    kind, after = _requested_kind(), (answer_forms.parse_ids(request.args.get("after"), 1) or [0])[0]
    with transaction() as db:
        project, role = member(db, project_id)
        counts = question_data.faceless_counts(db, project_id)
        listed = question_data.faceless(db, project_id, kind, after, PAGE + 1)
    return render_template(
        "labelling/files/page.html",
        project=project,
        role=role,
        kind=kind,
        counts=counts,
        files=listed[:PAGE],
        after=listed[PAGE - 1].file.page_id if len(listed) > PAGE else None,
        first=not after,
        boot=_boot_data(project_id),
        reason=reasons.reason,
        rendering=urls.rendering,
        file_texts=captions.file_texts,
        draw=urls.url_pattern("files.draw", "page_id", project_id=project_id, next=request.full_path),
        new_step=lambda: str(uuid4()),
    )


def _boot_data(project_id: int) -> dict[str, Any]:
    names = {"save": "classify.save", "undo": "classify.undo", "box": "classify.box", "session": "classify.session"}
    urls_by_name = {name: url_for(endpoint, project_id=project_id) for name, endpoint in names.items()}
    return {"user": user().id, "project": project_id, "urls": urls_by_name}


@bp.post("")
def answer(project_id: int) -> Response:
    """Handle the form that is used without JavaScript: save an answer about a file, or run the detector on it again."""
    form = request.form
    page_id = answer_forms.parse_id(form.get("page"))
    if form.get("answer") == "again":
        services().database.retry(lambda db: _search_again(db, project_id, page_id))
        flash(gettext("The file is searched again."))
    else:
        step = answer_forms.parse_file_answer(form.get("step"), page_id, form.get("answer"), form.get("sha1"))
        services().database.retry(lambda db: _record(db, project_id, step))
    return redirect(urls.local_target(form.get("next"), url_for(".page", project_id=project_id)), 303)


def _search_again(db: Connection, project_id: int, page_id: int) -> None:
    member(db, project_id)
    files.search_again(
        db, list(files.get(db, [page_id])) if question_data.whole_files(db, project_id, [page_id]) else []
    )


def _record(db: Connection, project_id: int, step: list[NewAnswer]) -> None:
    member(db, project_id)
    answers.record(db, project_id, user().id, step)


@bp.get("/<int:page_id>/draw")
def draw(project_id: int, page_id: int) -> str:
    """Render one photograph to draw a bounding box on it; `face`: the face whose box is corrected."""
    with transaction() as db:
        project, role = member(db, project_id)
        asked = _load_question(db, project_id, page_id)
    question = question_views.question(project, asked)
    return render_template(
        "labelling/files/draw.html",
        project=project,
        role=role,
        q=question,
        step=str(uuid4()),
        client_id=str(uuid4()),
        back=_return_url(project_id),
    )


def _load_question(db: Connection, project_id: int, page_id: int) -> Asked:
    face_ids = answer_forms.parse_ids(request.args.get("face"), 1)
    questions = question_data.about(db, project_id, [Question(page_id, face_ids[0], "drawn")]) if face_ids else []
    questions = questions or question_data.about(db, project_id, [Question(page_id, None, "drawn")])
    if not questions:
        raise NotFound(f"file {page_id}")
    return questions[0]


def _return_url(project_id: int) -> str:
    return urls.local_target(request.args.get("next"), url_for(".page", project_id=project_id))


@bp.post("/<int:page_id>/draw")
def save(project_id: int, page_id: int) -> Response:
    """Save a bounding box given in percent of the picture."""
    drawing = answer_forms.parse_drawing_form(page_id, request.form.to_dict())
    try:
        services().database.retry(lambda db: drawn_boxes.record(db, project_id, drawing))
    except Stale as error:
        raise BadInput(drawn_boxes.stale_text(error)) from None
    flash(gettext("The box is saved and counts. A worker reads the face within seconds."), "good")
    return redirect(urls.local_target(request.form.get("next"), url_for(".page", project_id=project_id)), 303)
