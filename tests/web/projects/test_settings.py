"""Settings, members and deletion of a project."""

import pytest

from database import Database
from store.projects import projects
from tests.web.browser import Browser
from tests.web.conftest import Cast, sign_up

GOOD = {"label": "Adams", "threshold": "0.45", "confirmed": "3", "budget": "500", "position": "1"}


def stored(database: Database, cast: Cast) -> projects.Project:
    with database.transaction() as db:
        project = projects.get(db, cast.project_id)
    assert project is not None
    return project


def test_changed_settings_are_stored_and_request_a_model_run(database: Database, alice: Browser, cast: Cast):
    assert alice.post(f"/projects/{cast.project_id}/settings", **GOOD).status_code == 302
    project = stored(database, cast)
    assert (project.label, project.distance_threshold, project.min_confirmed) == ("Adams", 0.45, 3)
    assert (project.error_budget, project.write_position, project.settings_version) == (500, True, 1)
    with database.transaction() as db:
        assert db.value("SELECT 1 FROM tasks WHERE kind = 'model' AND subject_id = %s", (cast.project_id,))


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("threshold", "", "number from 0.1 to 1.0"),
        ("threshold", "abc", "number from 0.1 to 1.0"),
        ("threshold", "0.05", "number from 0.1 to 1.0"),
        ("threshold", "1.01", "number from 0.1 to 1.0"),
        ("threshold", "nan", "number from 0.1 to 1.0"),
        ("threshold", "1e400", "number from 0.1 to 1.0"),
        ("confirmed", "0", "whole number from 1 to 1000"),
        ("confirmed", "-1", "whole number from 1 to 1000"),
        ("confirmed", "2.5", "whole number from 1 to 1000"),
        ("confirmed", "٣", "whole number from 1 to 1000"),
        ("confirmed", "9" * 400, "whole number from 1 to 1000"),
        ("budget", "7", "Choose one of the budgets"),
        ("label", "  ", "1 to 255 characters"),
        ("label", "x" * 256, "1 to 255 characters"),
    ],
)
def test_invalid_field_is_named_and_nothing_is_stored(
    database: Database, alice: Browser, cast: Cast, field: str, value: str, sentence: str
):
    answer = alice.post(f"/projects/{cast.project_id}/settings", **{**GOOD, field: value})
    assert answer.status_code == 400
    assert sentence in answer.text
    assert f'id="{field}-error"' in answer.text
    assert stored(database, cast).settings_version == 0


def test_decimal_comma_is_accepted(database: Database, alice: Browser, cast: Cast):
    alice.post(f"/projects/{cast.project_id}/settings", **{**GOOD, "threshold": "0,55"})
    assert stored(database, cast).distance_threshold == 0.55


def test_threshold_can_be_changed_separately(database: Database, alice: Browser, cast: Cast):
    alice.post(f"/projects/{cast.project_id}/threshold", threshold="0.52")
    assert stored(database, cast).distance_threshold == 0.52
    assert alice.post(f"/projects/{cast.project_id}/threshold", threshold="2").status_code == 400


@pytest.mark.parametrize("status", ["paused", "completed", "active"])
def test_status_can_be_changed(database: Database, alice: Browser, cast: Cast, status: str):
    alice.post(f"/projects/{cast.project_id}/status", status=status)
    assert stored(database, cast).status == status


def test_status_deleted_cannot_be_set(alice: Browser, cast: Cast):
    assert alice.post(f"/projects/{cast.project_id}/status", status="deleted").status_code == 400


@pytest.mark.parametrize("typed", ["Charlie", " charlie ", "User:Charlie", "user:charlie"])
def test_user_can_be_invited(alice: Browser, charlie: Browser, cast: Cast, typed: str):
    assert charlie.get(f"/projects/{cast.project_id}").status_code == 404
    alice.post(f"/projects/{cast.project_id}/members", name=typed)
    assert charlie.get(f"/projects/{cast.project_id}").status_code == 200
    assert charlie.get(f"/projects/{cast.project_id}/settings").status_code == 403


def test_user_who_never_signed_in_cannot_be_invited(alice: Browser, cast: Cast):
    answer = alice.post(f"/projects/{cast.project_id}/members", name="Nobody")
    assert answer.status_code == 400
    assert "has signed in here yet" in answer.text


def test_second_owner_can_be_added_and_removed(alice: Browser, bob: Browser, cast: Cast):
    alice.post(f"/projects/{cast.project_id}/members", name="Bob", role="owner")
    assert bob.get(f"/projects/{cast.project_id}/settings").status_code == 200
    bob.post(f"/projects/{cast.project_id}/members/{cast.alice.id}/remove")
    assert alice.get(f"/projects/{cast.project_id}/settings").status_code == 200
    alice.post(f"/projects/{cast.project_id}/members/{cast.bob.id}/remove")
    assert bob.get(f"/projects/{cast.project_id}").status_code == 404


def test_member_can_leave(bob: Browser, cast: Cast):
    assert bob.post(f"/projects/{cast.project_id}/leave").location == "/projects"
    assert bob.get(f"/projects/{cast.project_id}").status_code == 404


@pytest.mark.parametrize("typed", ["Douglas Adams", "  douglas   ADAMS ", "Q42", "q42"])
def test_owner_can_delete_the_project(database: Database, alice: Browser, cast: Cast, typed: str):
    answer = alice.post(f"/projects/{cast.project_id}/delete", confirm=typed)
    assert answer.location == "/projects"
    assert stored(database, cast).status == "deleted"
    assert "Statements that were sent are still on Commons" in alice.get("/projects").text


@pytest.mark.parametrize("typed", ["", "yes", "Douglas", "Q43"])
def test_deletion_requires_the_name_of_the_project(database: Database, alice: Browser, cast: Cast, typed: str):
    answer = alice.post(f"/projects/{cast.project_id}/delete", confirm=typed)
    assert answer.status_code == 400
    assert "Nothing was deleted" in answer.text
    assert stored(database, cast).status == "active"


def test_member_of_another_project_cannot_be_removed(database: Database, charlie: Browser, cast: Cast):
    with database.transaction() as db:
        other = projects.create(db, sign_up(db, "Dora").id, projects.NewProject(item="Q1", label="X", source="X"))
        mine = projects.create(db, cast.charlie.id, projects.NewProject(item="Q2", label="Y", source="Y"))
        projects.add_member(db, other, cast.bob.id, "labeller")
    charlie.post(f"/projects/{mine}/members/{cast.bob.id}/remove")
    with database.transaction() as db:
        assert [member.name for member in projects.members(db, other)] == ["Dora", "Bob"]
