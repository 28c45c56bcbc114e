"""The plan, sending, batches, undo, removals and the audit: contents, permissions and texts of the pages."""

import re
from typing import Any

import pytest

from database import Database
from store.labelling import audit, progress
from store.projects import merges, projects
from store.publishing import batches, plans
from tests.web.browser import Browser
from tests.web.conftest import Cast
from tests.web.publishing.support import Case, json_of, make_case, post_json


@pytest.fixture
def case(database: Database, cast: Cast) -> Case:
    """Eight files, the first four confirmed by Alice."""
    users = {"Alice": cast.alice.id, "Bob": cast.bob.id}
    found = make_case(database, cast.project_id, users, 8)
    for place in range(4):
        found.record_answer(place, "target")
    return found


@pytest.fixture
def batch(case: Case, database: Database) -> int:
    """A batch of all approved files, queued."""
    with database.transaction() as db:
        found = plans.send(db, case.project_id, case.users["Alice"])
    assert found is not None
    return found


def settle(case: Case, place: int, state: str, **more: Any) -> None:
    """Record the outcome of the edit of a file, as a worker does."""
    values = {"state": state, "statement_id": f"M{case.page(place)}$own", "finished_at": "2026-01-02 03:04:05", **more}
    columns = ", ".join(f"{name} = %s" for name in values)
    case.execute(
        f"UPDATE edits SET {columns} WHERE page_id = %s AND undoes IS NULL", *values.values(), case.page(place)
    )


def verdicts(case: Case) -> dict[str, int]:
    with case.database.transaction() as db:
        return plans.summary(db, case.project_id).counts


def titles(page: str) -> list[int]:
    return [int(number) for number in re.findall(r">Picture (\d+)\.jpg</a>", page)]


def test_plan_lists_the_edits(case: Case, alice: Browser):
    page = alice.get(case.url("/send")).text
    assert sorted(titles(page)) == [0, 1, 2, 3]
    assert "4 statements will be written" in page
    assert "confirmed by Alice" in page
    assert "depicts [[d:Q42|Douglas Adams]], seen with WikiVisage" in page
    assert case.value("SELECT COUNT(*) FROM edits") == 0


def test_plan_states_the_expected_number_of_wrong_statements(case: Case, alice: Browser):
    case.predict((5, "match", 0.9), (6, "match", 0.8))
    alice.send(case.url("/review/approve"), {"all": 1, "show": "matches"})
    page = alice.get(case.url("/send")).text
    assert "2 were approved in bulk; wrong ones to be expected among them: about 0.3." in page
    assert titles(page)[:2] == [6, 5]  # The least certain comes first.


def test_every_verdict_has_a_text(case: Case, alice: Browser, batch: int):
    case.state(1)
    settle(case, 0, "reverted")
    case.execute("DELETE FROM edits WHERE page_id IN (%s, %s)", case.page(1), case.page(2))
    case.execute("UPDATE approvals SET suspended = 1 WHERE page_id = %s", case.page(2))
    assert verdicts(case) == {"reverted": 1, "stated": 1, "overwritten": 1, "open": 1}
    for name, place in {"reverted": 0, "stated": 1, "overwritten": 2, "open": 3}.items():
        page = alice.get(case.url(f"/send?show={name}")).text
        assert titles(page) == [place]
        assert '<p class="muted">' in page


