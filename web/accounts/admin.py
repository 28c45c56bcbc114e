"""Pages for administrators: the state of the workers, and the blocked items. They never show a token."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from config import VERSION
from store.accounts import blocked_items
from store.jobs import tasks, workers
from web.site import access
from web.site.access import admin_only
from web.site.errors import BadInput
from web.site.services import services, settings, transaction
from web.site.text import gettext, ngettext
from wiki.names import InvalidName, item_id

bp = Blueprint("admin", __name__, url_prefix="/admin")
LONGEST_REASON = 255


@bp.get("")
@admin_only
def page() -> str:
    """Render the workers, the tasks they hold, and the blocked items."""
    with transaction() as db:
        known_workers, held_tasks, blocked = workers.all_seen(db), tasks.held(db), blocked_items.all_of_them(db)
    return render_template(
        "accounts/admin/page.html", workers=known_workers, held_tasks=held_tasks, blocked=blocked,
        configured_items=settings().blocked_items, version=VERSION, tokens_unsealed=not settings().token_keys,
        limits_store=settings().limits_uri.partition("://")[0],
    )  # fmt: skip


@bp.post("/blocked")
@admin_only
def block() -> Response:
    """Block an item: pause its projects at once, and prevent new ones."""
    typed, reason = request.form.get("item", "").strip(), request.form.get("reason", "").strip()
    try:
        item = item_id(typed[:200])
    except InvalidName:
        raise BadInput(
            gettext("“%(typed)s” is not a Wikidata item. An item looks like Q42.", typed=typed[:200]), "item"
        ) from None
    if len(reason) > LONGEST_REASON:
        raise BadInput(gettext("This is too long: %(most)d characters at most.", most=LONGEST_REASON), "reason")
    count = services().database.retry(lambda db: blocked_items.add(db, item, reason, access.user().id))
    flash(
        gettext("%(item)s is blocked.", item=item)
        + " "
        + ngettext("%(num)s project was paused.", "%(num)s projects were paused.", count),
        "good",
    )
    return redirect(url_for(".page"), 303)


@bp.post("/blocked/<item>/remove")
@admin_only
def unblock(item: str) -> Response:
    """Remove an item from the blocked items."""
    if services().database.retry(lambda db: blocked_items.remove(db, item)):
        flash(
            gettext("%(item)s is no longer blocked. Its projects stay paused until an owner resumes them.", item=item)
        )
    return redirect(url_for(".page"), 303)
