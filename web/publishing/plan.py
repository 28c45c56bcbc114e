"""Pages for the plan of edits, sending it, the history of batches, removals and the audit."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for

from database import Connection
from store.labelling import audit, review
from store.projects import merges
from store.projects.projects import Project
from store.publishing import batches, plans
from store.publishing import positions as bare_statements
from web.labelling import face_states, list_parameters, list_rows
from web.projects import cached_counts, model_report
from web.publishing import batch_texts, send_access
from web.publishing.send_access import SignInExpired
from web.site import reasons, urls
from web.site.access import member, owner, user
from web.site.errors import wants_json
from web.site.services import services, transaction
from web.site.text import gettext, ngettext
from wiki import depicts

bp = Blueprint("publishing", __name__, url_prefix="/projects/<int:project_id>")

bp.register_error_handler(SignInExpired, send_access.sign_in_expired)

PAGE = 60
VERDICTS = ("send", "open", "sent", "stated", "undone", "reverted", "overwritten", "protected", "redirect", "gone")
BATCHES = 30
Answer = Any


def _page_number() -> int:
    return max(1, min(request.args.get("page", 1, type=int), 1_000_000))


@bp.get("/send")
def page(project_id: int) -> str:
    """Render the plan: what would be written, and what is skipped and why. Nothing is sent."""
    verdict = next((name for name in VERDICTS if name == request.args.get("show")), "send")
    with transaction() as db:
        project, role = member(db, project_id)
        plan = plans.plan(db, project_id, verdict, PAGE, _page_number())
        open_batches = [
            batch for batch in batches.of_project(db, project_id, 5) if batch.state in {"running", "paused"}
        ]
        removals = len(plans.removal_offers(db, project_id))
        doubted_files = cached_counts.doubted_file_count(db, project)
        without_position = bare_statements.count(db, project_id)
        merged_items = sorted(merges.names(db, project.item) - {project.item})
    return render_template(
        "publishing/page.html", project=project, role=role, summary=plan.summary, verdict=verdict, verdicts=VERDICTS,
        rows=list_rows.plan_rows(project_id, plan.files), page=plan.page, pages=plan.pages, open_batches=open_batches,
        removals=removals, doubted_files=doubted_files, without_position=without_position, merged_items=merged_items,
        texts=batch_texts, edit_summary=_edit_summary(project), note=model_report.note_of(project.model_json),
        expected_wrong_text=face_states.expected_wrong_text,
    )  # fmt: skip


def _edit_summary(project: Project) -> str:
    """Return a preview of the edit summary; the batch number is only assigned when the batch is sent."""
    return depicts.summary(depicts.summary_words("add", project.item, project.label), "…")


@bp.post("/send")
def send(project_id: int) -> Answer:
    """Send the plan as one batch; submitting the form twice still creates only one."""
    send_access.check_sign_in(project_id)
    batch_id = services().database.retry(lambda db: plans.send(db, project_id, user().id))
    if batch_id is None and not wants_json():
        batch_id = _running_batch_of_user(project_id)
    return send_access.redirect_to_batch(project_id, batch_id, gettext("There is nothing to send."))


def _running_batch_of_user(project_id: int) -> int | None:
    """Return the id of the user's batch that is already being sent, if any."""
    with transaction() as db:
        newest = batches.of_project(db, project_id, 5)
    return next((batch.id for batch in newest if batch.user_id == user().id and batch.state == "running"), None)


@bp.post("/send/again")
def again(project_id: int) -> Answer:
    """Plan files again whose edits were reverted or undone, because a human requests it."""
    pages = list_parameters.parse_nonempty_selection(list_parameters.parse_body().get("pages"))

    def work(db: Connection) -> int:
        owner(db, project_id)
        return plans.send_again(db, project_id, pages)

    count = services().database.retry(work)
    if wants_json():
        return {"planned": count}
    flash(ngettext("%(num)d file is planned again.", "%(num)d files are planned again.", count), "good")
    return redirect(url_for(".page", project_id=project_id), 303)


@bp.get("/history")
def history(project_id: int) -> str:
    """List the batches, newest first; `before`: only those older than this id."""
    before = request.args.get("before", 2**62, type=int)
    with transaction() as db:
        project, role = member(db, project_id)
        listed = batches.of_project(db, project_id, BATCHES + 1, before)
    return render_template(
        "publishing/history.html", project=project, role=role, batches=listed[:BATCHES], texts=batch_texts,
        states=batch_texts.STATES, more=listed[BATCHES - 1].id if len(listed) > BATCHES else None, first=before == 2**62,
    )  # fmt: skip


@bp.post("/send/positions")
def positions(project_id: int) -> Answer:
    """Add the face's position to statements written by this tool that have none."""
    send_access.check_sign_in(project_id)

    def work(db: Connection) -> int | None:
        return bare_statements.qualify(db, project_id, user().id, bare_statements.bare(db, project_id))

    return send_access.redirect_to_batch(
        project_id, services().database.retry(work), gettext("There is nothing to send.")
    )


@bp.get("/removals")
def removals(project_id: int) -> str:
    """List statements on Commons about files in which, as a human answered, the person is not shown."""
    with transaction() as db:
        project, role = member(db, project_id)
        offers = plans.removal_offers(db, project_id)
        faces = review.faces(db, project_id, [offer.face_id for offer in offers if offer.face_id])
    return render_template(
        "publishing/removals.html", project=project, role=role, offers=offers, reason=reasons.reason,
        faces={face.page_id: face for face in faces}, face_state=face_states.face_state, chip_url=urls.chip_url,
        edit_summary=depicts.summary(depicts.summary_words("remove", project.item, project.label), "…"),
    )  # fmt: skip


@bp.post("/removals")
def remove(project_id: int) -> Answer:
    """Remove the statements of the selected `pages`; for those in `forced` even if others added to the statement."""
    fields = list_parameters.parse_body()
    pages = list_parameters.parse_nonempty_selection(fields.get("pages"))
    forced = set(
        list_parameters.parse_selection(request.form.getlist("forced") if not request.is_json else fields.get("forced"))
    )
    send_access.check_sign_in(project_id)

    def work(db: Connection) -> int | None:
        plain_batch = plans.remove_stated(
            db, project_id, user().id, [one for one in pages if one not in forced], forced=False
        )
        forced_batch = plans.remove_stated(
            db, project_id, user().id, [one for one in pages if one in forced], forced=True
        )
        return plain_batch or forced_batch

    return send_access.redirect_to_batch(
        project_id, services().database.retry(work), gettext("Nothing was removed: these statements are gone already.")
    )


@bp.get("/audit")
def doubted(project_id: int) -> str:
    """List files that state the person although the model is sure that no face in them is of the person.

    They are for a human to check; nothing is removed automatically.
    """
    with transaction() as db:
        project, role = member(db, project_id)
        files, total, page_number = audit.doubted(db, project_id, PAGE, _page_number())
    return render_template(
        "publishing/audit.html", project=project, role=role, files=files, total=total, page=page_number,
        pages=max(1, -(-total // PAGE)),
        chip_url=urls.chip_url, certainty=face_states.certainty,
    )  # fmt: skip