def test_files_that_cannot_be_edited_are_listed_with_reasons(case: Case, alice: Browser):
    case.execute("UPDATE project_files SET protected = 1 WHERE page_id = %s", case.page(0))
    case.change_files("UPDATE files SET state = 'gone', error = 'redirect' WHERE page_id = %s", case.page(1))
    case.change_files("UPDATE files SET state = 'gone', error = 'deleted' WHERE page_id = %s", case.page(2))
    assert verdicts(case) == {"protected": 1, "redirect": 1, "gone": 1, "send": 1}
    for place, name, words in (
        (0, "protected", "pages are protected"),
        (1, "redirect", "lead to"),
        (2, "gone", "not on"),
    ):
        page = alice.get(case.url(f"/send?show={name}")).text
        assert titles(page) == [place]
        assert words in page
    with case.database.transaction() as db:
        assert progress.counts(db, [case.project_id])[case.project_id].unsent == 1
    assert post_json(alice, case.url("/send/again"), {"pages": [case.page(0)]}) == {"planned": 1}
    assert verdicts(case) == {"redirect": 1, "gone": 1, "send": 2}


def test_plan_warns_about_many_reverts(case: Case, alice: Browser, batch: int):
    for place in (0, 1):
        settle(case, place, "reverted")
    assert "taken back by others on Commons. Look" not in " ".join(alice.get(case.url("/send")).text.split())
    settle(case, 2, "reverted")
    page = " ".join(alice.get(case.url("/send")).text.split())
    assert "3 statements of this project were taken back by others on Commons. Look" in page


def test_plan_reports_a_merged_item(case: Case, alice: Browser):
    assert "were merged" not in alice.get(case.url("/send")).text
    with case.database.transaction() as db:
        merges.follow(db, "Q42", "Q43", blocked=False)
    page = alice.get(case.url("/send")).text
    assert "On Wikidata Q42 and Q43 are the same person now" in page
    assert "depicts [[d:Q43|" in page


def test_failed_edit_is_planned_again_with_the_earlier_reason(case: Case, alice: Browser, batch: int):
    settle(case, 0, "failed", error="protected")
    page = alice.get(case.url("/send")).text
    assert titles(page) == [0]
    assert "The page is protected and this account may not edit it." in page


def test_sending_twice_creates_one_batch(case: Case, alice: Browser):
    first, second = (post_json(alice, case.url("/send"), {})["batch"] for _ in range(2))
    assert first is not None
    assert second is None
    assert case.value("SELECT COUNT(*) FROM batches") == 1
    assert case.value("SELECT COUNT(*) FROM edits") == 4


