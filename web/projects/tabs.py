"""The tabs of a project, which link its pages across all blueprints."""

from dataclasses import dataclass

from flask import Flask, current_app, request, url_for

from store.projects.projects import Role
from web.site.text import lazy_gettext

# Endpoint, label, and whether only owners see the tab. Tabs whose endpoint is not registered are left out.
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
    """A link to a page of the project; `current` marks the page being displayed."""

    url: str
    text: str
    current: bool


def project_tabs(project_id: int, role: Role) -> list[Tab]:
    """Return the tabs that a member with this role sees."""
    return [
        Tab(url_for(endpoint, project_id=project_id), str(text), request.endpoint == endpoint)
        for endpoint, text, owners in _TABS
        if endpoint in current_app.view_functions and (role == "owner" or not owners)
    ]


def init_app(app: Flask) -> None:
    """Make `project_tabs` available to templates."""
    app.add_template_global(project_tabs)
