"""A skip belongs to its user: the other members are asked as if there were none, and its user last."""

from typing import Any

import pytest

from database import Database
from pipeline.jobs.tools import Tools
from pipeline.labelling.face_arrays import Memory
from pipeline.labelling.model import QUESTIONS
from store.labelling import answers, predictions
from store.labelling.answers import NewAnswer
from store.projects import projects
from store.projects.projects import NewProject
from testing.file_copies import change_files
from tests.pipeline.labelling.test_model import PERSON, made_up, questions_of, record_answer
from tests.pipeline.support import new_project, new_user, value


@pytest.fixture
def shared(database: Database) -> tuple[int, int, int, list[int]]:
    """Return a project of Ada with Bob as a labeller, both of them, and its faces; one of each kind is answered."""
    project, ada, bob = new_project(database, PERSON), new_user(database), new_user(database, "Bob")
    with database.transaction() as db:
        projects.add_member(db, project, bob, "labeller")
    faces = list(made_up(database, project, people=4, each=40))
    record_answer(database, project, ada, faces[0], "target")
    record_answer(database, project, ada, faces[-1], "other")
    return project, ada, bob, faces


def ranked(database: Database, project: int) -> list[int]:
    with database.transaction() as db:
        return db.column("SELECT face_id FROM questions WHERE project_id = %s ORDER BY position", (project,))


def next_questions(database: Database, project: int, user: int, limit: int) -> list[tuple[Any, str]]:
    with database.transaction() as db:
        found = predictions.questions(db, project, user, limit)
    return [(question.face_id, question.reason) for question in found]


def test_question_that_one_member_skips_stays_where_it_is_for_the_others(
    database: Database, tools: Tools, shared: tuple[int, int, int, list[int]]
):
    project, ada, bob, _ = shared
    questions_of(database, tools, project)
    first = ranked(database, project)[0]
    record_answer(database, project, ada, first, "skip")
    assert next_questions(database, project, bob, 1)[0][0] == first, "before the model runs again"
    assert first not in [face for face, _ in next_questions(database, project, ada, QUESTIONS - 1)]
    questions_of(database, tools, project)
    assert ranked(database, project)[0] == first
    assert next_questions(database, project, bob, 1)[0][0] == first
    assert first not in [face for face, _ in next_questions(database, project, ada, QUESTIONS)]


def test_question_that_every_member_skips_is_ranked_for_nobody_and_comes_last(
    database: Database, tools: Tools, shared: tuple[int, int, int, list[int]]
):
    project, ada, bob, faces = shared
    questions_of(database, tools, project)
    first = ranked(database, project)[0]
    for user in (ada, bob):
        record_answer(database, project, user, first, "skip")
    questions_of(database, tools, project)
    assert first not in ranked(database, project)
    assert next_questions(database, project, bob, len(faces))[-1] == (first, "skipped")


def test_member_who_skips_many_questions_still_gets_as_many_ranked_ones(
    database: Database, tools: Tools, shared: tuple[int, int, int, list[int]]
):
    project, ada, _, _ = shared
    for _ in range(2):
        questions_of(database, tools, project)
        for face in ranked(database, project)[:QUESTIONS]:
            record_answer(database, project, ada, face, "skip")
    questions_of(database, tools, project)
    reasons = [reason for _, reason in next_questions(database, project, ada, QUESTIONS)]
    assert len(reasons) == QUESTIONS
    assert not {"first", "skipped"} & set(reasons)


def test_skip_does_not_count_as_a_second_answer(
    database: Database, tools: Tools, shared: tuple[int, int, int, list[int]]
):
    project, _, bob, faces = shared
    record_answer(database, project, bob, faces[0], "skip")
    with database.transaction() as db:
        gathered = Memory().gather(db, project)
    assert not gathered.known.asked[gathered.ids.tolist().index(faces[0])]


def test_face_named_in_another_project_is_asked_until_every_member_skipped_it(database: Database, tools: Tools):
    elsewhere = new_project(database, NewProject("Q7", "Somebody else", "Others"))
    face = max(made_up(database, elsewhere, people=3, each=4))
    project, bob, eve = new_project(database, PERSON, "Bob"), new_user(database, "Bob"), new_user(database, "Eve")
    page = int(value(database, "SELECT page_id FROM faces WHERE id = %s", face))
    with database.transaction() as db:
        projects.add_member(db, project, eve, "labeller")
        change_files(db, "INSERT INTO project_files (project_id, page_id) SELECT %s, page_id FROM files", (project,))
        named = NewAnswer("named", "named", page, face, "other", other_item=PERSON.item)
        answers.record(db, elsewhere, new_user(database), [named])
    record_answer(database, project, bob, face, "skip")
    assert questions_of(database, tools, project)[0] == {"face_id": face, "reason": "named"}
    record_answer(database, project, eve, face, "skip")
    assert face not in [question["face_id"] for question in questions_of(database, tools, project)]
