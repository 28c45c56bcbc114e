"""The oracle of the random history names each kind of wrong edit, and none where all is as it was shown."""

import random
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.attacks.history import GRACE_S, History, Plan, Row, Written
from tests.attacks.site import Site
from tests.attacks.test_random_history import KNOWN

SHOWN = Plan(None, {"A.jpg": Row("A.jpg", preferred=False, by="Alice", sha1="a")}, "Q1")
RIGHT = Written(100.0, "Alice", "A.jpg", "of abc", [("Q1", "normal")], [], "a")
BATCH = {"id": 1, "project_id": 7, "item": "Q1", "kind": "send"}


class Ledger:
    """A site whose database says that Alice approved the file."""

    def value(self, _sql: str, *_args: Any) -> str:
        return "Alice"


@pytest.fixture
def history() -> History:
    return History(cast(Site, Ledger()), random.Random(1), pressed={1: SHOWN})


def test_what_was_shown_is_no_violation(history: History):
    history.judge(RIGHT, BATCH)
    assert not history.violations
    assert history.judged == 1


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"title": "B.jpg"}, "a statement was written that was not shown"),
        ({"added": [("Q2", "normal")]}, "another item was written than was shown"),
        ({"added": [("Q1", "preferred")]}, "another rank was written than was shown"),
        ({"sha1": "b"}, "a statement was written about bytes that were not shown"),
    ],
)
def test_another_edit_than_was_shown_is_named(history: History, changed: dict[str, Any], name: str):
    history.judge(replace(RIGHT, **changed), BATCH)
    assert dict(history.violations) == {name: 1}


def test_another_approver_than_was_shown_is_named(history: History):
    row = replace(SHOWN.rows["A.jpg"], by="Bob")
    history.pressed[1] = replace(SHOWN, rows={"A.jpg": row})
    history.judge(RIGHT, BATCH)
    assert dict(history.violations) == {"somebody else had approved what was written than was shown": 1}


@pytest.mark.parametrize(("since", "wrong"), [(100.0 - 2 * GRACE_S, True), (99.5, False), (101.0, False)])
def test_an_edit_after_the_block_is_named(history: History, since: float, wrong: bool):
    history.blocked["Q1"] = since
    history.judge(RIGHT, BATCH)
    assert ("a statement about a blocked person was written" in history.violations) is wrong


@pytest.mark.parametrize(("since", "wrong"), [(100.0 - 2 * GRACE_S, True), (99.5, False)])
def test_an_edit_for_a_former_owner_is_named(history: History, since: float, wrong: bool):
    history.left["Alice", 7] = since
    history.judge(RIGHT, BATCH)
    assert ("an edit went out for a former owner" in history.violations) is wrong


def test_an_undo_of_what_was_not_shown_is_named(history: History):
    undo = replace(RIGHT, added=[], removed=["Q1"])
    history.undone[2] = {"A.jpg"}
    history.judge(undo, {**BATCH, "id": 2, "kind": "undo"})
    assert not history.violations
    history.judge(undo, {**BATCH, "id": 3, "kind": "undo"})
    assert dict(history.violations) == {"a statement was undone that was not shown": 1}


def test_every_known_violation_says_what_it_comes_from():
    assert all(sentence.endswith(".") for sentence in KNOWN.values())
