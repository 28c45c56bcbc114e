"""A project's settings, members and end; for its owners."""

from flask import Blueprint, render_template

from web import access
from web.services import transaction

bp = Blueprint("settings", __name__)


@bp.get("/projects/<int:project_id>/settings")
def page(project_id: int) -> str:
    """The form."""
    with transaction() as db:
        project = access.owner(db, project_id)
    return render_template("settings/page.html", project=project, role="owner")
