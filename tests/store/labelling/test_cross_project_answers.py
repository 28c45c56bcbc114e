"""An answer that names another person becomes a question in that person's project, and nothing more."""

from boxes import Box
from database import Connection
from store.detection import files
from store.detection.faces import draw
from store.jobs import tasks
from store.labelling import answers, cross_project_answers, labels
from store.projects import merges, projects
from store.projects.projects import NewProject
from tests.store import support
from tests.store.support import LEFT, RIGHT

BERTA = "Q1001"


def berta(db: Connection, *pages: int, owner: str = "Bob") -> int:
    """Bob's project about Berta, who is another person in Ada's project; it contains these files."""
    found = projects.create(db, support.user(db, owner), NewProject(BERTA, "Berta", "Photographs with Berta"))
    support.look_at(db, found, list(pages))
    return found


def open_questions(db: Connection, project_id: int) -> list[tuple[int, int | None]]:
    return [(question.page_id, question.face_id) for question in cross_project_answers.questions(db, project_id, 40)]


def no_work(db: Connection) -> None:
    db.execute("DELETE FROM tasks")


def test_named_face_becomes_a_question_in_the_persons_project(db: Connection):
    adas = support.project(db, pages=[1, 2])
    left, right = support.search(db, 1, LEFT, RIGHT)
    bertas = berta(db, 1)
    no_work(db)
    support.record_answer(db, adas, support.user(db), 1, right, "other", other_item=BERTA)
    assert [(q.page_id, q.face_id, q.reason) for q in cross_project_answers.questions(db, bertas, 40)] == [
        (1, right, "named")
    ]
    assert tasks.is_wanted(db, "model", bertas)  # Its questions are chosen again.
    assert support.labels(db, bertas) == {}  # It is a question, not an answer.
    assert db.value("SELECT COUNT(*) FROM approvals WHERE project_id = %s", (bertas,)) == 0
    assert open_questions(db, adas) == []
    support.record_answer(db, bertas, support.user(db, "Bob"), 1, right, "target", reason="named")
    assert open_questions(db, bertas) == []
    assert support.labels(db, bertas) == {left: ("other", "implied"), right: ("target", "human")}


def test_named_face_becomes_a_question_in_a_later_project_that_contains_the_file(db: Connection):
    adas = support.project(db, pages=[1, 2])
    (first,), (second,) = support.search(db, 1, LEFT), support.search(db, 2, LEFT)
    for page, face in ((1, first), (2, second)):
        support.record_answer(db, adas, support.user(db), page, face, "other", other_item=BERTA)
    bertas = berta(db, 2, 3)
    labels.rebuild(db, bertas, [2])
    assert open_questions(db, bertas) == [(2, second)]
    assert files.get(db, [1])  # Ada's project contains it.
    somebody = projects.create(db, support.user(db, "Bob"), NewProject("Q7", "Somebody", "Else"))
    support.look_at(db, somebody, [1, 2])
    assert open_questions(db, somebody) == []


def test_withdrawn_answer_removes_the_question(db: Connection):
    adas, bertas = support.project(db, pages=[1]), berta(db, 1)
    (face,) = support.search(db, 1, LEFT)
    support.record_answer(db, adas, support.user(db), 1, face, "other", other_item=BERTA)
    no_work(db)
    assert answers.undo(db, adas, support.user(db))
    assert open_questions(db, bertas) == []
    assert tasks.is_wanted(db, "model", bertas)


def test_newest_answer_about_a_face_counts(db: Connection):
    adas, bertas, ada = support.project(db, pages=[1]), berta(db, 1), support.user(db)
    (face,) = support.search(db, 1, LEFT)
    support.record_answer(db, adas, ada, 1, face, "other", other_item=BERTA)
    support.record_answer(db, adas, ada, 1, face, "other")  # This answer does not name a person.
    assert open_questions(db, bertas) == [(1, face)]
    support.record_answer(db, adas, ada, 1, face, "other", other_item="Q5")
    assert open_questions(db, bertas) == []
    support.record_answer(db, adas, ada, 1, face, "other", other_item=BERTA)
    support.record_answer(db, adas, ada, 1, face, "target")
    assert open_questions(db, bertas) == []


def test_answer_about_an_older_file_version_does_not_become_a_question(db: Connection):
    adas, bertas = support.project(db, pages=[1]), berta(db, 1)
    (face,) = support.search(db, 1, LEFT)
    support.record_answer(db, adas, support.user(db), 1, face, "other", other_item=BERTA)
    db.execute("UPDATE files SET sha1 = %s WHERE page_id = 1", ("b" * 40,))
    labels.rebuild_everywhere(db, [1])
    assert open_questions(db, bertas) == []


def test_face_with_a_corrected_box_is_asked_with_its_detected_box(db: Connection):
    adas, bertas, ada = support.project(db, pages=[1]), berta(db, 1), support.user(db)
    (face,) = support.search(db, 1, LEFT)
    corrected = draw(db, adas, 1, ada, Box(0.1, 0.1, 0.25, 0.25), replaces=face, sha1=None)
    alone = draw(db, adas, 1, ada, Box(0.6, 0.5, 0.2, 0.2), replaces=None, sha1=None)
    support.record_answer(db, adas, ada, 1, corrected, "other", other_item=BERTA)
    support.record_answer(db, adas, ada, 1, alone, "other", other_item=BERTA)
    assert open_questions(db, bertas) == [(1, face)]  # The corrected box is visible in Ada's project only.


def test_deleted_projects_neither_cause_nor_get_questions(db: Connection):
    adas, bertas = support.project(db, pages=[1]), berta(db, 1)
    (face,) = support.search(db, 1, LEFT)
    support.record_answer(db, adas, support.user(db), 1, face, "other", other_item=BERTA)
    db.execute("UPDATE projects SET status = 'deleted' WHERE id = %s", (adas,))
    assert open_questions(db, bertas) == []


def test_face_named_with_a_merged_item_becomes_a_question(db: Connection):
    adas, bertas = support.project(db, pages=[1, 2]), berta(db, 1)
    (face,) = support.search(db, 1, LEFT)
    merges.follow(db, "Q99", BERTA, blocked=False)
    no_work(db)
    support.record_answer(db, adas, support.user(db), 1, face, "other", other_item="Q99")
    assert open_questions(db, bertas) == [(1, face)]
    assert tasks.is_wanted(db, "model", bertas)
