"""Who did how much."""

from flask import Blueprint, render_template

from store import leaderboard
from web.access import public
from web.services import transaction

bp = Blueprint("leaderboard", __name__)
SHOWN = 100


@bp.get("/leaderboard")
@public
def index() -> str:
    """The most active volunteers."""
    with transaction() as db:
        standings = leaderboard.top(db, SHOWN)
    return render_template("leaderboard/index.html", standings=standings)
