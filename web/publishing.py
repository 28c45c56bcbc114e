"""What is written to Commons: the plan, sending it, how it goes, taking it back, and the history."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for

from database import Connection
from store import audit, batches, edits, plans
from store.batches import Batch
from store.projects import Project, Role
from web import asked, batch_words, chosen, standing, urls, words
from web.access import NotAllowed, member, owner, user
from web.batch_words import Can
from web.errors import answer, wants_json
from web.services import services, transaction
from web.text import gettext, ngettext
from wiki import depicts

bp = Blueprint("publishing", __name__, url_prefix="/projects/<int:project_id>")

PAGE = 60
VERDICTS = ("send", "open", "sent", "stated", "undone", "reverted", "overwritten", "gone")
BATCHES = 30
Answer = Any


def _page() -> int:
    return max(1, min(request.args.get("page", 1, type=int), 1_000_000))


@bp.get("/send")
def page(project_id: int) -> str:
    """The plan: what would be written, and what is left alone and why; nothing is sent by looking."""
    verdict = next((name for name in VERDICTS if name == request.args.get("show")), "send")
    with transaction() as db:
        project, role = member(db, project_id)
        summary = plans.summary(db, project_id)
        pages = max(1, -(-summary.counts.get(verdict, 0) // PAGE))
        number = min(_page(), pages)
        planned = plans.plan(db, project_id, [verdict], PAGE, (number - 1) * PAGE)
        running = [batch for batch in batches.of_project(db, project_id, 5) if batch.state in {"running", "paused"}]
        removals = len(plans.removal_offers(db, project_id))
        doubted = audit.count(db, project_id)
    return render_template(
        "publishing/page.html", project=project, role=role, summary=summary, verdict=verdict, verdicts=VERDICTS, planned=planned,
        page=number, pages=pages, running=running, removals=removals, doubted=doubted, words=batch_words, reason=words.reason,
        edit_summary=_edit_summary(project), chip_url=asked.chip_url, certainty=standing.certainty, wrong=standing.wrong,
    )  # fmt: skip


def _edit_summary(project: Project) -> str:
    """As it will look; the batch's own number is drawn when it is sent."""
    return depicts.summary(depicts.summary_words("add", project.item, project.label), "…")


@bp.post("/send")
def send(project_id: int) -> Answer:
    """Send what is planned, as one batch; pressed twice it is still one."""
    if not _may_send(project_id):
        text = gettext("Your sign-in with Wikimedia has expired. Sign in again, then send; nothing is lost.")
        return answer(409, "sign_in", gettext("Please sign in again"), text)
    batch_id = services().database.retry(lambda db: plans.send(db, project_id, user().id))
    if batch_id is None and not wants_json():
        batch_id = _newest(project_id)
    return _led_to(project_id, batch_id, gettext("There is nothing to send."))


def _may_send(project_id: int) -> bool:
    """Whether the asker's sign-in is alive. Raises NotAllowed for labellers."""
    with transaction() as db:
        owner(db, project_id)
    return user().signed_in


def _newest(project_id: int) -> int | None:
    """The asker's batch that is being sent already."""
    with transaction() as db:
        found = batches.of_project(db, project_id, 5)
    return next((batch.id for batch in found if batch.user_id == user().id and batch.state == "running"), None)


def _led_to(project_id: int, batch_id: int | None, nothing: str) -> Answer:
    """The batch that an action made, or back with a word that there was nothing to do."""
    if wants_json():
        return {"batch": batch_id}
    if batch_id is None:
        flash(nothing)
        return redirect(urls.local(request.form.get("next"), url_for(".page", project_id=project_id)), 303)
    return redirect(url_for(".batch", project_id=project_id, batch_id=batch_id), 303)


@bp.post("/send/again")
def again(project_id: int) -> Answer:
    """Plan files once more that were taken back or undone: a human asks for it."""
    pages = chosen.some(chosen.body().get("pages"))

    def work(db: Connection) -> int:
        owner(db, project_id)
        return plans.send_again(db, project_id, pages)

    count = services().database.retry(work)
    if wants_json():
        return {"planned": count}
    flash(ngettext("%(num)d file is planned again.", "%(num)d files are planned again.", count), "good")
    return redirect(url_for(".page", project_id=project_id), 303)


def _one(db: Connection, project_id: int, batch_id: int) -> tuple[Project, Role, Batch, Can]:
    project, role = member(db, project_id)
    batch = batches.get(db, batch_id, project_id)
    return project, role, batch, batch_words.can(batch, user().id, owner=role == "owner")


