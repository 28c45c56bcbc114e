"""Questions and answers: the page, and the calls that its script makes ahead and behind."""

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
from web.projects.next_step import link
from web.site import urls
from web.site.access import admit, asks_itself, member, user
from web.site.limits import LOOK_UP, limited
from web.site.services import services, transaction
from web.site.text import gettext, ngettext
from wiki import wikidata

bp = Blueprint("classify", __name__, url_prefix="/projects/<int:project_id>")

AHEAD = 8  # questions sent at once
MOST_KNOWN = 400  # faces that a script may name as asked already
HISTORY = 20  # steps sent at once, to undo


class ResultJson(TypedDict):
    """What became of one step; `status`: saved, repeated, stale or missing. `text` says why it was not saved."""

    step: str
    status: str
    text: str
    differs: str | None


class Missing(Exception):
    """A file or face that an answer is about is none of the project's."""


@dataclass(frozen=True)
class Next:
    """What a person is asked next, or why nothing is."""

    questions: list[Asked]
    counts: question_data.AnswerCounts
    none: NoQuestion | None


def _next(db: Connection, project: Project, known: list[int], first: list[Question]) -> Next:
    """The next questions; `first` goes before all others."""
    found = question_data.about(db, project.id, first) if first else []
    found = found or question_data.ask(db, project.id, user().id, AHEAD, known)
    none = None if found else question_data.why_none(db, project.id, user().id)
    return Next(found, question_data.counts(db, project.id, user().id), none)


def _wished() -> list[Question]:
    """The face that the address asks for: one to look at again."""
    pages, wanted = answer_forms.numbers(request.args.get("file"), 1), answer_forms.numbers(request.args.get("face"), 1)
    return [Question(page, face, "") for page, face in zip(pages, wanted, strict=False)]


@bp.get("/classify")
def page(project_id: int) -> str:
    """One question, with all that it takes to answer; the script fetches more ahead."""
    with transaction() as db:
        project, role = member(db, project_id)
        coming = _next(db, project, [], _wished())
        chip, portrait = question_data.reference(db, project_id)
    questions = [question_views.question(project, one) for one in coming.questions]
    return render_template(
        "labelling/classify/page.html",
        project=project,
        role=role,
        question=questions[0] if questions else None,
        questions=questions,
        nothing=coming.none,
        review=link("review.page", project_id),
        counts=coming.counts,
        may_stop=_may_stop(project),
        portrait=urls.chip(project_id, chip) if chip else portrait,
        step=str(uuid4()),
        boot=_boot(project, questions, coming),
    )


def _may_stop(project: Project) -> bool:
    """Whether the model says that hardly anything is left to be found."""
    said_last = model_report.read(project.model_json)
    return said_last is not None and said_last.may_stop


def _boot(project: Project, questions: list[QuestionJson], coming: Next) -> dict[str, Any]:
    """What the script starts with."""
    names = ("questions", "save", "undo", "box", "steps", "people", "session")
    return {
        "user": user().id,
        "project": project.id,
        "label": project.label,
        "questions": questions,
        "counts": coming.counts.__dict__,
        "urls": {name: url_for(f"classify.{name}", project_id=project.id) for name in names}
        | {"face": url_for("classify.face", project_id=project.id, face_id=0)},
    }


@bp.get("/questions.json")
@asks_itself
def questions(project_id: int) -> dict[str, Any]:
    """The next questions but those about the faces in `have`; where none is left, why (HTML)."""
    known = answer_forms.numbers(request.args.get("have"), MOST_KNOWN)
    with transaction() as db:
        project, _ = member(db, project_id)
        coming = _next(db, project, known, [])
    none = coming.none and render_template(
        "labelling/classify/_none.html",
        project=project,
        nothing=coming.none,
        counts=coming.counts,
        review=link("review.page", project_id),
    )
    return {
        "user": user().id,
        "questions": [question_views.question(project, one) for one in coming.questions],
        "counts": coming.counts.__dict__,
        "may_stop": _may_stop(project),
        "none": none,
        "passes": coming.none is not None and coming.none.why in {"searching", "ranking"},
    }


@bp.get("/session.json")
def session(project_id: int) -> dict[str, Any]:
    """Who is signed in, and a new CSRF token: for a page that was open while its session ended."""
    return {"user": user().id, "csrf": generate_csrf()}


@bp.post("/answers")
@asks_itself
def save(project_id: int) -> dict[str, list[ResultJson]]:
    """Save steps of answers, each by itself: one that cannot be saved does not hold up the others."""
    given = answer_forms.steps(request.get_json())
    return {"results": [_save(project_id, step) for step in given]}


