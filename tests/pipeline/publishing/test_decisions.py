"""The decision about an edit for the current content of the wiki."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.publishing.decisions import Leave, Seen, Verdict, Write, as_written, decide, surplus
from store.publishing.edits import Action, Edit
from wiki.depicts import Entity, Statement
from wiki.files import FileInfo, MissingFile, Why

OURS, THEIRS = "M7$AAAAAAAA-2222-4333-8444-555555555555", "M7$BBBBBBBB-2222-4333-8444-555555555555"
BOX = "pct:10,20,30,40"
SHA1 = "a" * 40


def edit(action: Action = "add", **more: Any) -> Edit:
    known = Edit(
        id=1, batch_id=1, project_id=1, user_id=1, page_id=7, title="7.jpg", item="Q42", action=action, face_id=None,
        probability=None, approved_by=None, approved_sha1=SHA1, statement_id=OURS, qualifier=None, prominent=False,
        forced=False, undoes=None, state="queued", base_revision=None, revision_id=None, attempts=0, error=None,
        error_detail=None, created_at=datetime.now(UTC), sent_at=None, finished_at=None,
    )  # fmt: skip
    return replace(known, **more)


def file(sha1: str = SHA1) -> FileInfo:
    return FileInfo(7, "File:7.jpg", sha1, 1, 1, 1, "image/jpeg", "BITMAP", "", "u", "", "", "", "", "", "", "")


def entity(*statements: Statement, **more: Any) -> Entity:
    return replace(Entity(7, True, True, 100, statements), **more)


def says(guid: str = OURS, item: str = "Q42", **more: Any) -> Statement:
    return Statement(guid, item, **{"rank": "normal", **more})


def placed(value: str) -> dict[str, Any]:
    return {"P2677": [{"datavalue": {"value": value}}]}


OTHERS = {"P1545": [{"datavalue": {"value": "1"}}]}


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Seen(entity(), file()), Write(100)),
        (Seen(entity(has_mediainfo=False), file()), Write(100)),
        (Seen(entity(says(item="Q5")), file()), Write(100)),
        (Seen(entity(says(OURS.lower())), file()), Leave("done", statement_id=OURS.lower(), revision=100, states=OURS.lower())),
        (Seen(entity(says()), file(), stored=99), Leave("done", statement_id=OURS, revision=99, states=OURS)),
        (Seen(entity(says(THEIRS)), file()), Leave("already", statement_id=THEIRS, states=THEIRS)),
        (Seen(entity(says(THEIRS, rank="preferred", qualifiers=OTHERS)), file("b" * 40)),
         Leave("already", statement_id=THEIRS, states=THEIRS)),
        (Seen(entity(says(THEIRS, rank="deprecated")), file()), Leave("skipped", "deprecated")),
        (Seen(entity(says(THEIRS, rank="deprecated"), says("M7$C")), file()),
         Leave("already", statement_id="M7$C", states="M7$C")),
        (Seen(entity(says(THEIRS, item="Q5", rank="deprecated")), file()), Write(100)),
        (Seen(entity(says(rank="deprecated")), file(), stored=99), Leave("reverted", revision=99)),
        (Seen(entity(says(rank="deprecated")), file()), Leave("reverted", revision=100)),
        (Seen(entity(says(THEIRS)), file(), stored=99), Leave("already", statement_id=THEIRS, states=THEIRS)),
        (Seen(entity(), file(), stored=99), Leave("reverted", revision=99)),
        (Seen(entity(), file("b" * 40)), Leave("skipped", "overwritten")),
        (Seen(entity(), file("b" * 40), stored=99), Leave("skipped", "overwritten")),
        (Seen(entity(), None), Leave("skipped", "overwritten")),
        (Seen(entity(), MissingFile(7, Why.NO_FILE)), Leave("skipped", "no_file")),
        (Seen(entity(exists=False, redirect=True), file()), Leave("skipped", "redirect")),
        (Seen(entity(exists=False), MissingFile(7, Why.DELETED)), Leave("skipped", "deleted")),
    ],
)  # fmt: skip
def test_decision_about_an_addition(seen: Seen, verdict: Leave | Write):
    assert decide(edit(), seen) == verdict


def test_added_statement_whose_item_was_changed_is_not_ours():
    assert decide(edit(), Seen(entity(says(item="Q5")), file(), stored=99)) == Leave("reverted", revision=99)


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Seen(entity(says(THEIRS)), file(), stored=100), Leave("done", statement_id=THEIRS, revision=100, states=THEIRS)),
        (Seen(entity(says(THEIRS)), file(), stored=99), Leave("already", statement_id=THEIRS, states=THEIRS)),
        (Seen(entity(says(THEIRS), says(OURS)), file(), stored=100), Leave("already", statement_id=THEIRS, states=THEIRS)),
        (Seen(entity(says(THEIRS)), file()), Leave("already", statement_id=THEIRS, states=THEIRS)),
        (Seen(entity(), file(), stored=99), Leave("reverted", revision=99)),
        (Seen(entity(), file()), Write(100)),
    ],
)  # fmt: skip
def test_decision_about_an_addition_missing_in_the_restored_ledger(seen: Seen, verdict: Leave | Write):
    """The statement is ours if our request made the newest revision; otherwise another user may have added it again."""
    assert decide(edit(statement_id=None, base_revision=0), seen) == verdict


REMOVAL = edit("remove", statement_id=THEIRS)
UNDO = edit("remove", undoes=9)


@pytest.mark.parametrize(
    ("asked", "seen", "verdict"),
    [
        (REMOVAL, Seen(entity(says(THEIRS))), Write(100, THEIRS)),
        (REMOVAL, Seen(entity(says(THEIRS, qualifiers=OTHERS))), Leave("skipped", "changed_by_others", states=THEIRS)),
        (
            REMOVAL,
            Seen(entity(says(THEIRS, references=({"hash": "x"},)))),
            Leave("skipped", "changed_by_others", states=THEIRS),
        ),
        (replace(REMOVAL, forced=True), Seen(entity(says(THEIRS, qualifiers=OTHERS))), Write(100, THEIRS)),
        (REMOVAL, Seen(entity(says(OURS))), Leave("skipped", "changed_by_others", states=OURS)),
        (REMOVAL, Seen(entity(says(THEIRS, item="Q5"))), Leave("already")),
        (REMOVAL, Seen(entity()), Leave("already")),
        (REMOVAL, Seen(entity(), stored=99), Leave("done", revision=99)),
        (replace(REMOVAL, statement_id=None), Seen(entity(says(OURS))), Write(100, OURS)),
        (REMOVAL, Seen(entity(says(THEIRS, rank="deprecated"))), Leave("already")),
        (REMOVAL, Seen(entity(says(THEIRS, rank="deprecated"), says())), Leave("already", states=OURS)),
        (replace(REMOVAL, forced=True), Seen(entity(says(THEIRS, rank="deprecated"))), Write(100, THEIRS)),
        (UNDO, Seen(entity(says(rank="deprecated"))), Leave("skipped", "changed_by_others", states=OURS)),
        (UNDO, Seen(entity(says())), Write(100, OURS)),
        (UNDO, Seen(entity(says(rank="preferred"))), Leave("skipped", "changed_by_others", states=OURS)),
        (UNDO, Seen(entity(says(qualifiers=OTHERS))), Leave("skipped", "changed_by_others", states=OURS)),
        (
            replace(UNDO, forced=True),
            Seen(entity(says(qualifiers=OTHERS))),
            Leave("skipped", "changed_by_others", states=OURS),
        ),
        (UNDO, Seen(entity(says(THEIRS))), Leave("already", states=THEIRS)),
        (replace(UNDO, qualifier=BOX), Seen(entity(says(qualifiers=placed(BOX)))), Write(100, OURS)),
        (replace(UNDO, qualifier=BOX), Seen(entity(says())), Leave("skipped", "changed_by_others", states=OURS)),
        (replace(UNDO, prominent=True), Seen(entity(says(rank="preferred"))), Write(100, OURS)),
    ],
)
def test_decision_about_a_removal(asked: Edit, seen: Seen, verdict: Leave | Write):
    assert decide(asked, seen) == verdict


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Seen(entity(says()), file()), Write(100, OURS)),
        (Seen(entity(says(qualifiers=OTHERS)), file()), Write(100, OURS)),
        (
            Seen(entity(says(qualifiers=placed("pct:1,1,1,1"))), file()),
            Leave("already", statement_id=OURS, states=OURS),
        ),
        (
            Seen(entity(says(qualifiers=placed(BOX))), file(), stored=99),
            Leave("done", statement_id=OURS, revision=99, states=OURS),
        ),
        (Seen(entity(says(THEIRS)), file()), Leave("skipped", "statement_gone")),
        (Seen(entity(says(item="Q5")), file()), Leave("skipped", "statement_gone")),
        (Seen(entity(says()), file("b" * 40)), Leave("skipped", "overwritten", states=OURS)),
    ],
)
def test_decision_about_a_position(seen: Seen, verdict: Leave | Write):
    assert decide(edit("qualify", qualifier=BOX), seen) == verdict


def test_duplicate_of_ours_is_removed_only_while_it_is_unchanged():
    both = entity(says(), says(THEIRS))
    assert surplus(edit(), Seen(both)) == says()
    assert surplus(edit(), Seen(entity(says()))) is None
    assert surplus(edit(), Seen(entity(says(THEIRS), says(THEIRS + "2")))) is None
    assert surplus(edit(), Seen(entity(says(qualifiers=OTHERS), says(THEIRS)))) is None
    assert surplus(edit(statement_id=None), Seen(both)) is None
    assert surplus(edit("remove"), Seen(both)) is None


OLD = says(item="Q7")  # It was merged into Q42.


@pytest.mark.parametrize(
    ("wanted", "found", "verdict"),
    [
        (edit(), OLD, Leave("done", statement_id=OURS, revision=100, states=OURS)),
        (edit(), says(THEIRS, item="Q7"), Leave("already", statement_id=THEIRS, states=THEIRS)),
        (edit(), says(THEIRS, item="Q8"), Write(100)),
        (edit("remove", item="Q7", undoes=3), says(), Write(100, OURS)),
        (edit("remove", item="Q7", undoes=3), says(qualifiers=OTHERS), Leave("skipped", "changed_by_others", states=OURS)),
        (edit("remove", statement_id=THEIRS), says(THEIRS, item="Q7"), Write(100, THEIRS)),
        (edit("qualify", qualifier=BOX), OLD, Write(100, OURS)),
    ],
)  # fmt: skip
def test_merged_item_denotes_the_same_person(wanted: Edit, found: Statement, verdict: Verdict):
    assert decide(wanted, Seen(entity(found), file(), same=frozenset({"Q7", "Q42"}))) == verdict


def test_duplicate_with_the_merged_item_is_removed():
    both = Seen(entity(says(), says(THEIRS, item="Q7")), same=frozenset({"Q7", "Q42"}))
    assert surplus(edit(), both) == says()


def test_unchanged_statement_is_recognised_as_written():
    assert as_written(edit(qualifier=BOX, prominent=True), says(qualifiers=placed(BOX), rank="preferred"))
    assert not as_written(edit(), says(qualifiers=placed(BOX)))
