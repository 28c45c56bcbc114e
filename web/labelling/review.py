"""The review page: a grid of faces filtered by state, in which suggestions are approved and answers corrected."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4, uuid5

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from database import Connection
from store.errors import NotFound, Stale
from store.labelling import answers, approvals, question_data, review
from store.labelling.answers import NewAnswer
from store.labelling.predictions import Question
from store.labelling.review import Matches, Place, ReviewFace, Show
from store.projects.projects import Project, Role
from web.labelling import answer_forms, face_states, list_parameters, question_views
from web.labelling.list_parameters import View
from web.labelling.list_rows import cells
from web.projects import cached_counts, model_report
from web.projects.next_step import project_url
from web.site import urls
from web.site.access import member, user
from web.site.errors import BadInput, wants_json
from web.site.services import services, transaction
from web.site.text import gettext, ngettext

bp = Blueprint("review", __name__, url_prefix="/projects/<int:project_id>")

PAGE = 72  # faces; fills whole rows of 2, 3, 4, 6, 8, 9 and 12 columns
FACES_PER_RESPONSE = 500  # faces per response of review.json
SUGGESTED: tuple[Show, ...] = ("matches", "approved", "unsure", "non_matches")  # filters of faces that the model judged
Answer = Response | dict[str, Any]


@dataclass(frozen=True)
class ReviewPage:
    """The data of one page of the review; `seen`: the time at which it was read, in ISO format."""

    project: Project
    role: Role
    view: View
    pages: int
    counts: dict[Show, int]
    matches: Matches
    faces: list[ReviewFace]
    seen: str


def _load_page(db: Connection, project_id: int) -> ReviewPage:
    """Load the page of the review that the URL requests, or the last page if the number is too high."""
    view = list_parameters.parse_view()
    project, role = member(db, project_id)
    settled_suggestions = review.settled(db, project_id, _last_answer(project))
    counts = review.counts(db, project_id, settled_suggestions, cached_counts.prediction_counts(db, project))
    pages = max(1, -(-counts.faces[view.show] // PAGE))
    view = View(view.show, view.sort, min(view.page, pages))
    face_ids = review.ids(db, project_id, view.show, view.sort, PAGE, (view.page - 1) * PAGE, settled_suggestions)
    return ReviewPage(
        project,
        role,
        view,
        pages,
        counts.faces,
        counts.matches,
        review.faces(db, project_id, face_ids),
        review.now(db).isoformat(),
    )


def _last_answer(project: Project) -> int:
    """Return the id of the newest answer that the last run of the model used; 0 before the first run."""
    report: dict[str, Any] = json.loads(project.model_json) if project.model_json else {}
    return int(report.get("answers", {}).get("last", 0))


def _render_grid(review_page: ReviewPage) -> str:
    current_url = _current_url(review_page)
    return render_template(
        "labelling/review/_grid.html", project=review_page.project, role=review_page.role, review_page=review_page,
        cells=cells(review_page.project.id, review_page.faces, current_url), current_url=current_url,
        send_url=project_url("publishing.page", review_page.project.id),
        actions=face_states.actions(review_page.view.show), note=_note(review_page),
        no_faces_text=face_states.no_faces_text(review_page.view.show), expected_wrong_text=face_states.expected_wrong_text,
    )  # fmt: skip


def _note(review_page: ReviewPage) -> str:
    """Return what to know of the model's suggestions, where the page shows any."""
    return model_report.note_of(review_page.project.model_json) if review_page.view.show in SUGGESTED else ""


def _current_url(review_page: ReviewPage) -> str:
    return url_for("review.page", project_id=review_page.project.id, **review_page.view.query())


@bp.get("/review")
def page(project_id: int) -> str:
    """Render the review page with its filters."""
    with transaction() as db:
        review_page = _load_page(db, project_id)
    return render_template(
        "labelling/review/page.html",
        project=review_page.project,
        role=review_page.role,
        review_page=review_page,
        grid=_render_grid(review_page),
        boot=_boot_data(project_id),
    )


