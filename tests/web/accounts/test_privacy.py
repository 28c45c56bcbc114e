"""The download of a volunteer's data, the deletion of an account, and data that no user can request."""

import json
from typing import Any

import pytest

from database import Database
from store.accounts import blocked_items
from store.detection import faces
from store.projects import projects
from store.projects.projects import NewProject
from store.publishing import plans
from tests.web.browser import Browser
from tests.web.conftest import Cast, sign_up
from tests.web.publishing.support import BOXES, Case, make_case

# Every column that can name a user. The test fails if the schema has another one.
NAMING = {
    "answers.user_id", "approvals.user_id", "batches.user_id", "blocked_items.added_by", "edits.approved_by",
    "edits.user_id", "faces.drawn_by", "project_members.user_id", "projects.owner_id", "search_turns.owner_id",
    "user_stats.user_id",
}  # fmt: skip


@pytest.fixture
def case(database: Database, cast: Cast) -> Case:
    """Alice's project, in which Alice and Bob answered, drew boxes, approved and sent."""
    found = make_case(database, cast.project_id, {"Alice": cast.alice.id, "Bob": cast.bob.id}, 5)
    found.record_answer(0, "target")
    found.record_answer(1, "other", "Bob")
    found.record_answer(2, "target", "Bob")
    with database.transaction() as db:
        for user in (cast.alice, cast.bob):
            faces.draw(db, cast.project_id, found.page(3), user.id, BOXES[2], replaces=None, sha1=None)
        plans.send(db, cast.project_id, cast.alice.id)
        blocked_items.add(db, "Q999", "objects", cast.alice.id)
    return found


def rows(database: Database, sql: str, *args: Any) -> list[dict[str, Any]]:
    with database.transaction() as db:
        return db.rows(sql, args)


def traces(database: Database, user_id: int) -> dict[str, int]:
    """Return how many rows name a user, by table and column."""
    found = {}
    for place in NAMING:
        table, _, column = place.partition(".")
        found[place] = rows(database, f"SELECT COUNT(*) AS n FROM {table} WHERE {column} = %s", user_id)[0]["n"]
    return {place: count for place, count in found.items() if count}


def counts(database: Database) -> dict[str, int]:
    tables = ("answers", "labels", "approvals", "edits", "batches", "faces", "files", "user_stats", "projects")
    return {table: rows(database, f"SELECT COUNT(*) AS n FROM {table}")[0]["n"] for table in tables}


def test_list_of_columns_that_name_a_user_is_complete(database: Database):
    found = rows(
        database,
        """SELECT CONCAT(table_name, '.', column_name) AS place FROM information_schema.columns
           WHERE table_schema = DATABASE() AND (column_name LIKE '%%user%%' OR column_name LIKE '%%owner%%'
             OR column_name LIKE '%%\\_by' OR column_name LIKE '%%name%%')""",
    )
    others = {"users.name", "schema_changes.name"}
    assert {row["place"] for row in found} - others == NAMING


def test_download_contains_all_data_except_tokens(case: Case, alice: Browser, cast: Cast, database: Database):
    with database.transaction() as db:
        db.execute("UPDATE users SET access_token = 'p1:SECRET-ACCESS', refresh_token = 'p1:SECRET-REFRESH'")
    answer = alice.get("/account/data.json")
    found = json.loads(answer.text)
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "SECRET" not in answer.text
    assert (found["account"][0]["name"], found["account"][0]["permission_stored"]) == ("Alice", 1)
    mine = {
        "answers": 1,
        "boxes_drawn": 1,
        "batches": 1,
        "edits": 2,
        "projects": 1,
        "items_blocked": 1,
        "statistics": 1,
    }
    assert {what: len(found[what]) for what in mine} == mine
    assert {answer["user_id"] for answer in found["answers"]} == {cast.alice.id}


def test_account_is_deleted_only_if_its_name_is_entered(case: Case, alice: Browser, cast: Cast, database: Database):
    for typed in ("", "alice", "Bob"):
        answer = alice.post("/account/delete", confirm=typed)
        assert (answer.status_code, "not your name" in answer.text) == (400, True)
    assert "Douglas Adams" in alice.get("/account/delete").text
    assert traces(database, cast.alice.id)


