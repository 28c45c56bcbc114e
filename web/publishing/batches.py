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
from web.publishing.batch_texts import PermittedActions
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


def _page_number() -> int:
    return max(1, min(request.args.get("page", 1, type=int), 1_000_000))


def _load_batch(db: Connection, project_id: int, batch_id: int) -> tuple[Project, Role, Batch, PermittedActions]:
    project, role = member(db, project_id)
    batch = batches.get(db, batch_id, project_id)
    return project, role, batch, batch_texts.permitted_actions(batch, user().id, owner=role == "owner")


@bp.get("/<int:batch_id>")
def page(project_id: int, batch_id: int) -> str:
    """Render the page of a batch."""
    with transaction() as db:
        project, role, batch, permitted = _load_batch(db, project_id, batch_id)
        page_edits, chips = _load_edits(db, batch)
    return render_template(
        "publishing/batch.html", project=project, role=role, batch=batch, permitted=permitted,
        listed=_render_edits(project, batch, permitted, page_edits, chips), texts=batch_texts,
        states=batch_texts.STATES, batch_url=urls.batch_page,
    )  # fmt: skip


def _state_filter() -> str:
    """Return the state by which the list of edits is filtered, or "" for all."""
    wanted = request.args.get("show", "")
    return wanted if wanted in batch_texts.STATES else ""


def _load_edits(db: Connection, batch: Batch) -> tuple[list[edits.Edit], dict[int, Chip]]:
    """Return one page of the batch's edits, and the chips of their faces."""
    show = _state_filter()
    states = [show] if show else list(batch_texts.STATES)
    page_edits = edits.of_batch(db, batch.id, states, PAGE, (_page_number() - 1) * PAGE)
    return page_edits, question_data.chips(db, batch.project_id, [edit.face_id for edit in page_edits if edit.face_id])


def _render_edits(
    project: Project, batch: Batch, permitted: PermittedActions, page_edits: list[edits.Edit], chips: dict[int, Chip]
) -> str:
    show = _state_filter()
    total = batch.counts.get(show, 0) if show else sum(batch.counts.values())
    return render_template(
        "publishing/_edits.html", project=project, batch=batch, permitted=permitted, edits=page_edits, chips=chips,
        texts=batch_texts, show=show, states=batch_texts.STATES, chip_url=urls.chip_url, certainty=face_states.certainty,
        page=_page_number(), count=max(1, -(-total // PAGE)), diff_page=urls.diff_page,
    )  # fmt: skip


@bp.get("/<int:batch_id>/edits")
def listed(project_id: int, batch_id: int) -> dict[str, str]:
    """Return the list of edits as HTML for the page's script."""
    with transaction() as db:
        project, _, batch, permitted = _load_batch(db, project_id, batch_id)
        page_edits, chips = _load_edits(db, batch)
    return {"html": _render_edits(project, batch, permitted, page_edits, chips)}


@bp.get("/<int:batch_id>.json")
def state(project_id: int, batch_id: int) -> dict[str, Any]:
    """Return the batch's progress as JSON; the page's script polls it every second."""
    with transaction() as db:
        _, _, batch, permitted = _load_batch(db, project_id, batch_id)
    return {
        "state": batch.state,
        "standing": batch_texts.batch_state(batch),
        "counts": batch.counts,
        "total": batch.total,
        "open": batch.open,
        "pause_reason": batch.pause_reason,
        "why": batch_texts.pause_explanation(batch),
        "waiting_seconds": batch.waiting_seconds if batch.state == "running" else 0,
        "waiting_why": batch_texts.wait_explanation(batch),
        "lag": batch.waiting_lag,
        "can": asdict(permitted),
    }


def _change_batch(project_id: int, batch_id: int, work: Callable[[Connection, Batch, PermittedActions], str]) -> Answer:
    """Run `work` on the batch in one transaction for an owner; `work` returns the message to show."""

    def change(db: Connection) -> tuple[str, Batch]:
        owner(db, project_id)
        _, _, batch, permitted = _load_batch(db, project_id, batch_id)
        return work(db, batch, permitted), batches.get(db, batch_id, project_id)

    text, updated = services().database.retry(change)
    if wants_json():
        return {"state": updated.state, "text": text}
    if text:
        flash(text)
    return redirect(url_for(".page", project_id=project_id, batch_id=batch_id), 303)


@bp.post("/<int:batch_id>/pause")
def pause(project_id: int, batch_id: int) -> Answer:
    """Pause the batch; an edit that may already have been sent is still settled."""

    def work(db: Connection, batch: Batch, _permitted: PermittedActions) -> str:
        batches.pause(db, batch.id, "human")
        return ""

    return _change_batch(project_id, batch_id, work)


@bp.post("/<int:batch_id>/resume")
def resume(project_id: int, batch_id: int) -> Answer:
    """Resume the batch; only the user under whose account it is sent may do so."""
    requester = user()

    def work(db: Connection, batch: Batch, _permitted: PermittedActions) -> str:
        if batch.user_id != requester.id:
            raise NotAllowed("sender_only")
        if not requester.signed_in:
            return gettext("Sign in again first; then it goes on by itself.")
        batches.resume(db, batch.id)
        return ""

    return _change_batch(project_id, batch_id, work)


@bp.post("/<int:batch_id>/stop")
def stop(project_id: int, batch_id: int) -> Answer:
    """Stop the batch and cancel its waiting edits."""

    def work(db: Connection, batch: Batch, _permitted: PermittedActions) -> str:
        batches.stop(db, batch.id)
        return ""

    return _change_batch(project_id, batch_id, work)


@bp.post("/<int:batch_id>/retry")
def retry(project_id: int, batch_id: int) -> Answer:
    """Queue the failed edits again."""
    requester = user()

    def work(db: Connection, batch: Batch, _permitted: PermittedActions) -> str:
        if batch.user_id != requester.id:
            raise NotAllowed("sender_only")
        count = edits.retry_failed(db, batch.id)
        return ngettext("%(num)d edit is tried again.", "%(num)d edits are tried again.", count)

    return _change_batch(project_id, batch_id, work)


@bp.get("/<int:batch_id>/undo")
def ask_undo(project_id: int, batch_id: int) -> str:
    """Render the confirmation page for undoing a whole batch."""
    with transaction() as db:
        owner(db, project_id)
        project, role, batch, _ = _load_batch(db, project_id, batch_id)
        count = len(edits.standing_of_batch(db, batch_id))
    return render_template("publishing/undo.html", project=project, role=role, batch=batch, count=count)


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

    return send_access.redirect_to_batch(
        project_id,
        services().database.retry(work),
        gettext("There is nothing left to undo: none of these statements stands as we wrote it."),
    )
