"""The leaderboard: the most active volunteers with their counts."""

from flask import Blueprint, render_template

from store.projects import leaderboard
from web.site.access import public
from web.site.services import transaction

bp = Blueprint("leaderboard", __name__)
MOST_ROWS = 100  # volunteers


@bp.get("/leaderboard")
@public
def index() -> str:
    """Render the leaderboard."""
    with transaction() as db:
        volunteers = leaderboard.top(db, MOST_ROWS)
    return render_template("projects/leaderboard/index.html", volunteers=volunteers)
