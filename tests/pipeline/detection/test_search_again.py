"""Repeated detection of a file: decisions of humans are kept for the same bytes, and asked again for other bytes."""

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image, ImageOps

from boxes import Box
from database import Database
from pipeline.detection import detect
from pipeline.jobs.tools import Tools
from sandbox.server import Sandbox
from store.detection import faces, files, searches
from store.labelling import answers, approvals, labels
from store.labelling.answers import NewAnswer
from tests.pipeline.detection.test_detect import one
from tests.pipeline.support import new_user, other, rows, value

NOBODY = Box(0.0, 0.0, 0.06, 0.06)  # A corner in which the current detectors find no face.


class Searched:
    """A searched file of one project, with a face at NOBODY that an older version of the detector had found."""

    def __init__(self, sandbox: Sandbox, database: Database, tools: Tools) -> None:
        self.database, self.tools = database, tools
        self.project, lease, _ = one(database, sandbox)
        (self.page,) = lease.page_ids
        self.user = new_user(database)
        self._search(lease)
        found = rows(database, "SELECT id, sha1 FROM faces ORDER BY id")[0]
        self.seen, self.sha1 = int(found["id"]), str(found["sha1"])
        with database.transaction() as db:
            self.unseen = db.insert(
                """INSERT INTO faces (page_id, box_left, box_top, box_width, box_height, size_px, score, detector, sharpness,
                     encoding, encoder, state, sha1)
                   SELECT page_id, %s, %s, %s, %s, 60, 0.1, 'older', 1, encoding, 'older', 'encoded', sha1 FROM faces
                   WHERE id = %s""",
                (NOBODY.left, NOBODY.top, NOBODY.width, NOBODY.height, self.seen),
            )
            db.execute("UPDATE files SET detector = 'older'")
            labels.rebuild(db, self.project, [self.page])

    def _search(self, lease: searches.SearchLease) -> int:
        jobs = detect.look_up(lease, self.tools)
        for job in jobs:
            data = detect.fetch(job, self.tools)
            found = detect.complete(job, data, self.tools.pool.search(data), self.tools)
            detect.keep(job, found, self.tools)
        return len(jobs)

    def search_again(self) -> int:
        """Search the file once more; return the number of downloads."""
        with self.database.transaction() as db:
            files.search_again(db, [self.page])
            lease = searches.claim(db, "test", 50)
        assert lease is not None
        return self._search(lease)

    def record_answer(self, face: int, word: str) -> None:
        given = NewAnswer(str(uuid4()), str(uuid4()), self.page, face, word)  # type: ignore[arg-type]
        with self.database.transaction() as db:
            answers.record(db, self.project, self.user, [given])

    def labels(self) -> dict[int, tuple[str, bool]]:
        found = rows(self.database, "SELECT face_id, label, suspended FROM labels WHERE source = 'human'")
        return {row["face_id"]: (row["label"], bool(row["suspended"])) for row in found}

    def states(self) -> dict[int, str]:
        """Return the states of the two faces; a deleted face is omitted."""
        found = rows(self.database, "SELECT id, state FROM faces WHERE id IN (%s, %s)", self.seen, self.unseen)
        return {row["id"]: row["state"] for row in found}


@pytest.fixture
def file(sandbox: Sandbox, database: Database, tools: Tools) -> Searched:
    return Searched(sandbox, database, tools)


@pytest.mark.parametrize("word", ["target", "other", "not_face", "unsure"])
def test_answered_face_is_kept_if_the_new_detector_does_not_find_it(file: Searched, word: str):
    file.record_answer(file.unseen, word)
    assert file.search_again() == 1
    assert file.labels()[file.unseen] == (word, False)
    assert file.states() == {file.seen: "encoded", file.unseen: "encoded"}
    encoder = file.tools.pool.settings.encoder_version
    found, kept = (rows(file.database, "SELECT * FROM faces WHERE id = %s", id)[0] for id in (file.seen, file.unseen))
    assert (kept["encoder"], kept["detector"]) == (encoder, "older")
    assert kept["encoding"] != found["encoding"]
    assert kept["box_width"] == pytest.approx(NOBODY.width)
    assert value(file.database, "SELECT face_count FROM files") == value(file.database, "SELECT COUNT(*) FROM faces")
    assert file.search_again() == 0  # After this, the next crawl finds nothing to do.


