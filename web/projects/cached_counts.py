"""What follows from the last run of the model and takes long to count, kept for as long as it is the last one."""

from flask import current_app

from database import Connection
from store.labelling import audit, review
from store.projects.projects import Project
from web.site.short_cache import Recent


def predicted(db: Connection, project: Project) -> dict[str, int]:
    """What review.predicted gives. A minute old at most: files go away, and their faces with them, without a run."""
    return _kept().get(("predicted", project.id, project.model_run), lambda: review.predicted(db, project.id))


def doubted(db: Connection, project: Project) -> int:
    """What audit.count gives, a minute old at most."""
    return _kept().get(("doubted", project.id, project.model_run), lambda: audit.count(db, project.id))


def _kept() -> Recent:
    kept: Recent = current_app.extensions.setdefault("guesses", Recent(seconds=60))
    return kept
