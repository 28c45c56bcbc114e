"""The overview page of a project: live progress, charts and the next step."""

import hashlib
from dataclasses import dataclass

from flask import Blueprint, Response, current_app, flash, jsonify, redirect, render_template, url_for
from werkzeug.wrappers import Response as Redirect

from database import Connection
from store.detection import files
from store.jobs import tasks
from store.labelling import progress
from store.labelling.progress import Breakdown, Hands, ProjectCounts, Search
from store.projects import projects
from store.projects.projects import Project, Role
from web.projects import cached_counts, charts
from web.projects.model_report import Report, parse_report
from web.projects.next_step import NextStep, next_step, project_url
from web.site import access, reasons
from web.site.services import services, transaction
from web.site.short_cache import ShortCache
from web.site.text import gettext

bp = Blueprint("project", __name__)
SILENT_AFTER = 300  # seconds without a heartbeat from any worker


@dataclass(frozen=True)
class State:
    """Everything on the page that changes by itself."""

    project: Project
    role: Role
    counts: ProjectCounts
    search: Search
    hands: Hands
    breakdown: Breakdown
    step: NextStep
    report: Report | None

    @property
    def missed_files(self) -> int:
        """The number of files in which the person's face may have been missed, 0 if unknown."""
        return self.report.missed_files(self.search.no_face) if self.report else 0

    @property
    def silent(self) -> bool:
        """Whether no worker sent a heartbeat in the last SILENT_AFTER seconds."""
        return self.hands.silence is None or self.hands.silence > SILENT_AFTER

    @property
    def busy(self) -> bool:
        """Whether a worker is working on the project now."""
        return any(work.running for work in self.hands.work)


def _state_cache() -> ShortCache:
    """Return the cache of the data that is the same for all viewers of a project; it keeps them for one second."""
    cache: ShortCache = current_app.extensions.setdefault("project_states", ShortCache(seconds=1))
    return cache


def _load_counts(db: Connection, project: Project) -> tuple[ProjectCounts, Search, Hands, Breakdown]:
    search = progress.search(db, project.id)
    counts = progress.counts_of_one(db, project.id, search)
    breakdown = progress.breakdown(db, project.id, cached_counts.prediction_counts(db, project))
    return counts, search, progress.hands(db, project.id), breakdown


def _load_state(db: Connection, project_id: int, *, accept_cached: bool = False) -> State:
    """Load the state with six queries, besides those for the user; `accept_cached`: accept data up to a second old."""
    project, role = access.member(db, project_id)
    if accept_cached:
        counts, search, hands, breakdown = _state_cache().get(
            (project_id, project.status), lambda: _load_counts(db, project)
        )
    else:
        counts, search, hands, breakdown = _load_counts(db, project)
    step = next_step(project_id, project.status, project.min_confirmed, counts, crawled=project.crawled_at is not None)
    return State(
        project,
        role,
        counts,
        search,
        hands,
        breakdown,
        step,
        parse_report(project.model_json),
    )


def _progress(state: State) -> str:
    return render_template(
        "projects/project/_progress.html", state=state, project=state.project, role=state.role, reason=reasons.reason,
        breakdown_parts=charts.breakdown_parts(state.breakdown),
        no_face_url=project_url("files.page", state.project.id),
    )  # fmt: skip


@bp.get("/projects/<int:project_id>")
def page(project_id: int) -> str:
    """Render the page; its upper half is the HTML that `live` returns."""
    with transaction() as db:
        state = _load_state(db, project_id)
        curve = progress.curve(db, project_id)
        members = projects.members(db, project_id)
    plot = charts.histogram(state.report.distances if state.report else None)
    return render_template(
        "projects/project/page.html", project=state.project, role=state.role, state=state, progress=_progress(state), plot=plot,
        threshold_x=charts.axis_x(state.project.distance_threshold), curve=curve, points=charts.curve_points(curve),
        within=charts.count_within(plot, state.project.distance_threshold), members=members, charts=charts,
    )  # fmt: skip


@bp.get("/projects/<int:project_id>/progress")
def live(project_id: int) -> Response:
    """Return the upper half of the page as HTML, with a hash that changes when the HTML does."""
    with transaction() as db:
        state = _load_state(db, project_id, accept_cached=True)
    html = _progress(state)
    content_hash = hashlib.sha256(html.encode()).hexdigest()[:16]
    return jsonify({"html": html, "mark": content_hash, "busy": state.busy, "said": state.step.text})


@bp.get("/projects/<int:project_id>/progress.json")
def numbers(project_id: int) -> Response:
    """Return the progress as JSON, for programs.

    `files` and `waiting` (not searched yet) are counts; `crawled`: the source was read; `model_current`: the model is
    up to date; `may_stop`: the model reports that labelling may stop; `hard`: it reports that the people are hard to tell
    apart; `weak`: the faces were encoded with the weaker network.
    """
    with transaction() as db:
        project, _ = access.member(db, project_id)
        counts = progress.counts(db, [project_id])[project_id]
        current = not tasks.is_wanted(db, "model", project_id)
    report = parse_report(project.model_json)
    return jsonify(
        {
            "may_stop": report is not None and report.may_stop,
            "hard": report is not None and report.hard,
            "weak": report is not None and report.weak,
            "files": counts.files,
            "waiting": counts.waiting,
            "crawled": project.crawled_at is not None,
            "model_current": current,
        }
    )


@bp.post("/projects/<int:project_id>/retry")
def retry(project_id: int) -> Redirect:
    """Search the failed files again, and read the source again."""

    def work(db: Connection) -> None:
        access.member(db, project_id)
        files.search_again(db, progress.try_again(db, project_id))
        tasks.want(db, "crawl", project_id)

    services().database.retry(work)
    flash(gettext("It is tried again."), "good")
    return redirect(url_for("project.page", project_id=project_id))