def _save(project_id: int, step: list[NewAnswer]) -> ResultJson:
    status, text, differs = "saved", "", None
    try:
        recorded = services().database.retry(lambda db: _record(db, project_id, step))
        status, differs = ("repeated" if recorded.repeated else "saved"), recorded.differs
    except Stale as error:
        status, text = "stale", drawn_boxes.stale_text(error)
    except Missing:
        status, text = (
            "missing",
            gettext("This file is no longer part of the project; the answer about it was not saved."),
        )
    return {"step": step[0].step, "status": status, "text": text, "differs": differs}


def _record(db: Connection, project_id: int, step: list[NewAnswer]) -> answers.Recorded:
    """Within one transaction: who may, and what was said. Raises Missing, Stale, and as `admit`."""
    admit(db, project_id)
    try:
        return answers.record(db, project_id, user().id, step)
    except NotFound as error:
        raise Missing from error


@bp.post("/boxes")
def box(project_id: int) -> dict[str, Any]:
    """Save a box drawn around the person's face, and the answer that it is the person. The encoding follows."""
    drawing = answer_forms.drawing(request.get_json())
    try:
        face_id, repeated = services().database.retry(lambda db: drawn_boxes.record(db, project_id, drawing))
    except Stale as error:
        return {"step": drawing.step, "status": "stale", "text": drawn_boxes.stale_text(error), "face": None}
    return {"step": drawing.step, "status": "repeated" if repeated else "saved", "text": "", "face": face_id}


@bp.get("/faces/<int:face_id>.json")
def face(project_id: int, face_id: int) -> dict[str, str]:
    """Whether a drawn face is encoded by now: waiting, encoded, failed or gone."""
    with transaction() as db:
        member(db, project_id)
        return {"state": question_data.face_state(db, project_id, face_id)}


@bp.post("/undo")
def undo(project_id: int) -> Any:
    """Withdraw a step of the asker's (`step`), or the newest that stands. Saying it again changes nothing."""
    step = _step_of(request.get_json()) if request.is_json else None
    withdrawn = services().database.retry(lambda db: _undo(db, project_id, step))
    if request.is_json:
        return {"withdrawn": len(withdrawn)}
    back = request.form.get("next")
    if not withdrawn:
        flash(gettext("There is nothing left to undo."))
    elif not back:
        first = withdrawn[0]
        return redirect(url_for(".page", project_id=project_id, file=first.page_id, face=first.face_id), 303)
    return redirect(urls.local(back, url_for(".page", project_id=project_id)), 303)


def _step_of(body: Any) -> str | None:
    given = body.get("step") if isinstance(body, dict) else None
    return answer_forms.uuid(given) if given else None


def _undo(db: Connection, project_id: int, step: str | None) -> list[answers.Answer]:
    member(db, project_id)
    if step is None:
        return answers.undo(db, project_id, user().id)
    return answers.withdraw(db, project_id, user().id, step)


@bp.get("/steps.json")
def steps(project_id: int) -> dict[str, Any]:
    """The asker's newest standing steps, newest first, with what each was asked: to be undone. `before`: older than that id."""
    before = answer_forms.numbers(request.args.get("before"), 1)
    with transaction() as db:
        project, _ = member(db, project_id)
        found = question_data.steps(db, project_id, user().id, HISTORY, before[0] if before else None)
        shown = question_data.about(db, project_id, [step.question for step in found])
    by_question = {one.question: question_views.question(project, one) for one in shown}
    return {"steps": [{"step": step.step, "id": step.id, "question": by_question.get(step.question)} for step in found]}


@bp.post("/classify")
def answer(project_id: int) -> Response:
    """A button of the page without a script."""
    form = request.form.to_dict()
    result = _save(
        project_id, answer_forms.of_form(form, answer_forms.numbers(form.get("faces"), answer_forms.MOST_ANSWERS))
    )
    if result["text"]:
        flash(result["text"], "warn")
    if result["differs"]:
        flash(gettext("%(name)s had answered otherwise about this face.", name=result["differs"]))
    return redirect(url_for(".page", project_id=project_id), 303)


@bp.post("/skips")
def clear_skips(project_id: int) -> Response:
    """Let what the asker skipped be asked again in its turn."""
    with transaction() as db:
        member(db, project_id)
        count = answers.clear_skips(db, project_id, user().id)
    flash(ngettext("%(num)d skipped question comes again.", "%(num)d skipped questions come again.", count))
    return redirect(url_for(".page", project_id=project_id), 303)


@bp.get("/people.json")
@limited(LOOK_UP)
def people(project_id: int) -> dict[str, list[dict[str, str]]]:
    """Wikidata items whose name begins with `q`: to say who somebody else is."""
    typed = request.args.get("q", "").strip()
    with transaction() as db:
        member(db, project_id)
    language = str(get_locale())
    hits = wikidata.search(services().wiki, typed, language, limit=6) if typed else []
    labels = {hit.item: {language: hit.label} for hit in hits if hit.label}
    services().database.retry(lambda db: store_people.keep_labels(db, labels, complete=False))
    return {"people": [hit.__dict__ for hit in hits]}
