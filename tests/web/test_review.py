"""The review: its filters, what may be done with faces, and who may do it."""

import dataclasses

import pytest

from config import Settings
from database import Database
from store import plans
from tests.web.publishing_support import Case, make_case


@pytest.fixture
def case(settings: Settings, database: Database) -> Case:
    """Ten files: confirmed, rejected, unsure (human), two bootstrap, then matches 0.99, 0.95, 0.9, unsure, no match."""
    found = make_case(dataclasses.replace(settings, secret_key="x" * 32), database, 10)
    for place, answer in enumerate(("target", "other", "unsure")):
        found.say(place, answer)
    found.state(3, 4)
    found.predict(
        (3, "match", 0.8),
        (4, "no_match", 0.01),
        (5, "match", 0.99),
        (6, "match", 0.95),
        (7, "match", 0.9),
        (8, "unsure", 0.5),
        (9, "no_match", 0.02),
    )
    return found


def test_every_page_answers(case: Case):
    for show in (
        "matches",
        "approved",
        "confirmed",
        "unsure",
        "non_matches",
        "rejected",
        "bootstrap",
        "drawn",
        "stated",
        "waiting",
    ):
        for sort in ("certainty", "doubt", "similarity", "newest"):
            answer = case.client().get(case.url(f"/review?show={show}&sort={sort}"))
            assert answer.status_code == 200, show
