"""The question page, and the endpoints that its script uses to prefetch questions and save answers."""

from dataclasses import dataclass
from typing import Any, TypedDict
from uuid import uuid4

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import get_locale
from flask_wtf.csrf import generate_csrf
from werkzeug.wrappers import Response

from database import Connection
from store.detection import depicted_items as store_people
from store.errors import NotFound, Stale
from store.labelling import answers, question_data
from store.labelling.answers import NewAnswer
from store.labelling.predictions import Question
from store.labelling.question_data import Asked, NoQuestion
from store.projects.projects import Project
from web.labelling import answer_forms, drawn_boxes, question_views
from web.labelling.question_views import QuestionJson
from web.projects import model_report
from web.projects.next_step import project_url
from web.site import urls
from web.site.access import check_membership, checks_access_itself, member, user
from web.site.limits import LOOK_UP, rate_limited
from web.site.services import services, transaction
from web.site.text import gettext, ngettext
from wiki import wikidata

bp = Blueprint("classify", __name__, url_prefix="/projects/<int:project_id>")

QUESTIONS_AHEAD = 8  # questions per response
MOST_EXCLUDED = 400  # faces that the script may list as already asked
STEPS_PER_RESPONSE = 20  # steps per response that can be undone


class ResultJson(TypedDict):
    """Result of saving one step.

    `status`: saved, repeated, stale or missing. `text`: why the step was not saved, else empty.
    `differs`: the name of a volunteer who had answered differently.
    """

    step: str
    status: str
    text: str
    differs: str | None


class NotInProject(Exception):
    """An answer refers to a file or face that does not belong to the project."""


@dataclass(frozen=True)
class NextQuestions:
    """The next questions for a volunteer, or the reason why there are none."""

    questions: list[Asked]
    counts: question_data.AnswerCounts
    no_question: NoQuestion | None


def _next_questions(
    db: Connection, project: Project, excluded_faces: list[int], requested: list[Question]
) -> NextQuestions:
    """Return `requested` if they are still valid, else the next in the ranking except those about `excluded_faces`."""
    asked = question_data.about(db, project.id, requested) if requested else []
    asked = asked or question_data.ask(db, project.id, user().id, QUESTIONS_AHEAD, excluded_faces)
    no_question = None if asked else question_data.why_none(db, project.id, user().id)
    return NextQuestions(asked, question_data.counts(db, project.id, user().id), no_question)


def _requested_questions() -> list[Question]:
    """Return the question that the URL requests by `file` and `face`, to answer it again."""
    page_ids = answer_forms.parse_ids(request.args.get("file"), 1)
    face_ids = answer_forms.parse_ids(request.args.get("face"), 1)
    return [Question(page_id, face_id, "") for page_id, face_id in zip(page_ids, face_ids, strict=False)]


@bp.get("/classify")
def page(project_id: int) -> str:
    """Render one question with everything needed to answer it; the script prefetches more."""
    with transaction() as db:
        project, role = member(db, project_id)
        upcoming = _next_questions(db, project, [], _requested_questions())
        chip, portrait = question_data.reference(db, project_id)
    questions = [question_views.question(project, one) for one in upcoming.questions]
    return render_template(
        "labelling/classify/page.html",
        project=project,
        role=role,
        question=questions[0] if questions else None,
        questions=questions,
        no_question=upcoming.no_question,
        review=project_url("review.page", project_id),
        counts=upcoming.counts,
        may_stop=_may_stop(project),
        note=model_report.note_of(project.model_json),
        missed_files=_missed_files(project, upcoming),
        portrait=urls.chip_url(project_id, chip) if chip else portrait,
        step=str(uuid4()),
        boot=_boot_data(project, questions, upcoming),
    )


def _may_stop(project: Project) -> bool:
    """Return whether the last run of the model reported that hardly any matches remain to be found."""
    report = model_report.parse_report(project.model_json)
    return report is not None and report.may_stop


