"""The page of a batch: live progress, pausing, resuming, stopping, retrying and undoing."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for

from database import Connection
from store.detection.faces import Chip
from store.labelling import question_data
from store.projects.projects import Project, Role
from store.publishing import batches, edits, plans
from store.publishing.batches import Batch
from web.labelling import face_states, list_parameters
from web.publishing import batch_texts, send_access
from web.publishing.batch_texts import Can
from web.publishing.send_access import SignInExpired
from web.site import urls
from web.site.access import NotAllowed, member, owner, user
from web.site.errors import wants_json
from web.site.services import services, transaction
from web.site.text import gettext, ngettext

bp = Blueprint("batches", __name__, url_prefix="/projects/<int:project_id>/batches")
bp.register_error_handler(SignInExpired, send_access.sign_in_expired)

PAGE = 60
Answer = Any


def _number() -> int:
    return max(1, min(request.args.get("page", 1, type=int), 1_000_000))


def _one(db: Connection, project_id: int, batch_id: int) -> tuple[Project, Role, Batch, Can]:
    project, role = member(db, project_id)
    batch = batches.get(db, batch_id, project_id)
    return project, role, batch, batch_texts.can(batch, user().id, owner=role == "owner")


@bp.get("/<int:batch_id>")
def page(project_id: int, batch_id: int) -> str:
    """Render the page of a batch."""
    with transaction() as db:
        project, role, found, can = _one(db, project_id, batch_id)
        listed, chips = _listed(db, found)
    return render_template(
        "publishing/batch.html", project=project, role=role, batch=found, can=can, listed=_list(project, found, can, listed, chips),
        words=batch_texts, states=batch_texts.STATES, batch_url=urls.batch_page,
    )  # fmt: skip


def _show(found: Batch) -> str:
    """Return the state by which the list of edits is filtered, or "" for all."""
    wanted = request.args.get("show", "")
    return wanted if wanted in batch_texts.STATES else ""


def _listed(db: Connection, found: Batch) -> tuple[list[edits.Edit], dict[int, Chip]]:
    """Return one page of the batch's edits, and the chips of their faces."""
    show = _show(found)
    states = [show] if show else list(batch_texts.STATES)
    listed = edits.of_batch(db, found.id, states, PAGE, (_number() - 1) * PAGE)
    return listed, question_data.chips(db, found.project_id, [edit.face_id for edit in listed if edit.face_id])


