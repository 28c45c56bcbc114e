"""Planned edits and omitted files, by the state of the file, the ledger and the answers."""

import threading
from typing import Any

import pytest

from database import Connection, Database
from store.detection import files
from store.labelling import audit, labels
from store.projects import projects
from store.publishing import plans, positions
from testing.file_copies import change_files
from testing.waiting import joined
from tests.store import support


def approved(
    db: Connection, pages: range = range(1, 4), owner: str = "Ada", *, answer: str = "target"
) -> tuple[int, int]:
    """Create a project whose files have one face each, confirmed by a human; return (project, user)."""
    project = support.project(db, owner, source=owner, pages=pages)
    user = db.value("SELECT owner_id FROM projects WHERE id = %s", (project,))
    for page in pages:
        known = db.column("SELECT id FROM faces WHERE page_id = %s", (page,))
        (face,) = known or support.search(db, page, support.LEFT)
        if answer:
            support.record_answer(db, project, user, page, face, answer)
    return project, user


LEDGER = """INSERT INTO edits (batch_id, project_id, user_id, page_id, title, item, action, state)
  VALUES (1, %s, 1, 1, 'x', 'Q42', 'add', %s)"""


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ("", "send"),
        ("UPDATE approvals SET suspended = 1 WHERE page_id = 1", "overwritten"),
        ("UPDATE files SET state = 'gone' WHERE page_id = 1", "gone"),
        ("UPDATE project_files SET stated = 1 WHERE page_id = 1", "stated"),
        ("queued", "open"),
        ("sending", "open"),
        ("done", "sent"),
        ("already", "sent"),
        ("reverted", "reverted"),
        ("undone", "undone"),
        ("failed", "send"),
        ("skipped", "send"),
        ("cancelled", "send"),
    ],
)
def test_each_file_gets_the_expected_verdict(db: Connection, change: str, verdict: str):
    project, user = approved(db)
    if " " in change:
        change_files(db, change)
    elif change:
        db.execute(LEDGER, (project, change))
    (found,) = [one for one in plans.plan(db, project, verdict, 50).files if one.page_id == 1]
    assert found.verdict == verdict
    batch = plans.send(db, project, user)
    queued = db.column("SELECT page_id FROM edits WHERE batch_id = %s ORDER BY page_id", (batch,))
    assert queued == ([1, 2, 3] if verdict == "send" else [2, 3])


def test_plan_waits_for_open_edits_but_not_for_finished_ones_of_another_project(db: Connection):
    project, _ = approved(db)
    other, _ = approved(db, owner="Bob")
    plans.send(db, project, 1)
    assert plans.summary(db, other).counts == {"open": 3}
    db.execute("UPDATE edits SET state = 'failed'")
    assert plans.summary(db, other).counts == {"send": 3}


