"""The tabs of a project: the pages of all blueprints that belong to one project."""

from dataclasses import dataclass

from flask import Flask, current_app, request, url_for

from store.projects.projects import Role
from web.site.text import lazy_gettext

# Endpoint, name, and whether it is for owners only. One whose blueprint is not registered is left out.
_TABS = (
    ("project.page", lazy_gettext("Overview"), False),
    ("classify.page", lazy_gettext("Questions"), False),
    ("files.page", lazy_gettext("No face found"), False),
    ("review.page", lazy_gettext("Review"), False),
    ("publishing.page", lazy_gettext("Send"), False),
    ("publishing.history", lazy_gettext("History"), False),
    ("settings.page", lazy_gettext("Settings"), True),
)


@dataclass(frozen=True)
class Tab:
    """A link to a page of the project."""

    url: str
    text: str
    current: bool


def project_tabs(project_id: int, role: Role) -> list[Tab]:
    """The tabs that this person sees."""
    return [
        Tab(url_for(endpoint, project_id=project_id), str(text), request.endpoint == endpoint)
        for endpoint, text, owners in _TABS
        if endpoint in current_app.view_functions and (role == "owner" or not owners)
    ]


def init_app(app: Flask) -> None:
    """Let templates ask for them."""
    app.add_template_global(project_tabs)
