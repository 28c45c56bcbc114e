"""Creation of a project: find the person, preview the source, create. Two plain forms, or a search while typing."""

from dataclasses import replace
from datetime import UTC, datetime

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import get_locale
from werkzeug.wrappers import Response

from database import Duplicate
from store.accounts import blocked_items
from store.projects import projects
from store.projects.projects import NewProject
from web.projects import creation_form
from web.projects.creation_form import CheckedDraft, Draft
from web.site import access, limits
from web.site.services import services, transaction
from web.site.text import gettext
from wiki import wikidata
from wiki.names import InvalidName, item_id
from wiki.wikidata import ItemHit

bp = Blueprint("creation", __name__)


@bp.get("/projects/new")
@limits.rate_limited(limits.LOOK_UP)
def page() -> str:
    """Render the form: empty, with people found by name (?q=), or with a person and their category preset (?item=)."""
    typed = request.args.get("q", "").strip()
    if request.args.get("item"):
        return _render_form(_check_draft(Draft(item=request.args["item"])))
    return _render_form(CheckedDraft(Draft()), typed, _search_people(typed))


@bp.get("/projects/new/people")
@limits.rate_limited(limits.LOOK_UP)
def people() -> str:
    """Render the people found by name, as a fragment of the form."""
    typed = request.args.get("q", "").strip()
    return render_template("projects/creation/_people.html", typed=typed, hits=_search_people(typed))


@bp.post("/projects/new")
@limits.rate_limited(limits.LOOK_UP)
def submit() -> str | Response | tuple[str, int]:
    """Check the form; create the project if the user asked for it and there are no errors."""
    checked = _check_draft(creation_form.parse_form(request.form))
    if request.form.get("action") == "create" and checked.ready:
        return redirect(url_for("project.page", project_id=_create(creation_form.new_project(checked))))
    return _render_form(checked), 400 if checked.errors else 200


def _create(new: NewProject) -> int:
    """Create the project and return its id; the form sent twice at once creates one, and leads to it both times."""
    user_id, database = access.user().id, services().database
    try:
        return database.retry(lambda db: projects.create(db, user_id, new))
    except Duplicate:
        with transaction() as db:
            twin = projects.alike(db, user_id, new.item, new.source_kind, new.source)
        if twin is None or twin[1] == "deleted":
            raise
        return twin[0]


def _search_people(typed: str) -> list[ItemHit]:
    return wikidata.search(services().wiki, _item_or_text(typed), str(get_locale())) if typed else []


def _item_or_text(typed: str) -> str:
    """Return the item that a link leads to, or any other text unchanged."""
    try:
        return item_id(typed, [services().settings.wikidata_pages])
    except InvalidName:
        return typed


def _check_draft(draft: Draft) -> CheckedDraft:
    """Check the form against the wikis, the blocked items and the user's other projects."""
    today = datetime.now(UTC).date()
    checked = creation_form.check(services().wiki, services().settings, draft, str(get_locale()), today)
    if checked.person and _blocked(checked.person.item):
        checked = checked.with_error("item", gettext("Nobody may look for this person here."))
    if not checked.ready or checked.person is None:
        return checked
    with transaction() as db:
        duplicate = projects.alike(db, access.user().id, checked.person.item, draft.kind, checked.source)
    if duplicate is None:
        return checked
    if duplicate[1] == "deleted":
        text = gettext(
            "Your deleted project with this person and source is still being cleared away. Try again in a minute."
        )
        return checked.with_error(draft.kind, text)
    return replace(checked.with_error(draft.kind, gettext("You have this project already.")), duplicate_id=duplicate[0])


def _blocked(item: str) -> bool:
    with transaction() as db:
        return item in services().settings.blocked_items or blocked_items.is_blocked(db, item)


def _render_form(checked: CheckedDraft, typed: str = "", hits: list[ItemHit] | None = None) -> str:
    limit = services().settings.max_files
    return render_template(
        "projects/creation/page.html", checked=checked, draft=checked.draft, typed=typed, hits=hits or [],
        kinds=creation_form.KINDS, limit=limit, deepest=creation_form.DEEPEST, longest_link=creation_form.LONGEST_LINK,
    )  # fmt: skip
