"""The blueprints of the application, one per subject. They never import each other."""

from web import (
    account,
    admin,
    batches,
    classify,
    creation,
    dashboard,
    files,
    health,
    leaderboard,
    pages,
    pictures,
    project,
    publishing,
    review,
    settings,
)

BLUEPRINTS = (
    account.bp,
    admin.bp,
    batches.bp,
    classify.bp,
    creation.bp,
    dashboard.bp,
    files.bp,
    health.bp,
    leaderboard.bp,
    pages.bp,
    pictures.bp,
    project.bp,
    publishing.bp,
    review.bp,
    settings.bp,
)