def _missed_files(project: Project, upcoming: NextQuestions) -> int:
    """Return the number of files in which the person's face may have been missed; 0 while there are questions."""
    report = model_report.parse_report(project.model_json)
    return report.missed_files(upcoming.no_question.faceless) if report and upcoming.no_question else 0


def _boot_data(project: Project, questions: list[QuestionJson], upcoming: NextQuestions) -> dict[str, Any]:
    """Return the data that the page's script starts with."""
    names = ("questions", "save", "undo", "box", "steps", "people", "session")
    return {
        "user": user().id,
        "project": project.id,
        "label": project.label,
        "questions": questions,
        "counts": upcoming.counts.__dict__,
        "urls": {name: url_for(f"classify.{name}", project_id=project.id) for name in names}
        | {"face": url_for("classify.face", project_id=project.id, face_id=0)},
    }


@bp.get("/questions.json")
@checks_access_itself
def questions(project_id: int) -> dict[str, Any]:
    """Return the next questions except those about the faces in `have`.

    `note` is what to know of the model's suggestions. If none is left, `none` is the explanation as HTML, and `passes` says
    whether questions may come without any answer.
    """
    excluded_faces = answer_forms.parse_ids(request.args.get("have"), MOST_EXCLUDED)
    with transaction() as db:
        project, _ = member(db, project_id)
        upcoming = _next_questions(db, project, excluded_faces, [])
    none_html = upcoming.no_question and render_template(
        "labelling/classify/_none.html",
        project=project,
        no_question=upcoming.no_question,
        counts=upcoming.counts,
        missed_files=_missed_files(project, upcoming),
        review=project_url("review.page", project_id),
    )
    return {
        "user": user().id,
        "questions": [question_views.question(project, one) for one in upcoming.questions],
        "counts": upcoming.counts.__dict__,
        "may_stop": _may_stop(project),
        "note": model_report.note_of(project.model_json),
        "none": none_html,
        "passes": upcoming.no_question is not None and upcoming.no_question.why in {"searching", "ranking"},
    }


@bp.get("/session.json")
def session(project_id: int) -> dict[str, Any]:
    """Return the signed-in user and a new CSRF token, for a page that stayed open after its session ended."""
    return {"user": user().id, "csrf": generate_csrf()}


@bp.post("/answers")
@checks_access_itself
def save(project_id: int) -> dict[str, list[ResultJson]]:
    """Save steps of answers, each in its own transaction, so that one failing step does not block the others."""
    parsed_steps = answer_forms.parse_steps(request.get_json())
    return {"results": [_save(project_id, step) for step in parsed_steps]}


def _save(project_id: int, step: list[NewAnswer]) -> ResultJson:
    status, text, differs = "saved", "", None
    try:
        recorded = services().database.retry(lambda db: _record(db, project_id, step))
        status, differs = ("repeated" if recorded.repeated else "saved"), recorded.differs
    except Stale as error:
        status, text = "stale", drawn_boxes.stale_text(error)
    except NotInProject:
        status, text = (
            "missing",
            gettext("This file is no longer part of the project; the answer about it was not saved."),
        )
    return {"step": step[0].step, "status": status, "text": text, "differs": differs}


def _record(db: Connection, project_id: int, step: list[NewAnswer]) -> answers.Recorded:
    """Check membership and record a step in one transaction.

    Raises NotInProject, Stale, and the errors of `check_membership`.
    """
    check_membership(db, project_id)
    try:
        return answers.record(db, project_id, user().id, step)
    except NotFound as error:
        raise NotInProject from error


@bp.post("/boxes")
def box(project_id: int) -> dict[str, Any]:
    """Save a drawn bounding box and the answer that it shows the person; a worker computes the encoding later."""
    drawing = answer_forms.parse_drawing(request.get_json())
    try:
        face_id, repeated = services().database.retry(lambda db: drawn_boxes.record(db, project_id, drawing))
    except Stale as error:
        return {"step": drawing.step, "status": "stale", "text": drawn_boxes.stale_text(error), "face": None}
    return {"step": drawing.step, "status": "repeated" if repeated else "saved", "text": "", "face": face_id}


