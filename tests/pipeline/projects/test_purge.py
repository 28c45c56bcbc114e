"""Deletion of a project: data that only it used is deleted, all other data is kept."""

from dataclasses import replace
from uuid import uuid4

import pytest

from boxes import Box
from database import Database
from pipeline.jobs.outcome import Done, Finished
from pipeline.jobs.tools import Tools
from pipeline.labelling.model import Model
from pipeline.projects import purge
from store.detection import faces, files, purging, searches
from store.jobs import tasks
from store.labelling import answers
from store.labelling.answers import NewAnswer
from store.projects import projects
from tests.pipeline.conftest import Run, claimed
from tests.pipeline.labelling.test_model import PERSON, made_up
from tests.pipeline.support import new_project, new_user, rows, value

OF_PROJECT = ("answers", "labels", "predictions", "questions", "approvals", "project_files", "project_members")
ALL = (*OF_PROJECT, "projects", "tasks", "files", "faces", "face_chips")


def counts(database: Database) -> dict[str, int]:
    return {table: int(value(database, f"SELECT COUNT(*) FROM {table}")) for table in ALL}


def full_project(database: Database, tools: Tools, owner: str, pages: list[int] | None = None) -> int:
    """A project with files, answers, a drawn face with its picture, predictions and questions."""
    project = new_project(database, PERSON, owner)
    user = new_user(database, owner)
    if pages is None:
        made_up(database, project, people=3, each=8)
        pages = [
            row["page_id"] for row in rows(database, "SELECT page_id FROM project_files WHERE project_id = %s", project)
        ]
    with database.transaction() as db:
        files.add_to_project(db, project, [(page, f"{page}.jpg") for page in pages], "source", 1000)
        for page in pages[:6]:
            face = faces.of_file(db, project, page)[0].id
            answers.record(db, project, user, [NewAnswer(str(uuid4()), str(uuid4()), page, face, "target")])
        drawn = faces.draw(db, project, pages[0], user, Box(0.5, 0.5, 0.2, 0.2), replaces=None, sha1=None)
        db.execute("INSERT INTO face_chips (face_id, jpeg) VALUES (%s, 'x')", (drawn,))
        tasks.want(db, "model", project)
    task = claimed(database, "model")
    Model().run(task, tools)
    with database.transaction() as db:
        tasks.settle(db, task)
    return project


def delete(database: Database, project: int) -> None:
    with database.transaction() as db:
        projects.delete(db, project)


def test_purge_of_the_only_project_leaves_no_rows(database: Database, tools: Tools, run: Run):
    project = full_project(database, tools, "Ada")
    assert min(counts(database).values()) > 0
    delete(database, project)
    assert run("purge", purge.run) == Finished()
    assert counts(database) == dict.fromkeys(ALL, 0)


def test_purge_keeps_data_used_by_another_project(database: Database, tools: Tools, run: Run):
    first = full_project(database, tools, "Ada")
    pages = [row["page_id"] for row in rows(database, "SELECT page_id FROM project_files ORDER BY page_id")]
    shared, lonely = pages[:10], pages[10:]
    second = full_project(database, tools, "Bob", shared)
    kept = {
        table: rows(database, f"SELECT * FROM {table} WHERE project_id = %s", second)
        for table in (*OF_PROJECT, "faces")
    }
    delete(database, first)
    run("purge", purge.run)
    assert {row["page_id"] for row in rows(database, "SELECT page_id FROM files")} == set(shared)
    assert not {row["page_id"] for row in rows(database, "SELECT page_id FROM faces")} & set(lonely)
    for table in (*OF_PROJECT, "faces"):
        assert rows(database, f"SELECT * FROM {table} WHERE project_id = %s", first) == []
        assert rows(database, f"SELECT * FROM {table} WHERE project_id = %s", second) == kept[table]
    assert rows(database, "SELECT project_id FROM faces WHERE project_id IS NULL")


def test_interrupted_purge_is_continued(database: Database, tools: Tools, run: Run):
    project = full_project(database, tools, "Ada")
    delete(database, project)
    task = claimed(database, "purge")
    purge._delete_piece(task, purging.files_of_project, 5, tools)
    with database.transaction() as db:
        tasks.give_back(db, task)
    assert 0 < counts(database)["files"] < 24
    assert run("purge", purge.run) == Finished()
    assert counts(database) == dict.fromkeys(ALL, 0)


def test_active_project_is_never_purged(database: Database, tools: Tools):
    project = full_project(database, tools, "Ada")
    before = counts(database)
    with database.transaction() as db:
        tasks.want(db, "purge", project)
        assert tasks.claim(db, "purge", "test") is None
        task = replace(claimed_anyway(database, project), kind="purge")
    purge.run(task, tools)
    assert {**counts(database), "tasks": 0} == {**before, "tasks": 0}


def claimed_anyway(database: Database, project: int) -> tasks.Task:
    return tasks.Task("purge", project, 1, 0, None, b"x" * 16)


def test_purge_does_not_wait_for_locked_rows_of_other_projects(database: Database, tools: Tools):
    first, second = (full_project(database, tools, name) for name in ("Ada", "Bob"))
    delete(database, first)
    task = claimed(database, "purge")
    with database.transaction() as busy:
        for table in ("labels", "predictions", "questions", "answers", "approvals", "faces"):
            assert busy.rows(f"SELECT 1 FROM {table} WHERE project_id = %s FOR UPDATE", (second,))
        assert purge.run(task, tools) == Finished()
    assert value(database, "SELECT COUNT(*) FROM labels WHERE project_id = %s", first) == 0


@pytest.mark.parametrize(
    ("status", "age", "dropped"), [("active", 100, 0), ("completed", 10, 0), ("completed", 100, 24)]
)
def test_unused_encodings_are_deleted(database: Database, tools: Tools, status: str, age: int, dropped: int):
    project = full_project(database, tools, "Ada")
    with database.transaction() as db:
        db.execute(
            """UPDATE projects SET status = %s, created_at = NOW() - INTERVAL 200 DAY,
                 model_at = NOW() - INTERVAL %s DAY, crawled_at = NOW() - INTERVAL 150 DAY WHERE id = %s""",
            (status, age, project),
        )
        after, total = -1, 0
        while after:
            after, count = purging.drop_encodings(db, 90.0, after, 7)
            total += count
    assert total == dropped
    assert value(database, "SELECT COUNT(*) FROM faces WHERE state = 'dropped' AND encoding IS NULL") == dropped
    assert value(database, "SELECT COUNT(*) FROM answers") == 6


def test_completed_project_keeps_faces_and_answers_when_its_encodings_are_deleted(
    database: Database, tools: Tools, run: Run
):
    project = full_project(database, tools, "Ada")
    with database.transaction() as db:
        db.execute("UPDATE faces SET state = 'dropped', encoding = NULL WHERE project_id IS NULL")
        db.execute("UPDATE projects SET status = 'completed' WHERE id = %s", (project,))
        tasks.want(db, "model", project)
    before = rows(database, "SELECT * FROM predictions WHERE project_id = %s", project)
    assert before
    assert run("model", Model().run) == Done()
    assert rows(database, "SELECT * FROM predictions WHERE project_id = %s", project) == before
    with database.transaction() as db:  # When the project is active again, they are computed again.
        projects.set_status(db, project, "active")
        pages = db.column("SELECT page_id FROM project_files WHERE project_id = %s", (project,))
        files.want_dropped(db, pages)
        assert searches.claim(db, "test", 50) is not None
