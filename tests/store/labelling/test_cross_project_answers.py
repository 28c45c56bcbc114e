"""What somebody said of a face is offered to that person's own project, and is nothing more there than a question."""

from database import Connection
from store.detection import files
from store.detection.faces import Box, draw
from store.jobs import tasks
from store.labelling import answers, cross_project_answers, labels
from store.projects import merges, projects
from store.projects.projects import NewProject
from tests.store import support
from tests.store.support import LEFT, RIGHT

BERTA = "Q1001"


def berta(db: Connection, *pages: int, owner: str = "Bob") -> int:
    """Bob's project about Berta, who is somebody else in Ada's; it looks at these files."""
    found = projects.create(db, support.user(db, owner), NewProject(BERTA, "Berta", "Photographs with Berta"))
    support.look_at(db, found, list(pages))
    return found


def offered(db: Connection, project_id: int) -> list[tuple[int, int | None]]:
    return [(question.page_id, question.face_id) for question in cross_project_answers.questions(db, project_id, 40)]


def no_work(db: Connection) -> None:
    db.execute("DELETE FROM tasks")


def test_a_face_that_was_named_is_asked_in_the_persons_project(db: Connection):
    adas = support.project(db, pages=[1, 2])
    left, right = support.search(db, 1, LEFT, RIGHT)
    bertas = berta(db, 1)
    no_work(db)
    support.say(db, adas, support.user(db), 1, right, "other", other_item=BERTA)
    assert [(q.page_id, q.face_id, q.reason) for q in cross_project_answers.questions(db, bertas, 40)] == [
        (1, right, "named")
    ]
    assert tasks.is_wanted(db, "model", bertas)  # its questions are chosen anew
    assert support.labels(db, bertas) == {}  # it is a question and no answer
    assert db.value("SELECT COUNT(*) FROM approvals WHERE project_id = %s", (bertas,)) == 0
    assert offered(db, adas) == []
    support.say(db, bertas, support.user(db, "Bob"), 1, right, "target", reason="named")
    assert offered(db, bertas) == []
    assert support.labels(db, bertas) == {left: ("other", "implied"), right: ("target", "human")}


def test_a_project_made_later_is_offered_it_too_but_no_file_that_it_does_not_look_at(db: Connection):
    adas = support.project(db, pages=[1, 2])
    (first,), (second,) = support.search(db, 1, LEFT), support.search(db, 2, LEFT)
    for page, face in ((1, first), (2, second)):
        support.say(db, adas, support.user(db), page, face, "other", other_item=BERTA)
    bertas = berta(db, 2, 3)
    labels.rebuild(db, bertas, [2])
    assert offered(db, bertas) == [(2, second)]
    assert files.get(db, [1])  # it is there, for Ada
    somebody = projects.create(db, support.user(db, "Bob"), NewProject("Q7", "Somebody", "Else"))
    support.look_at(db, somebody, [1, 2])
    assert offered(db, somebody) == []


def test_taking_it_back_takes_the_offer_back(db: Connection):
    adas, bertas = support.project(db, pages=[1]), berta(db, 1)
    (face,) = support.search(db, 1, LEFT)
    support.say(db, adas, support.user(db), 1, face, "other", other_item=BERTA)
    no_work(db)
    assert answers.undo(db, adas, support.user(db))
    assert offered(db, bertas) == []
    assert tasks.is_wanted(db, "model", bertas)


def test_the_newest_word_counts(db: Connection):
    adas, bertas, ada = support.project(db, pages=[1]), berta(db, 1), support.user(db)
    (face,) = support.search(db, 1, LEFT)
    support.say(db, adas, ada, 1, face, "other", other_item=BERTA)
    support.say(db, adas, ada, 1, face, "other")  # says nothing new about who it is
    assert offered(db, bertas) == [(1, face)]
    support.say(db, adas, ada, 1, face, "other", other_item="Q5")
    assert offered(db, bertas) == []
    support.say(db, adas, ada, 1, face, "other", other_item=BERTA)
    support.say(db, adas, ada, 1, face, "target")
    assert offered(db, bertas) == []


def test_what_was_said_of_another_version_of_the_file_is_not_offered(db: Connection):
    adas, bertas = support.project(db, pages=[1]), berta(db, 1)
    (face,) = support.search(db, 1, LEFT)
    support.say(db, adas, support.user(db), 1, face, "other", other_item=BERTA)
    db.execute("UPDATE files SET sha1 = %s WHERE page_id = 1", ("b" * 40,))
    labels.rebuild_everywhere(db, [1])
    assert offered(db, bertas) == []


def test_a_box_corrected_elsewhere_is_offered_as_the_face_that_everybody_sees(db: Connection):
    adas, bertas, ada = support.project(db, pages=[1]), berta(db, 1), support.user(db)
    (face,) = support.search(db, 1, LEFT)
    corrected = draw(db, adas, 1, ada, Box(0.1, 0.1, 0.25, 0.25), replaces=face, sha1=None)
    alone = draw(db, adas, 1, ada, Box(0.6, 0.5, 0.2, 0.2), replaces=None, sha1=None)
    support.say(db, adas, ada, 1, corrected, "other", other_item=BERTA)
    support.say(db, adas, ada, 1, alone, "other", other_item=BERTA)
    assert offered(db, bertas) == [(1, face)]  # the other one is seen by Ada's project alone


def test_projects_that_were_deleted_neither_offer_nor_are_told(db: Connection):
    adas, bertas = support.project(db, pages=[1]), berta(db, 1)
    (face,) = support.search(db, 1, LEFT)
    support.say(db, adas, support.user(db), 1, face, "other", other_item=BERTA)
    db.execute("UPDATE projects SET status = 'deleted' WHERE id = %s", (adas,))
    assert offered(db, bertas) == []


def test_the_item_under_which_somebody_was_named_may_have_been_merged_since(db: Connection):
    adas, bertas = support.project(db, pages=[1, 2]), berta(db, 1)
    (face,) = support.search(db, 1, LEFT)
    merges.follow(db, "Q99", BERTA, barred=False)
    no_work(db)
    support.say(db, adas, support.user(db), 1, face, "other", other_item="Q99")
    assert offered(db, bertas) == [(1, face)]
    assert tasks.is_wanted(db, "model", bertas)
