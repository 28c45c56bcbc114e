"""Answers: repetitions are harmless, a step is stored as a whole or not at all, undo withdraws answers."""

from uuid import uuid4

import pytest

from database import Connection, Database
from store.errors import NotFound, Stale
from store.jobs import tasks
from store.labelling import answers, labels
from store.labelling.answers import Recorded
from tests.store import support
from tests.store.support import LEFT, RIGHT, answer, record_answer


@pytest.fixture
def ada(db: Connection) -> int:
    return support.user(db, "Ada")


@pytest.fixture
def bob(db: Connection) -> int:
    return support.user(db, "Bob")


@pytest.fixture
def project(db: Connection, ada: int) -> int:
    return support.project(db, pages=[1, 2, 3])


def test_repeated_step_is_stored_once(db: Connection, project: int, ada: int):
    (face,) = support.search(db, 1, LEFT)
    given = [answer(1, face, "target")]
    assert answers.record(db, project, ada, given) == Recorded(repeated=False, differs=None)
    before = db.rows("SELECT * FROM user_stats")
    assert answers.record(db, project, ada, given) == Recorded(repeated=True, differs=None)
    assert db.value("SELECT COUNT(*) FROM answers") == 1
    assert db.rows("SELECT * FROM user_stats") == before


def test_step_with_an_invalid_answer_is_not_stored(database: Database):
    with database.transaction() as db:
        ada = support.user(db)
        project = support.project(db, pages=[1])
        left, right = support.search(db, 1, LEFT, RIGHT)
    with pytest.raises(NotFound), database.transaction() as db:
        answers.record(db, project, ada, [answer(1, left, "target"), answer(1, 99_999, "other")])
    with database.transaction() as db:
        assert db.value("SELECT COUNT(*) FROM answers") == 0
        answers.record(db, project, ada, [answer(1, left, "target"), answer(1, right, "not_face")])
        assert support.labels(db, project) == {left: ("target", "human"), right: ("not_face", "human")}


@pytest.mark.parametrize(("face", "value"), [(True, "shown"), (False, "target"), (True, "nonsense")])
def test_answer_of_the_wrong_kind_for_a_face_or_file_is_refused(
    db: Connection, project: int, ada: int, face: bool, value: str
):
    (found,) = support.search(db, 1, LEFT)
    with pytest.raises(Stale):
        record_answer(db, project, ada, 1, found if face else None, value)


def test_answer_about_a_deleted_face_is_refused_as_stale(db: Connection, project: int, ada: int):
    (face,) = support.search(db, 1, LEFT)
    record_answer(db, project, ada, 1, face, "target")
    support.search(db, 1, sha1="b" * 40)
    with pytest.raises(Stale) as caught:
        record_answer(db, project, ada, 1, face, "other")
    assert caught.value.reason == "gone"


def test_files_and_faces_of_other_projects_are_not_found(db: Connection, project: int, ada: int):
    support.project(db, "Bob", pages=[9])
    (face,) = support.search(db, 9, LEFT)
    with pytest.raises(NotFound):
        record_answer(db, project, ada, 9, face, "target")
    with pytest.raises(NotFound):
        record_answer(db, project, ada, 1, face, "target")


def test_undo_withdraws_the_newest_step_of_the_same_user(db: Connection, project: int, ada: int, bob: int):
    (first,), (second,), (third,) = (support.search(db, page, LEFT) for page in (1, 2, 3))
    record_answer(db, project, ada, 1, first, "target")
    record_answer(db, project, ada, 2, second, "target")
    record_answer(db, project, bob, 3, third, "other")
    assert [each.face_id for each in answers.undo(db, project, ada)] == [second]
    assert support.labels(db, project) == {first: ("target", "human"), third: ("other", "human")}
    assert [each.face_id for each in answers.undo(db, project, ada)] == [first]
    assert answers.undo(db, project, ada) == []
    assert support.labels(db, project) == {third: ("other", "human")}
    assert db.value("SELECT COUNT(*) FROM answers") == 3  # The table is append-only.
    assert db.value("SELECT COUNT(*) FROM approvals") == 0