def test_sending_twice_with_the_form_redirects_to_the_same_batch(case: Case, alice: Browser):
    answers = [alice.post(case.url("/send")) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert answers[0].location == answers[1].location
    assert case.value("SELECT COUNT(*) FROM batches") == 1


def test_sending_an_empty_plan_shows_a_message(database: Database, cast: Cast, alice: Browser):
    case = make_case(database, cast.project_id, {}, 1)
    assert post_json(alice, case.url("/send"), {}) == {"batch": None}
    alice.post(case.url("/send"))
    assert "There is nothing to send." in alice.get(case.url("/send")).text


def test_only_owners_can_send(case: Case, bob: Browser, batch: int):
    page = bob.get(case.url("/send")).text
    assert "Sending is for the owners" in page
    assert "data-once" not in page.partition("<main")[2].replace("sign-out", "")
    settle(case, 0, "done")
    for path in (
        "/send",
        "/send/again",
        "/send/positions",
        "/removals",
        f"/batches/{batch}/pause",
        f"/batches/{batch}/undo",
    ):
        answer = bob.send(case.url(path), {"pages": [case.page(0)], "all": 1})
        assert answer.status_code == 403, path
    assert case.value("SELECT COUNT(*) FROM batches") == 1


def test_publishing_pages_are_not_found_for_users_who_are_not_members(case: Case, charlie: Browser, batch: int):
    for path in ("/send", "/history", "/removals", "/audit", f"/batches/{batch}", f"/batches/{batch}.json"):
        assert charlie.get(case.url(path)).status_code == 404, path
    assert charlie.send(case.url(f"/batches/{batch}/undo"), {"all": 1}).status_code == 404


def test_sending_is_refused_if_the_wiki_authorization_has_ended(case: Case, alice: Browser):
    case.execute("UPDATE users SET refresh_token = NULL")
    page = alice.get(case.url("/send")).text
    assert "Your sign-in with Wikimedia has expired" in page
    answer = alice.send(case.url("/send"), {})
    assert (answer.status_code, json_of(answer)["error"]) == (409, "sign_in")
    assert case.value("SELECT COUNT(*) FROM edits") == 0


def test_a_batch_of_another_project_is_not_found(
    case: Case, alice: Browser, batch: int, database: Database, cast: Cast
):
    with database.transaction() as db:
        other = projects.create(db, cast.alice.id, projects.NewProject("Q1", "Other", "Other"))
    assert alice.get(f"/projects/{other}/batches/{batch}").status_code == 404
    assert alice.send(f"/projects/{other}/batches/{batch}/undo", {"all": 1}).status_code == 404


def state(browser: Browser, case: Case, batch: int) -> dict[str, Any]:
    found: dict[str, Any] = json_of(browser.get(case.url(f"/batches/{batch}.json")))
    return found


def test_batch_page_shows_its_progress(case: Case, alice: Browser, batch: int):
    settle(case, 0, "done", revision_id=77)
    settle(case, 1, "failed", error="protected")
    now = state(alice, case, batch)
    assert (now["state"], now["counts"], now["open"], now["total"]) == (
        "running",
        {"done": 1, "failed": 1, "queued": 2},
        2,
        4,
    )
    page = alice.get(case.url(f"/batches/{batch}")).text
    assert "Special:Diff/77" in page
    assert "The page is protected" in page
    assert "editgroups-commons" in page
    assert titles(alice.get(case.url(f"/batches/{batch}?show=failed")).text) == [1]


def test_batch_page_shows_the_reason_and_duration_of_a_wait(case: Case, alice: Browser, batch: int):
    with case.database.transaction() as db:
        batches.waiting(db, case.users["Alice"], 30, "maxlag", 7.5)
    now = state(alice, case, batch)
    assert 25 <= now["waiting_seconds"] <= 30
    assert now["lag"] == 7.5
    assert "databases are behind" in now["waiting_why"]
    assert "7.5 seconds" in now["waiting_why"]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("sign_in", "sign-in of Alice has expired"),
        ("blocked", "Alice is blocked"),
        ("reverted", "taken back by others"),
        ("wiki_says_no", "refused one edit after the other"),
        ("human", "Resume it when you like"),
        ("wrong_account", "another account than expected"),
    ],
)
def test_paused_batch_shows_the_reason_and_the_next_step(
    case: Case, alice: Browser, batch: int, reason: str, words: str
):
    with case.database.transaction() as db:
        batches.pause(db, batch, reason)
    assert words in state(alice, case, batch)["why"]


def test_batch_can_be_paused_resumed_and_stopped(case: Case, alice: Browser, batch: int):
    for act, expected in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        answer = alice.send(case.url(f"/batches/{batch}/{act}"), {})
        assert json_of(answer)["state"] == expected
    assert state(alice, case, batch)["counts"] == {"cancelled": 4}
    assert verdicts(case) == {"send": 4}


def test_batch_can_be_resumed_only_by_the_user_who_sent_it(case: Case, alice: Browser, bob: Browser, batch: int):
    case.execute("UPDATE project_members SET role = 'owner'")
    assert post_json(bob, case.url(f"/batches/{batch}/pause"), {})["state"] == "paused"
    for act in ("resume", "retry"):
        assert bob.send(case.url(f"/batches/{batch}/{act}"), {}).status_code == 403
    assert state(bob, case, batch)["can"] == {
        "pause": False,
        "resume": False,
        "stop": True,
        "retry": False,
        "undo": False,
    }
    assert post_json(alice, case.url(f"/batches/{batch}/resume"), {})["state"] == "running"


