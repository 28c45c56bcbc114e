"""Pages and JSON calls, a blueprint per subject. HTTP in, HTML or JSON out: no SQL, no numbers, no requests."""

from importlib import import_module

from flask import Blueprint

# One module a line; each has a blueprint called `bp`. They never import each other.
BLUEPRINTS = (
    "web.account",
    "web.admin",
    "web.batches",
    "web.classify",
    "web.creation",
    "web.dashboard",
    "web.files",
    "web.health",
    "web.leaderboard",
    "web.pages",
    "web.pictures",
    "web.project",
    "web.publishing",
    "web.review",
    "web.settings",
)


def blueprints() -> list[Blueprint]:
    """Every blueprint of the application."""
    return [import_module(name).bp for name in BLUEPRINTS]