def test_answered_face_is_published_if_the_new_detector_does_not_find_it(file: Searched):
    file.record_answer(file.unseen, "target")
    with file.database.transaction() as db:
        db.execute(
            """INSERT INTO edits (batch_id, project_id, user_id, page_id, title, item, action, face_id, approved_sha1)
               VALUES (1, %s, %s, %s, 'x', 'Q1', 'add', %s, %s)""",
            (file.project, file.user, file.page, file.unseen, file.sha1),
        )
    file.search_again()
    (approval,) = rows(file.database, "SELECT * FROM approvals")
    assert (approval["face_id"], approval["suspended"]) == (file.unseen, 0)
    assert value(file.database, "SELECT state FROM edits") == "queued"


def test_face_approved_in_bulk_is_kept_if_the_new_detector_does_not_find_it(file: Searched):
    with file.database.transaction() as db:
        db.execute(
            "INSERT INTO predictions (project_id, face_id, page_id, distance, probability, suggestion, run) "
            "VALUES (%s, %s, %s, 0.2, 0.99, 'match', 1)",
            (file.project, file.unseen, file.page),
        )
        approvals.approve_bulk(db, file.project, file.user, [file.unseen])
    file.search_again()
    (approval,) = rows(file.database, "SELECT * FROM approvals")
    assert (approval["face_id"], approval["kind"], approval["suspended"]) == (file.unseen, "bulk", 0)
    assert file.states()[file.unseen] == "encoded"


@pytest.mark.parametrize("word", ["", "skip", "withdrawn"])
def test_face_without_a_decision_is_deleted_if_the_new_detector_does_not_find_it(file: Searched, word: str):
    if word:
        file.record_answer(file.unseen, "target" if word == "withdrawn" else word)
    if word == "withdrawn":
        with file.database.transaction() as db:
            answers.undo(db, file.project, file.user)
    file.search_again()
    assert file.states().get(file.unseen, "gone") == "gone"
    assert file.labels() == {}
    with file.database.transaction() as db:
        visible = {face.id for face in faces.of_file(db, file.project, file.page)}
    assert visible & {file.seen, file.unseen} == {file.seen}


def test_decision_of_a_deleted_project_does_not_keep_a_face(file: Searched):
    file.record_answer(file.unseen, "not_face")
    with file.database.transaction() as db:
        db.execute("DELETE FROM answers")
        db.execute("DELETE FROM labels")
    file.search_again()
    assert list(file.states()) == [file.seen]


def test_overwritten_file_is_asked_again_but_the_same_face_keeps_its_id(
    file: Searched, sandbox: Sandbox, tmp_path: Path
):
    file.record_answer(file.seen, "target")
    file.record_answer(file.unseen, "not_face")
    other(sandbox, "overwrite", id=file.page, path=brighter(sandbox, file, tmp_path))
    file.search_again()
    assert file.states() == {file.seen: "encoded", file.unseen: "gone"}
    assert file.labels() == {file.seen: ("target", True)}
    file.record_answer(file.seen, "target")
    assert file.labels() == {file.seen: ("target", False)}


def test_answers_are_valid_again_when_the_former_bytes_are_restored(file: Searched, sandbox: Sandbox, tmp_path: Path):
    file.record_answer(file.seen, "target")
    before = sandbox.world.state.pages[file.page].versions[-1]
    blank = tmp_path / "blank.jpg"
    Image.new("RGB", (600, 600), "grey").save(blank)
    other(sandbox, "overwrite", id=file.page, path=str(blank))
    file.search_again()
    assert file.states()[file.seen] == "gone"
    assert file.labels() == {}
    with sandbox.world.lock:
        sandbox.world.state.pages[file.page].versions.append(replace(before))
    file.search_again()
    assert file.states()[file.seen] == "encoded"
    assert file.labels() == {file.seen: ("target", False)}


def brighter(sandbox: Sandbox, file: Searched, folder: Path) -> str:
    """Return the same photograph with other bytes: brighter, with the same faces in the same places."""
    version = sandbox.world.state.pages[file.page].versions[-1]
    with sandbox.world.lock:
        source = sandbox.world.pictures.facts(version).path
    path = folder / "brighter.jpg"
    ImageOps.autocontrast(Image.open(source).convert("RGB")).save(path, quality=95)
    return str(path)
