"""Settings, members and deletion of a project, for its owners; and the way for members to leave it."""

from dataclasses import dataclass, field, replace

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from database import Connection
from store.accounts import users
from store.accounts.users import User
from store.projects import projects
from store.projects.projects import Project, ProjectSettings
from web.projects import model_report
from web.projects.charts import FARTHEST, NEAREST
from web.site import access
from web.site.access import NotAllowed
from web.site.errors import BadInput
from web.site.services import services, transaction
from web.site.text import gettext

bp = Blueprint("settings", __name__, url_prefix="/projects/<int:project_id>")
BUDGETS = (50, 100, 500)
MOST_CONFIRMED = 1000
LONGEST_LABEL = 255
Page = str | Response | tuple[str, int]


@dataclass(frozen=True)
class SettingsForm:
    """The settings form as filled in; `errors` are messages by field."""

    label: str
    threshold: str
    confirmed: str
    budget: str
    position: bool
    errors: dict[str, str] = field(default_factory=dict)


def _stored_form(project: Project) -> SettingsForm:
    return SettingsForm(
        project.label,
        f"{project.distance_threshold:g}",
        str(project.min_confirmed),
        str(project.error_budget),
        project.write_position,
    )


def _parse_form(form: MultiDict[str, str]) -> tuple[SettingsForm, ProjectSettings]:
    """Parse the form. Returns it as filled in, and its settings, which are valid only if the form has no errors."""
    filled = SettingsForm(
        label=form.get("label", "").strip(),
        threshold=form.get("threshold", "").strip().replace(",", "."),
        confirmed=form.get("confirmed", "").strip(),
        budget=form.get("budget", ""),
        position="position" in form,
    )
    threshold, confirmed = _parse_threshold(filled.threshold), _parse_min_confirmed(filled.confirmed)
    budget = _parse_budget(filled.budget)
    errors = {
        "label": "" if 0 < len(filled.label) <= LONGEST_LABEL else _label_error(),
        "threshold": _threshold_error() if threshold is None else "",
        "confirmed": _min_confirmed_error() if confirmed is None else "",
        "budget": gettext("Choose one of the budgets.") if budget is None else "",
    }
    filled = replace(filled, errors={name: text for name, text in errors.items() if text})
    return filled, ProjectSettings(filled.label, threshold or 0, confirmed or 0, budget or 0, filled.position)


def _parse_threshold(typed: str) -> float | None:
    try:
        number = float(typed)
    except ValueError:
        return None
    return number if NEAREST <= number <= FARTHEST else None


def _parse_min_confirmed(typed: str) -> int | None:
    return int(typed) if typed.isascii() and typed.isdigit() and 1 <= int(typed[:9]) <= MOST_CONFIRMED else None


def _parse_budget(typed: str) -> int | None:
    return next((budget for budget in BUDGETS if str(budget) == typed), None)


def _label_error() -> str:
    return gettext("The name must have 1 to %(most)d characters.", most=LONGEST_LABEL)


def _threshold_error() -> str:
    return gettext("The distance threshold must be a number from 0.1 to 1.0, for example 0.6.")


def _min_confirmed_error() -> str:
    return gettext("The number of confirmed faces must be a whole number from 1 to %(most)d.", most=MOST_CONFIRMED)


@bp.get("/settings")
def page(project_id: int) -> str:
    """Render the form with the stored settings."""
    with transaction() as db:
        project = access.owner(db, project_id)
        members = projects.members(db, project_id)
    return _render_page(project, members, _stored_form(project))


@bp.post("/settings")
def save(project_id: int) -> Page:
    """Store the settings; store nothing if a field is invalid."""
    filled, settings = _parse_form(request.form)

    def work(db: Connection) -> tuple[Project, list[projects.Member]]:
        project = access.owner(db, project_id)
        if not filled.errors:
            projects.change_settings(db, project_id, settings)
        return project, projects.members(db, project_id)

    project, members = services().database.retry(work)
    if filled.errors:
        return _render_page(project, members, filled), 400
    flash(gettext("Saved. The model looks at every face again."), "good")
    return redirect(url_for("settings.page", project_id=project_id))


def _render_page(project: Project, members: list[projects.Member], filled: SettingsForm, **more: str) -> str:
    report = model_report.parse_report(project.model_json)
    return render_template(
        "projects/settings/page.html", project=project, role="owner", members=members, filled=filled, budgets=BUDGETS,
        most_confirmed=MOST_CONFIRMED, outlooks=report.outlooks if report else (),
        **more,
    )  # fmt: skip


