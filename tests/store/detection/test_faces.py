"""Faces: those kept by a repeated search, drawn boxes and their visibility, and claims of drawn faces."""

import pytest

from boxes import Box
from database import Connection
from store import worker_claims
from store.detection import faces
from store.errors import LeaseLost, NotFound, Stale
from store.labelling import answers, labels, model_input
from tests.store import support
from tests.store.support import LEFT, RIGHT, SHA1, record_answer

NEARLY_LEFT = Box(0.11, 0.1, 0.2, 0.19)
OTHER_SHA1 = "b" * 40
ENCODING = b"\x01" * 512


@pytest.fixture
def project(db: Connection) -> int:
    return support.project(db, pages=[1, 2])


def test_face_that_is_found_again_keeps_its_id_and_answers(db: Connection, project: int):
    left, right = support.search(db, 1, LEFT, RIGHT)
    record_answer(db, project, 1, 1, left, "target")
    assert support.search(db, 1, NEARLY_LEFT, RIGHT) == [left, right]
    labels.rebuild(db, project, [1])
    assert support.labels(db, project) == {left: ("target", "human"), right: ("other", "implied")}
    assert db.value("SELECT box_left FROM faces WHERE id = %s", (left,)) == pytest.approx(0.11)


def test_face_that_is_not_found_again_is_deleted_or_hidden(db: Connection, project: int):
    left, right = support.search(db, 1, LEFT, RIGHT)
    record_answer(db, project, 1, 1, left, "target")
    support.search(db, 1, sha1=OTHER_SHA1)
    assert db.rows("SELECT id, state, encoding FROM faces") == [{"id": left, "state": "gone", "encoding": None}]
    assert faces.of_file(db, project, 1) == []
    assert db.value("SELECT COUNT(*) FROM face_chips WHERE face_id = %s", (right,)) == 0
    assert db.value("SELECT COUNT(*) FROM answers") == 1


def test_face_with_a_decision_of_a_human_is_kept_for_the_same_bytes(db: Connection, project: int):
    left, _ = support.search(db, 1, LEFT, RIGHT)
    record_answer(db, project, 1, 1, left, "not_face")
    assert support.search(db, 1) == [left]
    labels.rebuild(db, project, [1])
    assert support.labels(db, project) == {left: ("not_face", "human")}
    assert faces.unseen(db, 1, SHA1, []) == faces.of_file(db, project, 1)
    assert faces.unseen(db, 1, SHA1, [NEARLY_LEFT]) == []


def test_removing_a_face_keeps_predictions_and_questions_of_other_faces(db: Connection, project: int):
    other = support.project(db, "Bob", pages=[1, 2])
    left, right = support.search(db, 1, LEFT, RIGHT)
    for number in (project, other):
        db.many(
            "INSERT INTO predictions (project_id, face_id, page_id, suggestion, run) VALUES (%s, %s, 1, 'match', 1)",
            [(number, left), (number, right)],
        )
        db.many(
            "INSERT INTO questions (project_id, position, page_id, face_id, reason, run) VALUES (%s, %s, 1, %s, 'x', 1)",
            [(number, 0, left), (number, 1, right)],
        )
    support.search(db, 1, RIGHT)
    for table in ("predictions", "questions"):
        assert db.rows(f"SELECT project_id, face_id FROM {table} ORDER BY 1") == [
            {"project_id": number, "face_id": right} for number in (project, other)
        ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([(7, LEFT)], [LEFT], {0: 7}),
        ([(7, LEFT)], [RIGHT], {}),
        ([(7, LEFT), (8, RIGHT)], [RIGHT, LEFT], {0: 8, 1: 7}),
        ([(7, LEFT)], [NEARLY_LEFT, LEFT], {1: 7}),
        ([(7, LEFT), (8, NEARLY_LEFT)], [LEFT], {0: 7}),
        ([], [LEFT], {}),
    ],
)
def test_boxes_are_matched_by_overlap(old: list[tuple[int, Box]], new: list[Box], expected: dict[int, int]):
    assert faces.match_boxes(old, new) == expected