@bp.get("/faces/<int:face_id>.json")
def face(project_id: int, face_id: int) -> dict[str, str]:
    """Return the encoding state of a drawn face: waiting, encoded, failed or gone."""
    with transaction() as db:
        member(db, project_id)
        return {"state": question_data.face_state(db, project_id, face_id)}


@bp.post("/undo")
def undo(project_id: int) -> Any:
    """Withdraw the user's step `step`, or else their newest valid one; repeating it for a `step` changes nothing."""
    step = _parse_step_id(request.get_json()) if request.is_json else None
    withdrawn = services().database.retry(lambda db: _undo(db, project_id, step))
    if request.is_json:
        return {"withdrawn": len(withdrawn)}
    return_url = request.form.get("next")
    if not withdrawn:
        flash(gettext("There is nothing left to undo."))
    elif not return_url:
        first = withdrawn[0]
        return redirect(url_for(".page", project_id=project_id, file=first.page_id, face=first.face_id), 303)
    return redirect(urls.local_target(return_url, url_for(".page", project_id=project_id)), 303)


def _parse_step_id(body: Any) -> str | None:
    step = body.get("step") if isinstance(body, dict) else None
    return answer_forms.parse_uuid(step) if step else None


def _undo(db: Connection, project_id: int, step: str | None) -> list[answers.Answer]:
    member(db, project_id)
    if step is None:
        return answers.undo(db, project_id, user().id)
    return answers.withdraw(db, project_id, user().id, step)


@bp.get("/steps.json")
def steps(project_id: int) -> dict[str, Any]:
    """Return the user's valid steps with their questions, newest first, so that they can be undone.

    `before`: return only steps older than this id.
    """
    before_ids = answer_forms.parse_ids(request.args.get("before"), 1)
    with transaction() as db:
        project, _ = member(db, project_id)
        valid_steps = question_data.steps(
            db, project_id, user().id, STEPS_PER_RESPONSE, before_ids[0] if before_ids else None
        )
        asked_questions = question_data.about(db, project_id, [step.question for step in valid_steps])
    by_question = {one.question: question_views.question(project, one) for one in asked_questions}
    return {
        "steps": [
            {"step": step.step, "id": step.id, "question": by_question.get(step.question)} for step in valid_steps
        ]
    }


@bp.post("/classify")
def answer(project_id: int) -> Response:
    """Save the answer submitted by the form that is used without JavaScript."""
    form = request.form.to_dict()
    face_ids = answer_forms.parse_ids(form.get("faces"), answer_forms.MOST_ANSWERS)
    result = _save(project_id, answer_forms.parse_answer_form(form, face_ids))
    if result["text"]:
        flash(result["text"], "warn")
    if result["differs"]:
        flash(gettext("%(name)s had answered otherwise about this face.", name=result["differs"]))
    return redirect(url_for(".page", project_id=project_id), 303)


@bp.post("/skips")
def clear_skips(project_id: int) -> Response:
    """Make the questions that the user skipped available again, in their usual order."""

    def work(db: Connection) -> int:
        member(db, project_id)
        return answers.clear_skips(db, project_id, user().id)

    count = services().database.retry(work)
    flash(ngettext("%(num)d skipped question comes again.", "%(num)d skipped questions come again.", count))
    return redirect(url_for(".page", project_id=project_id), 303)


@bp.get("/people.json")
@rate_limited(LOOK_UP)
def people(project_id: int) -> dict[str, list[dict[str, str]]]:
    """Return Wikidata items whose name begins with `q`, to identify another person in the picture."""
    typed = request.args.get("q", "").strip()
    with transaction() as db:
        member(db, project_id)
    language = str(get_locale())
    hits = wikidata.search(services().wiki, typed, language, limit=6) if typed else []
    labels = {hit.item: {language: hit.label} for hit in hits if hit.label}
    services().database.retry(lambda db: store_people.keep_labels(db, labels, complete=False))
    return {"people": [hit.__dict__ for hit in hits]}