@bp.post("/threshold")
def threshold(project_id: int) -> Response:
    """Change only the distance threshold, from the overview page."""
    number = _parse_threshold(request.form.get("threshold", ""))
    if number is None:
        raise BadInput(_threshold_error(), "threshold")

    def work(db: Connection) -> None:
        project = access.owner(db, project_id)
        settings = ProjectSettings(
            project.label, number, project.min_confirmed, project.error_budget, project.write_position
        )
        projects.change_settings(db, project_id, settings)

    services().database.retry(work)
    flash(gettext("Saved. The model looks at every face again."), "good")
    return redirect(url_for("project.page", project_id=project_id))


@bp.post("/status")
def status(project_id: int) -> Response:
    """Pause, resume or complete."""
    messages = {
        "active": gettext("The project is active: its files are searched."),
        "paused": gettext("The project is paused. Workers stop within one batch of pictures."),
        "completed": gettext("The project is completed. It is not searched any more; sending and undo still work."),
    }
    new_status = request.form.get("status", "")
    if new_status not in messages:
        raise BadInput(gettext("A project can be active, paused or completed."), "status")

    def work(db: Connection) -> None:
        if access.owner(db, project_id).blocked:
            raise NotAllowed("barred")
        projects.set_status(db, project_id, new_status)  # type: ignore[arg-type]

    services().database.retry(work)
    flash(messages[new_status], "good")
    return redirect(url_for("settings.page", project_id=project_id))


@bp.post("/members")
def invite(project_id: int) -> Page:
    """Invite a user who has signed in before, by Wikimedia user name."""
    name = _user_name(request.form.get("name", ""))
    role: projects.Role = "owner" if request.form.get("role") == "owner" else "labeller"

    def work(db: Connection) -> tuple[Project, list[projects.Member], User | None]:
        project = access.owner(db, project_id)
        invited = users.by_name(db, name)
        if invited is not None:
            projects.add_member(db, project_id, invited.id, role)
        return project, projects.members(db, project_id), invited

    project, members, invited = services().database.retry(work)
    if invited is None:
        text = gettext(
            "Nobody called “%(name)s” has signed in here yet. Ask them to sign in once, then invite them.",
            name=name,
        )
        return _render_page(project, members, replace(_stored_form(project), errors={"name": text}), invited=name), 400
    flash(gettext("%(name)s is a member now.", name=invited.name), "good")
    return redirect(url_for("settings.page", project_id=project_id) + "#members")


def _user_name(typed: str) -> str:
    name = " ".join(typed.replace("_", " ").split())[:255]
    name = name.split(":", 1)[1].strip() if name.lower().startswith("user:") else name
    return name[:1].upper() + name[1:]


@bp.post("/members/<int:user_id>/remove")
def remove(project_id: int, user_id: int) -> Response:
    """Remove a member; their answers stay valid."""

    def work(db: Connection) -> bool:
        access.owner(db, project_id)
        return projects.remove_member(db, project_id, user_id)

    if services().database.retry(work):
        flash(gettext("The member was removed. Their answers stay."), "good")
    else:
        flash(gettext("Whoever created the project stays its owner."), "warn")
    return redirect(url_for("settings.page", project_id=project_id) + "#members")


@bp.post("/leave")
def leave(project_id: int) -> Response:
    """Remove the user from a project to which they were invited."""

    def work(db: Connection) -> bool:
        access.member(db, project_id)
        return projects.remove_member(db, project_id, access.user().id)

    if services().database.retry(work):
        flash(gettext("You left the project. Your answers stay."), "good")
    else:
        flash(gettext("Whoever created the project stays its owner."), "warn")
    return redirect(url_for("dashboard.index"))


@bp.get("/delete")
def ask_delete(project_id: int) -> str:
    """Render the page that states what is deleted and what is kept, and asks for the project's name."""
    with transaction() as db:
        project = access.owner(db, project_id)
    return render_template("projects/settings/delete.html", project=project, role="owner", error="")


@bp.post("/delete")
def delete(project_id: int) -> Page:
    """Delete the project if its name or item was typed."""
    typed = " ".join(request.form.get("confirm", "").split()).casefold()

    def work(db: Connection) -> tuple[Project, bool]:
        project = access.owner(db, project_id)
        named = typed in {" ".join(project.label.split()).casefold(), project.item.casefold()}
        if named:
            projects.delete(db, project_id)
        return project, named

    project, named = services().database.retry(work)
    if not named:
        text = gettext("That is not the project's name. Nothing was deleted.")
        return render_template("projects/settings/delete.html", project=project, role="owner", error=text), 400
    flash(gettext("The project is deleted. Statements that were sent are still on Commons."), "good")
    return redirect(url_for("dashboard.index"))
