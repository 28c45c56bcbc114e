"""A project's own page."""

from flask import Blueprint, render_template

from web import access
from web.services import transaction

bp = Blueprint("project", __name__)


@bp.get("/projects/<int:project_id>")
def page(project_id: int) -> str:
    """How the project stands and what to do next."""
    with transaction() as db:
        project, role = access.member(db, project_id)
    return render_template("project/page.html", project=project, role=role)