def _boot_data(project_id: int) -> dict[str, str]:
    names = ("grid", "approve", "withdraw", "reject", "not_face", "confirm", "prominent")
    urls_by_name = {name: url_for(f"review.{name}", project_id=project_id) for name in names}
    return urls_by_name | {"undo": url_for("classify.undo", project_id=project_id)}


@bp.get("/review/grid")
def grid(project_id: int) -> dict[str, Any]:
    """Return the grid as HTML for the page's script."""
    with transaction() as db:
        review_page = _load_page(db, project_id)
    return {"html": _render_grid(review_page), "url": _current_url(review_page)}


@bp.get("/review.json")
def listed(project_id: int) -> dict[str, Any]:
    """Return all faces visible to the project, at most FACES_PER_RESPONSE per request.

    `next` is the value of the parameter `after` for the following request, null at the end.
    """
    page_id, face_id, *_ = *answer_forms.parse_ids(request.args.get("after"), 2), 0, 0
    with transaction() as db:
        member(db, project_id)
        faces, next_place = review.everything(db, project_id, Place(page_id, face_id), FACES_PER_RESPONSE)
    return {"faces": faces, "next": next_place and ",".join(map(str, next_place))}


@bp.get("/review/faces/<int:face_id>")
def face(project_id: int, face_id: int) -> str:
    """Render one face in its whole picture; with `part=1` only the fragment that the script inserts."""
    with transaction() as db:
        project, role = member(db, project_id)
        faces = review.faces(db, project_id, [face_id])
        questions = question_data.about(db, project_id, [Question(one.page_id, one.face_id, "") for one in faces])
    if not questions:
        raise NotFound(f"face {face_id}")
    template = "labelling/review/_face.html" if request.args.get("part") else "labelling/review/face.html"
    return render_template(
        template, project=project, role=role, face=faces[0], q=question_views.question(project, questions[0]),
        back=_return_url(project_id), face_state=face_states.face_state, certainty=face_states.certainty,
    )  # fmt: skip


def _return_url(project_id: int) -> str:
    target = request.args.get("next") or request.form.get("next")
    return urls.local_target(target, url_for(".page", project_id=project_id))


def _action_response(project_id: int, message: str, **answer: Any) -> Answer:
    """Return JSON for a script; otherwise show the text and redirect back to the page."""
    if wants_json():
        return {**answer, "text": message}
    flash(message, "good")
    return redirect(_return_url(project_id), 303)


@bp.post("/review/approve")
def approve(project_id: int) -> Answer:
    """Approve faces, or all matches not approved yet: their files may be written. This does not train the model."""
    fields = list_parameters.parse_body()
    approve_all = list_parameters.parse_boolean(fields.get("all"))
    if approve_all and fields.get("show") != "matches":
        raise BadInput(gettext("Only matches can be approved all at once."))
    faces = [] if approve_all else list_parameters.parse_nonempty_selection(fields.get("faces"))
    step = _step_id(fields)
    count = services().database.retry(lambda db: _approve(db, project_id, faces, fields, step))
    text = ngettext("%(num)d match approved.", "%(num)d matches approved.", count)
    return _action_response(project_id, text, approved=count, step=step)


def _step_id(fields: dict[str, Any]) -> str:
    """Return the id of the step, as made by the client or else a new one. Raises BadInput."""
    return answer_forms.parse_uuid(fields["step"]) if fields.get("step") else str(uuid4())


def _approve(db: Connection, project_id: int, faces: Sequence[int], fields: dict[str, Any], step: str) -> int:
    project, _ = member(db, project_id)
    if not faces:
        _check_unchanged(db, project, fields)
        faces = review.ids(db, project_id, "matches", "certainty", 1_000_000)
    seen = list_parameters.parse_time(fields.get("seen"))
    return approvals.approve_bulk(db, project_id, user().id, faces, step, seen)


def _check_unchanged(db: Connection, project: Project, fields: dict[str, Any]) -> None:
    """Raise Stale if the model has run since the page was rendered and the number of matches differs.

    The user then has to look again before they approve all matches.
    """
    if "count" not in fields or str(fields.get("run")) == str(project.model_run):
        return
    if str(review.matches(db, project.id).faces) != str(fields["count"]):
        raise Stale("matches")


