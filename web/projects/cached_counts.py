"""Cached counts that are slow to compute and change with each run of the model."""

from flask import current_app

from database import Connection
from store.labelling import audit, review
from store.projects.projects import Project
from web.site.short_cache import ShortCache


def prediction_counts(db: Connection, project: Project) -> dict[str, int]:
    """Return review.predicted, cached for a minute: files and their faces can disappear without a run of the model."""
    return _cache().get(("predicted", project.id, project.model_run), lambda: review.predicted(db, project.id))


def doubted_file_count(db: Connection, project: Project) -> int:
    """Return audit.count, cached for a minute."""
    return _cache().get(("doubted", project.id, project.model_run), lambda: audit.count(db, project.id))


def _cache() -> ShortCache:
    cache: ShortCache = current_app.extensions.setdefault("cached_counts", ShortCache(seconds=60))
    return cache
