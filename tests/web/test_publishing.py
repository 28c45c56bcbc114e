"""The plan, batches, undo, removals and the history over HTTP: who may do what, and what a page says."""

import dataclasses

import pytest

from config import Settings
from database import Database
from tests.web.publishing_support import Case, make_case


@pytest.fixture
def case(settings: Settings, database: Database) -> Case:
    """Eight files, the first four confirmed by Ada."""
    found = make_case(dataclasses.replace(settings, secret_key="x" * 32), database, 8)
    for place in range(4):
        found.say(place, "target")
    return found


def test_every_page_answers(case: Case):
    client = case.client()
    batch = client.post(case.url("/send"), json={}).json["batch"]
    for path in (
        "/send",
        "/send?show=open",
        f"/batches/{batch}",
        f"/batches/{batch}.json",
        f"/batches/{batch}/edits",
        f"/batches/{batch}/undo",
        "/history",
        "/removals",
        "/audit",
    ):
        assert client.get(case.url(path)).status_code == 200, path