def test_batch_cannot_be_resumed_if_the_wiki_authorization_has_ended(case: Case, alice: Browser, batch: int):
    case.execute("UPDATE batches SET state = 'paused', pause_reason = 'sign_in'")
    case.execute("UPDATE users SET refresh_token = NULL")
    answer = alice.send(case.url(f"/batches/{batch}/resume"), {})
    assert json_of(answer)["state"] == "paused"
    assert "Sign in again" in json_of(answer)["text"]


def test_failed_edits_can_be_retried(case: Case, alice: Browser, batch: int):
    settle(case, 0, "failed", error="protected")
    settle(case, 1, "skipped", error="deleted")
    answer = alice.send(case.url(f"/batches/{batch}/retry"), {})
    assert json_of(answer)["text"] == "1 edit is tried again."
    assert state(alice, case, batch)["counts"] == {"queued": 3, "skipped": 1}


def test_one_edit_or_the_whole_batch_can_be_undone(case: Case, alice: Browser, batch: int):
    for place in range(3):
        settle(case, place, "done")
    settle(case, 3, "already")
    first = case.value("SELECT id FROM edits WHERE page_id = %s", case.page(0))
    foreign = case.value("SELECT id FROM edits WHERE page_id = %s", case.page(3))
    one = post_json(alice, case.url(f"/batches/{batch}/undo"), {"edits": [first, foreign]})["batch"]
    assert state(alice, case, one)["counts"] == {"queued": 1}
    page = alice.get(case.url(f"/batches/{batch}/undo")).text
    assert "Undo this whole batch?" in page
    every = alice.post(case.url(f"/batches/{batch}/undo"), all="1")
    assert every.location == case.url(f"/batches/{one + 1}")
    assert state(alice, case, one + 1)["counts"] == {"queued": 2}
    assert post_json(alice, case.url(f"/batches/{batch}/undo"), {"all": 1}) == {"batch": None}


def test_undone_edit_is_planned_again_only_on_request(case: Case, alice: Browser, batch: int):
    settle(case, 0, "undone")
    assert verdicts(case) == {"undone": 1, "open": 3}
    assert post_json(alice, case.url("/send"), {})["batch"] is None
    assert post_json(alice, case.url("/send/again"), {"pages": [case.page(0)]}) == {"planned": 1}
    assert verdicts(case) == {"send": 1, "open": 3}


def test_reverted_edit_is_planned_again_only_on_request(case: Case, alice: Browser, batch: int):
    settle(case, 0, "reverted")
    assert "Somebody on Commons took these statements back" in alice.get(case.url("/send?show=reverted")).text
    alice.post(case.url("/send/again"), pages=str(case.page(0)))
    assert verdicts(case) == {"send": 1, "open": 3}


def test_history_lists_batches_and_reverts(case: Case, alice: Browser, bob: Browser, batch: int):
    settle(case, 0, "reverted")
    for browser in (alice, bob):
        page = browser.get(case.url("/history")).text
        assert f"/batches/{batch}" in page
        assert "taken back on Commons: 1" in page


def test_long_history_is_paginated(case: Case, alice: Browser, database: Database):
    with database.transaction() as db:
        for _ in range(40):
            batches.create(db, case.project_id, case.users["Alice"], "send", "Q42", "Douglas Adams")
    page = alice.get(case.url("/history")).text
    older = re.search(r'href="([^"]+before=\d+)"', page)
    assert older is not None
    assert len(set(re.findall(r"/batches/(\d+)", page))) == 30
    assert len(set(re.findall(r"/batches/(\d+)", alice.get(older[1]).text))) == 10


@pytest.fixture
def offered(case: Case) -> Case:
    """Files 4 and 5 state the person on Commons; Alice rejected the face in both."""
    case.state(4, 5)
    case.record_answer(4, "other")
    case.record_answer(5, "other")
    return case