def test_undo_restores_the_previous_answer(db: Connection, project: int, ada: int):
    (face,) = support.search(db, 1, LEFT)
    record_answer(db, project, ada, 1, face, "target")
    record_answer(db, project, ada, 1, face, "other")
    assert support.labels(db, project) == {face: ("other", "human")}
    answers.undo(db, project, ada)
    assert support.labels(db, project) == {face: ("target", "human")}
    assert db.value("SELECT face_id FROM approvals") == face


def test_step_with_several_answers_is_undone_as_a_whole(db: Connection, project: int, ada: int):
    left, right = support.search(db, 1, LEFT, RIGHT)
    step = str(uuid4())
    given = [answer(1, left, "target", step=step), answer(1, right, "not_face", step=step)]
    answers.record(db, project, ada, given)
    assert len(answers.undo(db, project, ada)) == 2
    assert support.labels(db, project) == {}
    assert answers.withdraw(db, project, ada, step) == []


def test_undoing_a_confirmation_cancels_the_waiting_edit(db: Connection, project: int, ada: int):
    (face,) = support.search(db, 1, LEFT)
    record_answer(db, project, ada, 1, face, "target")
    db.execute(
        """INSERT INTO edits (batch_id, project_id, user_id, page_id, title, item, action)
           VALUES (1, %s, %s, 1, '1.jpg', 'Q42', 'add')""",
        (project, ada),
    )
    answers.undo(db, project, ada)
    assert db.row("SELECT state, error FROM edits") == {"state": "cancelled", "error": "not_approved"}


def test_user_with_a_different_answer_is_named(db: Connection, project: int, ada: int, bob: int):
    (face,) = support.search(db, 1, LEFT)
    record_answer(db, project, ada, 1, face, "target")
    assert record_answer(db, project, bob, 1, face, "other").differs == "Ada"
    assert record_answer(db, project, bob, 1, face, "other").differs is None
    assert record_answer(db, project, bob, 1, face, "skip").differs is None


def test_answer_requests_a_model_run_and_deletes_the_question(db: Connection, project: int, ada: int):
    (face,) = support.search(db, 1, LEFT)
    db.execute(
        "INSERT INTO questions (project_id, position, page_id, face_id, reason, run) VALUES (%s, 0, 1, %s, 'first', 1)",
        (project, face),
    )
    record_answer(db, project, ada, 1, face, "target")
    assert db.value("SELECT COUNT(*) FROM questions") == 0
    due = tasks.due_in(db, "model")
    assert due is not None
    assert due <= 0.5


def test_skipped_questions_can_be_asked_again(db: Connection, project: int, ada: int):
    (face,) = support.search(db, 1, LEFT)
    record_answer(db, project, ada, 1, face, "skip")
    assert answers.clear_skips(db, project, ada) == 1
    assert answers.clear_skips(db, project, ada) == 0


def test_answers_about_a_whole_file_are_stored(db: Connection, project: int, ada: int):
    support.search(db, 1)
    record_answer(db, project, ada, 1, None, "shown")
    assert db.value("SELECT file_answer FROM project_files WHERE page_id = 1") == "shown"
    assert db.row("SELECT face_id, kind FROM approvals") == {"face_id": None, "kind": "alone"}
    record_answer(db, project, ada, 1, None, "not_shown")
    assert db.value("SELECT COUNT(*) FROM approvals") == 0
    answers.undo(db, project, ada)
    assert db.value("SELECT file_answer FROM project_files WHERE page_id = 1") == "shown"


def test_sha1_of_the_shown_picture_is_stored(db: Connection, project: int, ada: int):
    (face,) = support.search(db, 1, LEFT)
    record_answer(db, project, ada, 1, face, "target")
    assert db.value("SELECT sha1 FROM answers") == support.SHA1
    assert db.value("SELECT sha1 FROM approvals") == support.SHA1


def test_workers_do_not_change_answers_of_humans(db: Connection, project: int, ada: int):
    """Repeated detection, bootstrap and a rebuild change no answer of a human."""
    (face,) = support.search(db, 1, LEFT)
    record_answer(db, project, ada, 1, face, "other")
    before = db.rows("SELECT * FROM answers"), support.labels(db, project)
    db.execute("UPDATE project_files SET stated = 1, origin = 'portrait'")
    support.search(db, 1, LEFT)
    labels.rebuild_everywhere(db, [1])
    assert (db.rows("SELECT * FROM answers"), support.labels(db, project)) == before
