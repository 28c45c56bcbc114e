"""The next step in a project: one sentence with one link."""

from dataclasses import dataclass

from flask import current_app, url_for

from store.labelling.progress import ProjectCounts
from store.projects.projects import Status
from web.site.text import gettext, ngettext


@dataclass(frozen=True)
class NextStep:
    """A sentence and the text and URL of its link; both are empty if the user can only wait."""

    text: str
    action: str = ""
    url: str = ""


def project_url(endpoint: str, project_id: int) -> str:
    """Return the URL of a project's page, or "" if the endpoint is not registered."""
    return url_for(endpoint, project_id=project_id) if endpoint in current_app.view_functions else ""


def next_step(project_id: int, status: Status, min_confirmed: int, counts: ProjectCounts, *, crawled: bool) -> NextStep:
    """Return the first of the possible steps that applies."""
    if counts.unsent and not counts.questions and not counts.suggested:
        return _send_step(project_id, counts.unsent)
    if counts.confirmed < min_confirmed and (counts.questions or counts.confirmed or counts.files > counts.waiting):
        left = max(1, min_confirmed - counts.confirmed)
        text = ngettext(
            "Confirm %(num)s more face; then the model begins to answer for you.",
            "Confirm %(num)s more faces; then the model begins to answer for you.",
            left,
        )
        return NextStep(text, gettext("Answer questions"), project_url("classify.page", project_id))
    if counts.suggested:
        text = ngettext(
            "The model found %(num)s match. Look at it and approve it.",
            "The model found %(num)s matches. Look at them and approve them.",
            counts.suggested,
        )
        return NextStep(text, gettext("Review"), project_url("review.page", project_id))
    if counts.questions:
        text = ngettext("%(num)s question waits.", "%(num)s questions wait.", counts.questions)
        return NextStep(text, gettext("Answer questions"), project_url("classify.page", project_id))
    if counts.unsent:
        return _send_step(project_id, counts.unsent)
    return NextStep(_waiting_text(status, counts, crawled))


def _send_step(project_id: int, unsent: int) -> NextStep:
    text = ngettext(
        "%(num)s approved match can be sent to Commons.", "%(num)s approved matches can be sent to Commons.", unsent
    )
    return NextStep(text, gettext("Send"), project_url("publishing.page", project_id))


def _waiting_text(status: Status, counts: ProjectCounts, crawled: bool) -> str:
    if status == "paused":
        return gettext("Paused. Resume it in the settings.")
    if not crawled and not counts.files:
        return gettext("A worker is about to look for the files. The first questions come within seconds.")
    if counts.waiting:
        return gettext("The pictures are being searched for faces. Questions come as soon as some are found.")
    if not counts.files:
        return gettext("No pictures were found here. Check the source, and begin anew with another.")
    return gettext("Nothing to do: everything that was found has been answered and sent.")