def test_statement_about_a_rejected_face_is_offered_for_removal(offered: Case, alice: Browser):
    assert "2 statements to remove?" in alice.get(offered.url("/send")).text
    page = alice.get(offered.url("/removals")).text
    assert titles(page) == [4, 5]
    assert "rejected by Alice" in page


def test_only_selected_statements_are_removed(offered: Case, alice: Browser):
    assert alice.send(offered.url("/removals"), {"pages": []}).status_code == 400
    batch = post_json(alice, offered.url("/removals"), {"pages": [offered.page(4), offered.page(0)]})["batch"]
    assert state(alice, offered, batch)["counts"] == {"queued": 1}
    row = "SELECT CONCAT(action, ' ', forced, ' ', page_id) FROM edits"
    assert offered.value(row) == f"remove 0 {offered.page(4)}"


def test_removing_a_statement_changed_by_others_needs_a_second_confirmation(offered: Case, alice: Browser):
    batch = post_json(alice, offered.url("/removals"), {"pages": [offered.page(4)]})["batch"]
    assert "forced" not in alice.get(offered.url("/removals")).text
    settle(offered, 4, "skipped", error="changed_by_others")
    page = alice.get(offered.url("/removals")).text
    assert f'name="forced" value="{offered.page(4)}"' in page
    assert f'name="forced" value="{offered.page(5)}"' not in page
    again = alice.post(offered.url("/removals"), pages=str(offered.page(4)), forced=str(offered.page(4)))
    assert again.location == offered.url(f"/batches/{batch + 1}")
    assert offered.value("SELECT forced FROM edits WHERE batch_id = %s", batch + 1) == 1


def test_audit_lists_only_statements_that_the_model_is_sure_are_wrong(case: Case, alice: Browser):
    case.state(3, 4, 5, 6, 7)
    case.record_answer(7, "unsure")
    case.predict((4, "no_match", 0.004), (5, "unsure", 0.3), (6, "no_match", 0.002), (7, "no_match", 0.001))
    page = alice.get(case.url("/audit")).text
    assert titles(page) == [6, 4]
    assert "0.4%" in page
    assert "2 existing statements look wrong" in alice.get(case.url("/send")).text
    assert case.value("SELECT COUNT(*) FROM edits") == 0


def test_file_with_an_undecided_face_is_not_in_the_audit(database: Database, cast: Cast):
    case = make_case(database, cast.project_id, {"Alice": cast.alice.id}, 2, each=2)
    case.state(0, 1)
    every = [face for listed in case.faces.values() for face in listed]
    for face, suggestion in zip(every, ("no_match", "no_match", "no_match", "unsure"), strict=True):
        page = next(page for page, listed in case.faces.items() if face in listed)
        case.execute(
            "INSERT INTO predictions VALUES (%s, %s, %s, 0.9, 0.01, %s, 1)", case.project_id, face, page, suggestion
        )
    with database.transaction() as db:
        assert [row.page_id for row in audit.doubted(db, case.project_id, 10)[0]] == [case.page(0)]
        assert audit.count(db, case.project_id) == 1


def test_positions_are_offered_if_enabled_in_the_project(case: Case, alice: Browser, batch: int):
    settle(case, 0, "done")
    assert "Add the positions" not in alice.get(case.url("/send")).text
    case.execute("UPDATE projects SET write_position = 1")
    assert "Add the positions" in alice.get(case.url("/send")).text
    batch = post_json(alice, case.url("/send/positions"), {})["batch"]
    assert case.value("SELECT qualifier FROM edits WHERE batch_id = %s", batch).startswith("pct:36")


@pytest.mark.parametrize("path", ["/send/again", "/removals"])
@pytest.mark.parametrize("sent", [{}, {"pages": "x"}, {"pages": [0]}, {"pages": None}, []])
def test_invalid_publishing_input_is_refused(case: Case, alice: Browser, path: str, sent: Any):
    answer = alice.send(case.url(path), sent)
    assert answer.status_code == 400
    assert json_of(answer)["text"]
