"""Who did how much."""

from flask import Blueprint, render_template

from store.projects import leaderboard
from web.site.access import public
from web.site.services import transaction

bp = Blueprint("leaderboard", __name__)
MOST_ROWS = 100


@bp.get("/leaderboard")
@public
def index() -> str:
    """The most active volunteers."""
    with transaction() as db:
        volunteers = leaderboard.top(db, MOST_ROWS)
    return render_template("projects/leaderboard/index.html", volunteers=volunteers)