@bp.post("/review/withdraw")
def withdraw(project_id: int) -> Answer:
    """Withdraw bulk approvals of faces or of a `step`, and cancel the waiting edits that depend on them."""
    fields = list_parameters.parse_body()
    step = answer_forms.parse_uuid(fields["step"]) if fields.get("step") and not fields.get("faces") else None
    faces = [] if step else list_parameters.parse_nonempty_selection(fields.get("faces"))

    def work(db: Connection) -> int:
        member(db, project_id)
        if step:
            return approvals.withdraw_step(db, project_id, user().id, step)
        return approvals.withdraw_bulk(db, project_id, faces)

    count = services().database.retry(work)
    text = ngettext("%(num)d approval taken back.", "%(num)d approvals taken back.", count)
    return _action_response(project_id, text, withdrawn=count)


@bp.post("/review/reject")
def reject(project_id: int) -> Answer:
    """Answer that faces are of other people; all these answers are one step and can be undone together."""
    step, count = _answer_faces(project_id, list_parameters.parse_body(), "other")
    text = ngettext("%(num)d face rejected.", "%(num)d faces rejected.", count)
    return _action_response(project_id, text, rejected=count, step=step)


@bp.post("/review/not-face")
def not_face(project_id: int) -> Answer:
    """Answer that the selected detections are not faces."""
    step, count = _answer_faces(project_id, list_parameters.parse_body(), "not_face")
    text = ngettext("%(num)d is not a face.", "%(num)d are not faces.", count)
    return _action_response(project_id, text, rejected=count, step=step)


@bp.post("/review/confirm")
def confirm(project_id: int) -> Answer:
    """Answer that faces are of the person, each checked by a human: the model learns, and the files may be written."""
    step, count = _answer_faces(project_id, list_parameters.parse_body(), "target")
    text = ngettext("%(num)d face confirmed.", "%(num)d faces confirmed.", count)
    return _action_response(project_id, text, confirmed=count, step=step)


def _answer_faces(
    project_id: int, fields: dict[str, Any], answer: Literal["target", "other", "not_face"]
) -> tuple[str, int]:
    """Record the same answer about several faces as one step; return the step's id and the number of answers."""
    faces = list_parameters.parse_nonempty_selection(fields.get("faces"))
    if len(faces) > answer_forms.MOST_ANSWERS:
        raise BadInput(gettext("At most %(most)d can be chosen at once.", most=answer_forms.MOST_ANSWERS))
    step = _step_id(fields)

    def work(db: Connection) -> int:
        member(db, project_id)
        pages = review.pages_of(db, project_id, faces, list_parameters.parse_time(fields.get("seen")))
        new_answers = [
            NewAnswer(str(uuid5(UUID(step), str(face_id))), step, pages[face_id], face_id, answer, reason="review")
            for face_id in faces
            if face_id in pages
        ]
        if new_answers:
            answers.record(db, project_id, user().id, new_answers)
        return len(new_answers)

    return step, services().database.retry(work)


@bp.post("/review/prominent")
def prominent(project_id: int) -> Answer:
    """Mark approved files as prominent (`on` 1), so that they are written with preferred rank, or remove the mark."""
    fields = list_parameters.parse_body()
    faces, on = (
        list_parameters.parse_nonempty_selection(fields.get("faces")),
        list_parameters.parse_boolean(fields.get("on", 1)),
    )

    def work(db: Connection) -> int:
        member(db, project_id)
        pages = review.pages_of(db, project_id, faces)
        return approvals.set_prominent(db, project_id, sorted(set(pages.values())), on)

    count = services().database.retry(work)
    if on:
        text = ngettext("%(num)d file marked as prominent.", "%(num)d files marked as prominent.", count)
    else:
        text = ngettext("%(num)d file is no longer prominent.", "%(num)d files are no longer prominent.", count)
    return _action_response(project_id, text, changed=count)
