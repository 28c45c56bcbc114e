"""The application's blueprints, one per subject; none imports another."""

from web.accounts import account, admin
from web.jobs import health
from web.labelling import chips, classify, files_without_faces, review
from web.projects import creation, dashboard, leaderboard, project, settings
from web.publishing import batches, plan
from web.site import pages

BLUEPRINTS = (
    account.bp,
    admin.bp,
    batches.bp,
    classify.bp,
    creation.bp,
    dashboard.bp,
    files_without_faces.bp,
    health.bp,
    leaderboard.bp,
    pages.bp,
    chips.bp,
    project.bp,
    plan.bp,
    review.bp,
    settings.bp,
)
