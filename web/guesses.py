"""How many faces the model suggests, kept for as long as its run is the last one."""

from flask import current_app

from database import Connection
from store import review
from store.projects import Project
from web.recent import Recent


def predicted(db: Connection, project: Project) -> dict[str, int]:
    """What review.predicted gives. A minute old at most: files go away, and their faces with them, without a run."""
    kept: Recent = current_app.extensions.setdefault("guesses", Recent(seconds=60))
    return kept.get((project.id, project.model_run), lambda: review.predicted(db, project.id))