def test_drawn_face_is_visible_in_its_project_only(db: Connection, project: int):
    stranger = support.project(db, "Bob", pages=[1])
    (left,) = support.search(db, 1, LEFT)
    drawn = faces.draw(db, project, 1, 1, NEARLY_LEFT, replaces=left, sha1=SHA1)
    assert [face.id for face in faces.of_file(db, project, 1)] == [drawn]
    assert [face.id for face in faces.of_file(db, stranger, 1)] == [left]
    assert faces.of_files(db, project, [1, 2]) == {1: faces.of_file(db, project, 1), 2: []}


def test_undoing_the_answer_removes_the_drawn_box(db: Connection, project: int):
    (left,) = support.search(db, 1, LEFT)
    drawn = faces.draw(db, project, 1, 1, NEARLY_LEFT, replaces=left, sha1=SHA1)
    record_answer(db, project, 1, 1, drawn, "target")
    assert [answer.face_id for answer in answers.undo(db, project, 1)] == [drawn]
    assert [face.id for face in faces.of_file(db, project, 1)] == [left]


@pytest.mark.parametrize(
    ("box", "replaces", "reason"),
    [
        (Box(-0.1, 0, 0.2, 0.2), None, "box"),
        (Box(0.9, 0, 0.2, 0.2), None, "box"),
        (Box(0, 0, 0.001, 0.2), None, "box"),
        (LEFT, 999, "face"),
    ],
)
def test_impossible_boxes_are_refused(db: Connection, project: int, box: Box, replaces: int | None, reason: str):
    with pytest.raises(Stale) as caught:
        faces.draw(db, project, 1, 1, box, replaces=replaces, sha1=SHA1)
    assert caught.value.reason == reason


def test_box_in_a_file_outside_the_project_is_refused(db: Connection, project: int):
    with pytest.raises(NotFound):
        faces.draw(db, project, 77, 1, LEFT, replaces=None, sha1=SHA1)


def test_drawn_face_is_claimed_once_and_settled_with_its_token(db: Connection, project: int):
    drawn = [faces.draw(db, project, 1, 1, box, replaces=None, sha1=SHA1) for box in (LEFT, RIGHT)]
    claimed = faces.claim_drawn(db, "one", 10)
    assert [face.id for face in claimed] == drawn
    assert faces.claim_drawn(db, "two", 10) == []
    worker_claims.release(db, ["one"])
    again = faces.claim_drawn(db, "two", 10)
    with pytest.raises(LeaseLost):
        faces.encoded(db, claimed[0], support.found())
    faces.not_encoded(db, claimed[1], again=False)
    faces.encoded(db, again[0], support.found())
    assert db.column("SELECT state FROM faces ORDER BY id") == ["encoded", "waiting"]
    faces.not_encoded(db, again[1], again=False)
    assert db.column("SELECT state FROM faces ORDER BY id") == ["encoded", "failed"]
    assert db.value("SELECT box_left FROM faces WHERE id = %s", (drawn[0],)) == LEFT.left


def test_drawn_face_is_retried_later(db: Connection, project: int):
    faces.draw(db, project, 1, 1, LEFT, replaces=None, sha1=SHA1)
    assert faces.drawn_in(db) == 0
    (claimed,) = faces.claim_drawn(db, "one", 10)
    faces.encode_later(db, claimed, 60)
    assert faces.drawn_in(db) == pytest.approx(60, abs=2)
    assert faces.claim_drawn(db, "two", 10) == []
    db.execute("UPDATE faces SET leased_at = leased_at - INTERVAL 61 SECOND")
    assert len(faces.claim_drawn(db, "two", 10)) == 1


def test_drawn_face_waits_again_after_the_file_was_overwritten(db: Connection, project: int):
    drawn = faces.draw(db, project, 1, 1, RIGHT, replaces=None, sha1=SHA1)
    (claimed,) = faces.claim_drawn(db, "one", 1)
    faces.encoded(db, claimed, support.found(RIGHT))
    support.search(db, 1, LEFT)
    assert db.value("SELECT state FROM faces WHERE id = %s", (drawn,)) == "encoded"
    support.search(db, 1, LEFT, sha1=OTHER_SHA1)
    assert db.value("SELECT state FROM faces WHERE id = %s", (drawn,)) == "waiting"