def test_sending_twice_makes_one_batch(database: Database):
    with database.transaction() as db:
        project, user = approved(db)
    found: list[int | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(database.retry(lambda db: plans.send(db, project, user))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    joined(threads)
    assert sorted(one is None for one in found) == [False, True, True, True]
    with database.transaction() as db:
        assert db.value("SELECT COUNT(*) FROM edits") == 3


def test_edit_records_approval_rank_and_position(db: Connection):
    project, user = approved(db)
    db.execute("UPDATE projects SET write_position = 1")
    db.execute("UPDATE approvals SET prominent = page_id = 2")
    plans.send(db, project, user)
    rows = db.rows("SELECT approved_by, approved_sha1, prominent, qualifier FROM edits ORDER BY page_id")
    known: dict[str, Any] = {
        "approved_by": user,
        "approved_sha1": support.SHA1,
        "qualifier": "pct:10.00,10.00,20.00,20.00",
    }
    assert rows == [known | {"prominent": int(page == 2)} for page in (1, 2, 3)]


def test_reverted_or_undone_edit_is_planned_only_on_request(db: Connection):
    project, user = approved(db, range(1, 3))
    db.execute(LEDGER, (project, "reverted"))
    assert plans.send_again(db, project, [1, 2]) == 1
    assert plans.send_again(db, project, [1, 2]) == 0
    assert plans.summary(db, project).counts == {"send": 2}
    assert plans.send(db, project, user) is not None


def test_deleted_project_sends_no_further_edits(db: Connection):
    project, user = approved(db)
    plans.send(db, project, user)
    projects.delete(db, project)
    assert db.column("SELECT DISTINCT state FROM edits") == ["cancelled"]


def test_edit_is_cancelled_if_the_file_is_overwritten(db: Connection):
    """The new bytes suspend the approval, and the waiting edit is cancelled."""
    project, user = approved(db, range(1, 2))
    plans.send(db, project, user)
    db.execute("UPDATE files SET sha1 = REPEAT('b', 40)")
    labels.rebuild_everywhere(db, [1])
    assert db.rows("SELECT state, error FROM edits") == [{"state": "cancelled", "error": "not_approved"}]
    assert plans.summary(db, project).counts == {"overwritten": 1}


OFFERED = [
    ("other", 1, True),
    ("not_face", 1, True),
    ("other", 0, False),
    ("target", 1, False),
    ("unsure", 1, False),
    ("", 1, False),
]


@pytest.mark.parametrize(("answer", "stated", "offered"), OFFERED)
def test_statements_about_rejected_faces_are_offered_for_removal(
    db: Connection, answer: str, stated: int, offered: bool
):
    project, user = approved(db, range(1, 2), answer=answer)
    if stated:
        files.mark_stated(db, project, [(1, "M1$X")])
    assert [one.page_id for one in plans.removal_offers(db, project)] == ([1] if offered else [])
    batch = plans.remove_stated(db, project, user, [1], forced=False)
    assert (batch is not None) == offered
    if offered:
        assert plans.removal_offers(db, project) == [], "it is on its way"
        row = db.row("SELECT action, statement_id, forced, undoes FROM edits")
        assert row == {"action": "remove", "statement_id": "M1$X", "forced": 0, "undoes": None}


def test_statement_is_not_offered_for_removal_if_a_face_has_no_answer(db: Connection):
    project = support.project(db, pages=[1])
    left, _ = support.search(db, 1, support.LEFT, support.RIGHT)
    files.mark_stated(db, project, [(1, "M1$X")])
    support.record_answer(db, project, support.user(db), 1, left, "other")
    assert plans.removal_offers(db, project) == []


def test_undo_is_possible_for_finished_edits_of_this_project_only(db: Connection):
    project, user = approved(db, range(1, 2))
    other = support.project(db, "Bob", source="Bob")
    for state in ("done", "already", "failed", "undone", "reverted"):
        db.execute(LEDGER, (project, state))
    db.execute("UPDATE edits SET statement_id = CONCAT('M1$', id)")
    every = db.column("SELECT id FROM edits ORDER BY id")
    assert plans.undo(db, other, user, every) is None
    assert plans.undo(db, project, user, every) is not None
    assert db.column("SELECT undoes FROM edits WHERE action = 'remove'") == every[:1]


def predict(db: Connection, project: int, page: int, face: int, suggestion: str, chance: float) -> None:
    db.execute(
        """INSERT INTO predictions (project_id, face_id, page_id, distance, probability, suggestion, run)
           VALUES (%s, %s, %s, 0.9, %s, %s, 1)""",
        (project, face, page, chance, suggestion),
    )


def test_audit_lists_statements_that_the_model_is_sure_are_wrong(db: Connection):
    """They are sorted by certainty, and omitted if a human answered, a face is undecided or no face was found."""
    project = support.project(db, pages=range(1, 7))
    user = support.user(db)
    files.mark_stated(db, project, [(page, f"M{page}$X") for page in range(1, 7)])
    for page, chances in {1: [0.01], 2: [0.002, 0.001], 3: [0.4], 4: [0.01], 5: [0.01]}.items():
        boxes = [support.LEFT, support.RIGHT][: len(chances)]
        for face, chance in zip(support.search(db, page, *boxes), chances, strict=True):
            predict(db, project, page, face, "no_match" if chance < 0.1 else "unsure", chance)
    support.record_answer(db, project, user, 4, db.value("SELECT id FROM faces WHERE page_id = 4"), "other")
    files.mark_unstated(db, project, [5])
    found, total, page = audit.doubted(db, project, 50)
    assert ([(one.page_id, one.faces) for one in found], total, page) == ([(2, 2), (1, 1)], 2, 1)
    assert found[0].probability == pytest.approx(0.002)
    assert audit.count(db, project) == 2
    second, total, page = audit.doubted(db, project, 1, 7)
    assert ([one.page_id for one in second], total, page) == ([1], 2, 2)
    assert audit.doubted(db, support.project(db, "Eve"), 50, 3) == ([], 0, 1)
    assert plans.removal_offers(db, project) == [] or 2 not in [
        one.page_id for one in plans.removal_offers(db, project)
    ]


def test_statements_without_a_position_can_get_one(db: Connection):
    project, user = approved(db)
    db.execute("UPDATE projects SET write_position = 1")
    plans.send(db, project, user)
    db.execute("UPDATE edits SET state = 'done', statement_id = CONCAT('M', page_id, '$X'), qualifier = NULL")
    db.execute("UPDATE edits SET qualifier = 'pct:1,1,1,1' WHERE page_id = 2")
    db.execute("UPDATE files SET sha1 = REPEAT('b', 40) WHERE page_id = 3")
    (only,) = positions.bare(db, project)
    assert db.value("SELECT page_id FROM edits WHERE id = %s", (only,)) == 1
    assert positions.qualify(db, project, user, [only]) is not None
    assert positions.qualify(db, project, user, [only]) is None, "it is on its way"
    row = db.row("SELECT page_id, statement_id, qualifier, approved_by FROM edits WHERE action = 'qualify'")
    assert row == {
        "page_id": 1,
        "statement_id": "M1$X",
        "qualifier": "pct:10.00,10.00,20.00,20.00",
        "approved_by": user,
    }


REFUSALS = [
    "UPDATE labels SET label = 'other', source = 'human' WHERE page_id = 2",
    "UPDATE labels SET label = 'not_face', source = 'human' WHERE page_id = 2",
    "UPDATE labels SET label = 'unsure', source = 'human' WHERE page_id = 2",
    "UPDATE labels SET label = 'other', source = 'implied' WHERE page_id = 2",
    "UPDATE project_files SET file_answer = 'not_shown' WHERE page_id = 2",
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_bulk_approval_that_an_answer_contradicts_is_not_planned(db: Connection, refusal: str):
    project, user = approved(db)
    db.execute("UPDATE approvals SET kind = 'bulk'")
    db.execute(refusal)
    assert plans.summary(db, project).counts == {"send": 2}
    batch = plans.send(db, project, user)
    assert db.column("SELECT page_id FROM edits WHERE batch_id = %s ORDER BY page_id", (batch,)) == [1, 3]
