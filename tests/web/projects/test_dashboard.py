"""Text search in the list of projects."""

import pytest

from database import Database
from tests.web.browser import Browser
from tests.web.conftest import Cast


@pytest.mark.parametrize(
    ("label", "typed", "found"),
    [
        ("Douglas Adams", "q42", True),
        ("Douglas Adams", "ADAM", True),
        ("Thomas Müller", "müll", True),
        ("北野武", "野", True),
        ("Douglas Adams", "Müller", False),
        ("Douglas Adams", "Q٤٢", False),
        ("Douglas Adams", "👩", False),
    ],
)
def test_projects_are_found_in_any_script(
    alice: Browser, cast: Cast, database: Database, label: str, typed: str, found: bool
):
    with database.transaction() as db:
        db.execute("UPDATE projects SET label = %s WHERE id = %s", (label, cast.project_id))
    page = alice.get("/projects", query_string={"q": typed})
    assert page.status_code == 200
    assert (label in page.text) == found