def test_file_is_intact_if_every_face_has_a_current_encoding(db: Connection, project: int):
    assert faces.intact(db, 1, ["e"])
    (left,) = support.search(db, 1, LEFT)
    assert faces.intact(db, 1, ["e"])
    assert faces.intact(db, 1, ["newer", "e"])
    assert not faces.intact(db, 1, ["newer"])
    drawn_with(db, project, left, "older")
    assert not faces.intact(db, 1, ["e"])
    db.execute("UPDATE faces SET state = 'waiting', encoding = NULL WHERE project_id IS NOT NULL")
    assert faces.intact(db, 1, ["e"])
    db.execute("UPDATE faces SET state = 'dropped', encoding = NULL")
    assert not faces.intact(db, 1, ["e"])


def drawn_with(db: Connection, project: int, replaces: int | None, encoder: str) -> int:
    """Return a drawn face that was encoded."""
    drawn = faces.draw(db, project, 1, 1, NEARLY_LEFT, replaces=replaces, sha1=SHA1)
    db.execute(
        "UPDATE faces SET state = 'encoded', encoding = %s, encoder = %s WHERE id = %s", (ENCODING, encoder, drawn)
    )
    db.execute("INSERT INTO face_chips (face_id, jpeg) VALUES (%s, 'drawn')", (drawn,))
    return drawn


def test_faces_with_another_encoder_are_returned_with_their_chips(db: Connection, project: int):
    left, right = support.search(db, 1, LEFT, RIGHT)
    drawn = drawn_with(db, project, None, "older")
    assert faces.outdated_chips(db, 1, ["e", "older"]) == []
    db.execute("UPDATE files SET width = 900, height = 600 WHERE page_id = 1")
    outdated = faces.outdated_chips(db, 1, ["newer", "older"])
    assert outdated is not None
    assert {(face.face_id, face.encoder, face.jpeg) for face in outdated} == {
        (left, "e", b"jpeg"),
        (right, "e", b"jpeg"),
    }
    assert {(face.width, face.height) for face in outdated} == {(900, 600)}
    db.execute("UPDATE files SET searched_width = 600, searched_height = 400 WHERE page_id = 1")
    (found,) = faces.outdated_chips(db, 1, ["e"]) or []
    assert (found.face_id, found.width, found.height) == (drawn, 600, 400)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM face_chips",
        "UPDATE faces SET state = 'dropped', encoding = NULL",
        "UPDATE files SET width = NULL, searched_width = NULL",
    ],
)
def test_faces_cannot_be_encoded_from_chips_that_are_incomplete(db: Connection, project: int, change: str):
    support.search(db, 1, LEFT)
    db.execute("UPDATE files SET width = 900, height = 600")
    assert faces.outdated_chips(db, 1, ["newer"])
    db.execute(change)
    assert faces.outdated_chips(db, 1, ["newer"]) is None


def test_encoding_is_replaced_only_if_it_is_of_the_expected_version(db: Connection, project: int):
    (left,) = support.search(db, 1, LEFT)
    faces.encode_anew(db, left, "older", ENCODING, "newer")
    assert db.rows("SELECT encoder, encoding FROM faces") == [{"encoder": "e", "encoding": bytes(512)}]
    faces.encode_anew(db, left, "e", ENCODING, "newer")
    assert db.rows("SELECT encoder, encoding FROM faces") == [{"encoder": "newer", "encoding": ENCODING}]


def test_model_reads_the_faces_visible_to_the_project(db: Connection, project: int):
    left, right = support.search(db, 1, LEFT, RIGHT)
    drawn = faces.draw(db, project, 1, 1, NEARLY_LEFT, replaces=left, sha1=SHA1)
    seen = {face.id: face.checksum for face in model_input.faces(db, project)}
    assert set(seen) == {right, drawn}
    assert seen[right] is not None
    assert seen[drawn] is None
