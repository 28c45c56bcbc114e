"""Labels and approvals derived from the valid answers: table-driven rules, and their storage."""

import pytest

from database import Connection
from store.detection import faces, files
from store.labelling import labels
from store.labelling.labels import CurrentAnswer, FileFacts, derive
from tests.store import support
from tests.store.support import LEFT, RIGHT, SHA1, record_answer

OTHER_SHA1 = "b" * 40


def current_answers(
    *given: tuple[int | None, str], sha1: str | None = SHA1, twice: bool = False
) -> list[CurrentAnswer]:
    return [CurrentAnswer(number, 1, face, answer, twice, sha1) for number, (face, answer) in enumerate(given, 1)]


def facts(*seen: int, stated: bool = False, portrait: bool = False) -> FileFacts:
    return FileFacts(SHA1, stated, portrait, seen)


@pytest.mark.parametrize(
    ("facts", "given", "expected"),
    [
        (facts(1), [], {}),
        (facts(1), [(1, "target")], {1: ("target", "human")}),
        (facts(1), [(1, "target"), (1, "other")], {1: ("other", "human")}),
        (facts(1), [(1, "target"), (1, "skip")], {1: ("target", "human")}),
        (facts(1), [(1, "skip")], {}),
        (facts(1, 2), [(1, "target")], {1: ("target", "human"), 2: ("other", "implied")}),
        (facts(1, 2), [(1, "target"), (2, "target")], {1: ("other", "implied"), 2: ("target", "human")}),
        (facts(1, 2), [(2, "not_face"), (1, "target")], {1: ("target", "human"), 2: ("not_face", "human")}),
        (facts(1, 2), [(1, "other")], {1: ("other", "human")}),
        (facts(1, 2), [(1, "unsure")], {1: ("unsure", "human")}),
        (facts(1, stated=True), [], {1: ("target", "bootstrap")}),
        (facts(1, portrait=True), [], {1: ("target", "portrait")}),
        (facts(1, 2, stated=True), [], {}),
        (facts(1, stated=True), [(1, "other")], {1: ("other", "human")}),
        (facts(2), [(1, "target")], {}),  # The face was deleted.
        (facts(1), [(None, "shown")], {}),
    ],
)
def test_labels_are_derived_from_answers(
    facts: FileFacts, given: list[tuple[int | None, str]], expected: dict[int, tuple[str, str]]
):
    derived = derive(facts, current_answers(*given))
    assert {label.face_id: (label.label, label.source) for label in derived.labels} == expected


def test_collage_can_show_the_person_twice():
    derived = derive(facts(1, 2, 3), current_answers((1, "target"), (2, "target"), twice=True))
    assert {label.face_id: label.label for label in derived.labels} == {1: "target", 2: "target", 3: "other"}


@pytest.mark.parametrize(
    ("given", "face", "file_answer"),
    [
        ([(1, "target")], 1, None),
        ([(None, "shown")], None, "shown"),
        ([(None, "shown"), (None, "not_shown")], "none", "not_shown"),
        ([(1, "target"), (None, "shown")], 1, "shown"),
        ([(1, "other")], "none", None),
    ],
)
def test_approvals_are_derived_from_answers(
    given: list[tuple[int | None, str]], face: int | str | None, file_answer: str | None
):
    derived = derive(facts(1), current_answers(*given))
    assert (derived.approval.face_id if derived.approval else "none") == face
    assert derived.file_answer == file_answer


def test_overwriting_a_file_suspends_label_and_approval():
    derived = derive(facts(1), current_answers((1, "target"), sha1=OTHER_SHA1))
    assert [label.suspended for label in derived.labels] == [True]
    assert derived.approval is not None
    assert derived.approval.suspended


def test_overwritten_file_is_asked_again(db: Connection):
    project = support.project(db, pages=[1])
    (face,) = support.search(db, 1, LEFT)
    record_answer(db, project, 1, 1, face, "target")
    db.execute(
        """INSERT INTO edits (batch_id, project_id, user_id, page_id, title, item, action)
           VALUES (1, %s, 1, 1, '1.jpg', 'Q42', 'add')""",
        (project,),
    )
    assert support.labels(db, project) == {face: ("target", "human")}
    support.search(db, 1, LEFT, sha1=OTHER_SHA1)
    labels.rebuild_everywhere(db, [1])
    assert support.labels(db, project) == {}
    assert db.value("SELECT suspended FROM approvals") == 1
    assert db.value("SELECT state FROM edits") == "cancelled"
    record_answer(db, project, 1, 1, face, "target")
    assert support.labels(db, project) == {face: ("target", "human")}
    assert db.value("SELECT suspended FROM approvals") == 0


def test_labels_are_stored_per_project(db: Connection):
    first, second = support.project(db, "Ada", pages=[1]), support.project(db, "Bob", pages=[1])
    (face,) = support.search(db, 1, LEFT)
    record_answer(db, first, 1, 1, face, "target")
    assert support.labels(db, first) == {face: ("target", "human")}
    assert support.labels(db, second) == {}


def test_bootstrap_labels_follow_the_statements_on_commons(db: Connection):
    project = support.project(db, pages=[1])
    (face,) = support.search(db, 1, LEFT)
    files.mark_stated(db, project, [(1, "M1$x")])
    labels.rebuild(db, project, [1])
    assert support.labels(db, project) == {face: ("target", "bootstrap")}
    files.mark_unstated(db, project, [1])
    labels.rebuild(db, project, [1])
    assert support.labels(db, project) == {}


def test_second_face_removes_the_bootstrap_label(db: Connection):
    project = support.project(db, pages=[1])
    files.mark_stated(db, project, [(1, None)])
    support.search(db, 1, LEFT)
    labels.rebuild(db, project, [1])
    faces.draw(db, project, 1, 1, RIGHT, replaces=None, sha1=SHA1)
    labels.rebuild(db, project, [1])
    assert support.labels(db, project) == {}
