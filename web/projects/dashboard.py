"""The dashboard: a user's projects, each with its next step."""

from dataclasses import dataclass

from flask import Blueprint, render_template, request

from store.detection.faces import Chip
from store.labelling import progress
from store.labelling.progress import ProjectCounts
from store.projects import dashboard
from store.projects.dashboard import Entry
from web.projects.next_step import NextStep, next_step
from web.site import access, urls
from web.site.services import transaction

bp = Blueprint("dashboard", __name__)
CARDS_PER_PAGE = 12  # projects per page


@dataclass(frozen=True)
class Card:
    """A project as shown on the dashboard."""

    entry: Entry
    counts: ProjectCounts
    chip: Chip | None
    step: NextStep


@bp.get("/projects")
def index() -> str:
    """Render one page of the user's projects that match the search text."""
    typed = request.args.get("q", "").strip()[:100]
    number = max(1, request.args.get("page", 1, type=int))
    with transaction() as db:
        entries_page = dashboard.page(db, access.user().id, typed, (number - 1) * CARDS_PER_PAGE, CARDS_PER_PAGE)
        ids = [entry.id for entry in entries_page.entries]
        counts = progress.counts(db, ids)
        chips_by_project = dashboard.avatars(db, ids)
    cards = [_card(entry, counts[entry.id], chips_by_project.get(entry.id)) for entry in entries_page.entries]
    pages = -(-entries_page.total // CARDS_PER_PAGE)
    return render_template(
        "projects/dashboard/index.html", cards=cards, typed=typed, page=number, pages=pages, total=entries_page.total,
        chip_url=urls.chip_url,
    )  # fmt: skip


def _card(entry: Entry, counts: ProjectCounts, chip: Chip | None) -> Card:
    crawled = entry.crawled_at is not None
    return Card(entry, counts, chip, next_step(entry.id, entry.status, entry.min_confirmed, counts, crawled=crawled))