@bp.get("/batches/<int:batch_id>")
def batch(project_id: int, batch_id: int) -> str:
    """How a batch goes."""
    with transaction() as db:
        project, role, found, can = _one(db, project_id, batch_id)
        listed = _listed(db, found)
    return render_template(
        "publishing/batch.html", project=project, role=role, batch=found, can=can, listed=_list(project, found, can, listed),
        words=batch_words, states=batch_words.STATES, batch_url=urls.batch_page,
    )  # fmt: skip


def _show(found: Batch) -> str:
    """Which of its edits are listed: all, or those in one state."""
    wanted = request.args.get("show", "")
    return wanted if wanted in batch_words.STATES else ""


def _listed(db: Connection, found: Batch) -> list[edits.Edit]:
    show = _show(found)
    states = [show] if show else list(batch_words.STATES)
    return edits.of_batch(db, found.id, states, PAGE, (_page() - 1) * PAGE)


def _list(project: Project, found: Batch, can: Can, listed: list[edits.Edit]) -> str:
    show = _show(found)
    total = found.counts.get(show, 0) if show else sum(found.counts.values())
    return render_template(
        "publishing/_edits.html", project=project, batch=found, can=can, edits=listed, words=batch_words, show=show,
        states=batch_words.STATES, certainty=standing.certainty, page=_page(), count=max(1, -(-total // PAGE)),
        diff_page=urls.diff_page,
    )  # fmt: skip


@bp.get("/batches/<int:batch_id>/edits")
def listed(project_id: int, batch_id: int) -> dict[str, str]:
    """The list of its edits as HTML, for the script."""
    with transaction() as db:
        project, _, found, can = _one(db, project_id, batch_id)
        rows = _listed(db, found)
    return {"html": _list(project, found, can, rows)}


@bp.get("/batches/<int:batch_id>.json")
def state(project_id: int, batch_id: int) -> dict[str, Any]:
    """How a batch goes, for whoever asks every second."""
    with transaction() as db:
        _, _, found, can = _one(db, project_id, batch_id)
    return {
        "state": found.state,
        "standing": batch_words.standing(found),
        "counts": found.counts,
        "total": found.total,
        "open": found.open,
        "pause_reason": found.pause_reason,
        "why": batch_words.why(found),
        "waiting_seconds": found.waiting_seconds if found.state == "running" else 0,
        "waiting_why": batch_words.waiting(found),
        "lag": found.waiting_lag,
        "can": asdict(can),
    }


def _act(project_id: int, batch_id: int, work: Callable[[Connection, Batch, Can], str]) -> Answer:
    """Do something to a batch; `work` returns what to say."""

    def whole(db: Connection) -> tuple[str, Batch]:
        owner(db, project_id)
        _, _, found, can = _one(db, project_id, batch_id)
        return work(db, found, can), batches.get(db, batch_id, project_id)

    text, after = services().database.retry(whole)
    if wants_json():
        return {"state": after.state, "text": text}
    if text:
        flash(text)
    return redirect(url_for(".batch", project_id=project_id, batch_id=batch_id), 303)


@bp.post("/batches/<int:batch_id>/pause")
def pause(project_id: int, batch_id: int) -> Answer:
    """Hold it up; what may be on its way is still settled."""

    def work(db: Connection, found: Batch, _can: Can) -> str:
        batches.pause(db, found.id, "human")
        return ""

    return _act(project_id, batch_id, work)


@bp.post("/batches/<int:batch_id>/resume")
def resume(project_id: int, batch_id: int) -> Answer:
    """Go on; only the one under whose account it is sent may say so."""
    asker = user()

    def work(db: Connection, found: Batch, _can: Can) -> str:
        if found.user_id != asker.id:
            raise NotAllowed("sender_only")
        if not asker.signed_in:
            return gettext("Sign in again first; then it goes on by itself.")
        batches.resume(db, found.id)
        return ""

    return _act(project_id, batch_id, work)


@bp.post("/batches/<int:batch_id>/stop")
def stop(project_id: int, batch_id: int) -> Answer:
    """End it: what waits is cancelled."""

    def work(db: Connection, found: Batch, _can: Can) -> str:
        batches.stop(db, found.id)
        return ""

    return _act(project_id, batch_id, work)


@bp.post("/batches/<int:batch_id>/retry")
def retry(project_id: int, batch_id: int) -> Answer:
    """Queue the failed ones again."""
    asker = user()

    def work(db: Connection, found: Batch, _can: Can) -> str:
        if found.user_id != asker.id:
            raise NotAllowed("sender_only")
        count = edits.retry_failed(db, found.id)
        return ngettext("%(num)d edit is tried again.", "%(num)d edits are tried again.", count)

    return _act(project_id, batch_id, work)


@bp.get("/batches/<int:batch_id>/undo")
def ask_undo(project_id: int, batch_id: int) -> str:
    """Whether really all of a batch is to be undone."""
    with transaction() as db:
        owner(db, project_id)
        project, role, found, _ = _one(db, project_id, batch_id)
        count = len(edits.standing_of_batch(db, batch_id))
    return render_template("publishing/undo.html", project=project, role=role, batch=found, count=count)


@bp.post("/batches/<int:batch_id>/undo")
def undo(project_id: int, batch_id: int) -> Answer:
    """Take statements of a batch back: `edits`, or `all`. They are removed only where they are still as we wrote them."""
    sent = chosen.body()
    every = chosen.switch(sent.get("all"))
    wanted = [] if every else chosen.some(sent.get("edits"))
    if not _may_send(project_id):
        text = gettext("Your sign-in with Wikimedia has expired. Sign in again, then undo; nothing is lost.")
        return answer(409, "sign_in", gettext("Please sign in again"), text)

    def work(db: Connection) -> int | None:
        batches.get(db, batch_id, project_id)
        stand = edits.standing_of_batch(db, batch_id)
        return plans.undo(db, project_id, user().id, stand if every else [one for one in wanted if one in set(stand)])

    return _led_to(
        project_id,
        services().database.retry(work),
        gettext("There is nothing left to undo: none of these statements stands as we wrote it."),
    )


@bp.get("/history")
def history(project_id: int) -> str:
    """The batches, newest first; `before`: those older than this one."""
    before = request.args.get("before", 2**62, type=int)
    with transaction() as db:
        project, role = member(db, project_id)
        found = batches.of_project(db, project_id, BATCHES + 1, before)
    return render_template(
        "publishing/history.html", project=project, role=role, batches=found[:BATCHES], words=batch_words,
        states=batch_words.STATES, more=found[BATCHES - 1].id if len(found) > BATCHES else None, first=before == 2**62,
    )  # fmt: skip


@bp.get("/removals")
def removals(project_id: int) -> str:
    """Statements that Commons makes although a human found the person not to be there."""
    with transaction() as db:
        project, role = member(db, project_id)
        offers = plans.removal_offers(db, project_id)
    return render_template(
        "publishing/removals.html", project=project, role=role, offers=offers, reason=words.reason,
        edit_summary=depicts.summary(depicts.summary_words("remove", project.item, project.label), "…"),
    )  # fmt: skip


@bp.post("/removals")
def remove(project_id: int) -> Answer:
    """Remove the statements of the `pages` chosen; `forced`: of those, also where others have added to the statement."""
    sent = chosen.body()
    pages = chosen.some(sent.get("pages"))
    forced = set(chosen.ids(request.form.getlist("forced") if not request.is_json else sent.get("forced")))
    if not _may_send(project_id):
        text = gettext("Your sign-in with Wikimedia has expired. Sign in again, then remove; nothing is lost.")
        return answer(409, "sign_in", gettext("Please sign in again"), text)

    def work(db: Connection) -> int | None:
        plain = plans.remove_stated(
            db, project_id, user().id, [one for one in pages if one not in forced], forced=False
        )
        second = plans.remove_stated(db, project_id, user().id, [one for one in pages if one in forced], forced=True)
        return plain or second

    return _led_to(
        project_id, services().database.retry(work), gettext("Nothing was removed: these statements are gone already.")
    )


@bp.get("/audit")
def doubted(project_id: int) -> str:
    """Files that state the person while the model is sure that nobody in them is: to be looked at, never removed by itself."""
    with transaction() as db:
        project, role = member(db, project_id)
        total = audit.count(db, project_id)
        pages = max(1, -(-total // PAGE))
        number = min(_page(), pages)
        found = audit.doubted(db, project_id, PAGE, (number - 1) * PAGE)
    return render_template(
        "publishing/audit.html", project=project, role=role, found=found, total=total, page=number, pages=pages,
        chip_url=asked.chip_url, certainty=standing.certainty,
    )  # fmt: skip