def _list(project: Project, found: Batch, can: Can, listed: list[edits.Edit], chips: dict[int, Chip]) -> str:
    show = _show(found)
    total = found.counts.get(show, 0) if show else sum(found.counts.values())
    return render_template(
        "publishing/_edits.html", project=project, batch=found, can=can, edits=listed, chips=chips, words=batch_texts, show=show,
        chip_url=urls.chip,
        states=batch_texts.STATES, certainty=face_states.certainty, page=_number(), count=max(1, -(-total // PAGE)),
        diff_page=urls.diff_page,
    )  # fmt: skip


@bp.get("/<int:batch_id>/edits")
def listed(project_id: int, batch_id: int) -> dict[str, str]:
    """Return the list of edits as HTML for the page's script."""
    with transaction() as db:
        project, _, found, can = _one(db, project_id, batch_id)
        rows, chips = _listed(db, found)
    return {"html": _list(project, found, can, rows, chips)}


@bp.get("/<int:batch_id>.json")
def state(project_id: int, batch_id: int) -> dict[str, Any]:
    """Return the batch's progress as JSON; the page's script polls it every second."""
    with transaction() as db:
        _, _, found, can = _one(db, project_id, batch_id)
    return {
        "state": found.state,
        "standing": batch_texts.standing(found),
        "counts": found.counts,
        "total": found.total,
        "open": found.open,
        "pause_reason": found.pause_reason,
        "why": batch_texts.why(found),
        "waiting_seconds": found.waiting_seconds if found.state == "running" else 0,
        "waiting_why": batch_texts.waiting(found),
        "lag": found.waiting_lag,
        "can": asdict(can),
    }


def _act(project_id: int, batch_id: int, work: Callable[[Connection, Batch, Can], str]) -> Answer:
    """Run `work` on the batch in one transaction for an owner; `work` returns the message to show."""

    def whole(db: Connection) -> tuple[str, Batch]:
        owner(db, project_id)
        _, _, found, can = _one(db, project_id, batch_id)
        return work(db, found, can), batches.get(db, batch_id, project_id)

    text, after = services().database.retry(whole)
    if wants_json():
        return {"state": after.state, "text": text}
    if text:
        flash(text)
    return redirect(url_for(".page", project_id=project_id, batch_id=batch_id), 303)


@bp.post("/<int:batch_id>/pause")
def pause(project_id: int, batch_id: int) -> Answer:
    """Pause the batch; an edit that may already have been sent is still settled."""

    def work(db: Connection, found: Batch, _can: Can) -> str:
        batches.pause(db, found.id, "human")
        return ""

    return _act(project_id, batch_id, work)


@bp.post("/<int:batch_id>/resume")
def resume(project_id: int, batch_id: int) -> Answer:
    """Resume the batch; only the user under whose account it is sent may do so."""
    asker = user()

    def work(db: Connection, found: Batch, _can: Can) -> str:
        if found.user_id != asker.id:
            raise NotAllowed("sender_only")
        if not asker.signed_in:
            return gettext("Sign in again first; then it goes on by itself.")
        batches.resume(db, found.id)
        return ""

    return _act(project_id, batch_id, work)


@bp.post("/<int:batch_id>/stop")
def stop(project_id: int, batch_id: int) -> Answer:
    """Stop the batch and cancel its waiting edits."""

    def work(db: Connection, found: Batch, _can: Can) -> str:
        batches.stop(db, found.id)
        return ""

    return _act(project_id, batch_id, work)


@bp.post("/<int:batch_id>/retry")
def retry(project_id: int, batch_id: int) -> Answer:
    """Queue the failed edits again."""
    asker = user()

    def work(db: Connection, found: Batch, _can: Can) -> str:
        if found.user_id != asker.id:
            raise NotAllowed("sender_only")
        count = edits.retry_failed(db, found.id)
        return ngettext("%(num)d edit is tried again.", "%(num)d edits are tried again.", count)

    return _act(project_id, batch_id, work)


@bp.get("/<int:batch_id>/undo")
def ask_undo(project_id: int, batch_id: int) -> str:
    """Render the confirmation page for undoing a whole batch."""
    with transaction() as db:
        owner(db, project_id)
        project, role, found, _ = _one(db, project_id, batch_id)
        count = len(edits.standing_of_batch(db, batch_id))
    return render_template("publishing/undo.html", project=project, role=role, batch=found, count=count)


@bp.post("/<int:batch_id>/undo")
def undo(project_id: int, batch_id: int) -> Answer:
    """Undo the edits `edits` of a batch, `only` one of them whatever else is selected, or `all`.

    Statements are removed only if they are still as this tool wrote them.
    """
    fields = list_parameters.parse_body()
    undo_all = list_parameters.parse_boolean(fields.get("all"))
    selected = [] if undo_all else list_parameters.parse_nonempty_selection(fields.get("only") or fields.get("edits"))
    send_access.check_sign_in(project_id)

    def work(db: Connection) -> int | None:
        batches.get(db, batch_id, project_id)
        undoable = edits.standing_of_batch(db, batch_id)
        return plans.undo(
            db, project_id, user().id, undoable if undo_all else [one for one in selected if one in set(undoable)]
        )

    return send_access.led_to(
        project_id,
        services().database.retry(work),
        gettext("There is nothing left to undo: none of these statements stands as we wrote it."),
    )
