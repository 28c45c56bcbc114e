"""A new project."""

from flask import Blueprint, render_template

bp = Blueprint("creation", __name__)


@bp.get("/projects/new")
def page() -> str:
    """The form."""
    return render_template("creation/page.html")