def test_no_row_names_a_deleted_account(case: Case, alice: Browser, cast: Cast, database: Database):
    before = counts(database)
    assert set(traces(database, cast.alice.id)) >= NAMING - {"search_turns.owner_id"}
    assert alice.post("/account/delete", confirm="Alice").status_code == 302
    assert traces(database, cast.alice.id) == {}
    assert counts(database) == before
    assert "user" not in alice.session()
    for table in [
        row["t"]
        for row in rows(
            database, "SELECT table_name AS t FROM information_schema.tables WHERE table_schema = DATABASE()"
        )
    ]:
        text = str(rows(database, f"SELECT * FROM `{table}`"))
        assert "Alice" not in text, table
    answered = rows(database, "SELECT DISTINCT user_id FROM answers")
    sent = rows(database, "SELECT DISTINCT user_id FROM edits")
    assert not {row["user_id"] for row in answered} & {row["user_id"] for row in sent}, "edits would lead to answers"


def test_other_sessions_and_cookies_of_a_deleted_account_are_invalid(case: Case, alice: Browser, app: Any, cast: Cast):
    elsewhere = Browser(app, cast.alice)
    alice.post("/account/delete", confirm="Alice")
    assert elsewhere.get("/projects").location.startswith("/auth/sign-in")


def test_statistics_of_a_deleted_account_are_kept_without_its_name(
    case: Case, alice: Browser, cast: Cast, database: Database, anybody: Browser
):
    before = rows(database, "SELECT answers, matches, projects FROM user_stats WHERE user_id = %s", cast.alice.id)
    alice.post("/account/delete", confirm="Alice")
    assert rows(database, "SELECT answers, matches, projects FROM user_stats WHERE user_id IS NULL") == before
    page = anybody.get("/leaderboard").text
    assert ("a deleted account" in page, "Alice" in page) == (True, False)


def test_project_without_another_owner_is_deleted_and_its_waiting_edits_are_cancelled(
    case: Case, alice: Browser, bob: Browser, database: Database
):
    alice.post("/account/delete", confirm="Alice")
    assert case.value("SELECT status FROM projects") == "deleted"
    assert case.value("SELECT GROUP_CONCAT(DISTINCT state) FROM edits") == "cancelled"
    assert bob.get(case.url()).status_code == 410
    assert case.value("SELECT COUNT(*) FROM tasks WHERE kind = 'purge'") == 1


def test_project_with_another_owner_is_transferred_to_that_owner(
    case: Case, alice: Browser, bob: Browser, cast: Cast, database: Database
):
    with database.transaction() as db:
        projects.add_member(db, cast.project_id, cast.bob.id, "owner")
    alice.post("/account/delete", confirm="Alice")
    assert case.value("SELECT CONCAT(status, owner_id) FROM projects") == f"active{cast.bob.id}"
    page = bob.get(case.url("/review?show=confirmed"))
    assert (page.status_code, "Alice" in page.text) == (200, False)
    assert bob.get(case.url("/settings")).status_code == 200
    assert bob.get(case.url("/history")).status_code == 200


def test_project_is_not_transferred_to_an_owner_of_the_same_project(
    case: Case, alice: Browser, cast: Cast, database: Database
):
    with database.transaction() as db:
        projects.add_member(db, cast.project_id, cast.bob.id, "owner")
        projects.create(db, cast.bob.id, NewProject(item="Q42", label="Douglas Adams", source="Douglas Adams"))
    assert alice.post("/account/delete", confirm="Alice").status_code == 302
    assert case.value("SELECT GROUP_CONCAT(status ORDER BY id) FROM projects") == "deleted,active"


def test_sign_in_after_deletion_creates_a_new_account(case: Case, alice: Browser, cast: Cast, database: Database):
    alice.post("/account/delete", confirm="Alice")
    with database.transaction() as db:
        assert sign_up(db, "Alice").id != cast.alice.id
    assert case.value("SELECT COUNT(*) FROM users WHERE name = 'Alice'") == 1


def test_deleted_account_cannot_be_invited(
    case: Case, alice: Browser, charlie: Browser, cast: Cast, database: Database
):
    with database.transaction() as db:
        theirs = projects.create(db, cast.charlie.id, NewProject("Q1", "Somebody", "Somebody"))
    alice.post("/account/delete", confirm="Alice")
    assert charlie.post(f"/projects/{theirs}/members", name="").status_code == 400


@pytest.mark.parametrize("language", ["en", "nb", "es", "fr"])
def test_privacy_page_states_the_retention_times(anybody: Browser, web_settings: Any, language: str):
    page = anybody.get("/privacy", headers={"Accept-Language": language}).text
    assert f"{web_settings.retention_days:.0f}" in page
    assert "30" in page
    assert web_settings.contact in page
