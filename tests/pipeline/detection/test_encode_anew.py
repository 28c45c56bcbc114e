"""A change of the encoder: faces are encoded from their stored chips, without a download, and nothing else changes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from boxes import Box
from database import Database
from pipeline.detection import detect, drawn_faces
from pipeline.detection.detect import Job
from pipeline.jobs.tools import Tools
from sandbox.server import Sandbox
from store.detection import faces, files, searches
from store.labelling import answers
from store.labelling.answers import NewAnswer
from tests.pipeline.detection.test_detect import one, search
from tests.pipeline.support import downloads, new_user, rows, value
from tests.vision.detection.faulty import cannot_open
from tests.vision.detection.pools import unprepared
from vision.detection.pool import FacePool
from vision.detection.settings import DLIB, HOG, SearchSettings

OLD = "dlib-resnet-v1+mirror"


class Encoded:
    """A searched file with a drawn face; the detected and the drawn face are answered."""

    def __init__(self, sandbox: Sandbox, database: Database, tools: Tools) -> None:
        self.sandbox, self.database, self.tools = sandbox, database, tools
        self.project, lease, _ = one(database, sandbox)
        (self.page,) = lease.page_ids
        search(tools, lease)
        user = new_user(database)
        self.seen = int(value(database, "SELECT MIN(id) FROM faces"))
        sha1, box = str(value(database, "SELECT sha1 FROM files")), Box(0.1, 0.6, 0.2, 0.3)
        with database.transaction() as db:
            self.drawn = faces.draw(db, self.project, self.page, user, box, replaces=None, sha1=sha1)
        assert drawn_faces.look(tools)
        with database.transaction() as db:
            for face, word in ((self.seen, "target"), (self.drawn, "other")):
                given = NewAnswer(str(uuid4()), str(uuid4()), self.page, face, word)  # type: ignore[arg-type]
                answers.record(db, self.project, user, [given])

    def make_old(self) -> dict[int, np.ndarray]:
        """Replace the encodings by ones of an older encoder; return the present ones."""
        now = self.encodings()
        with self.database.transaction() as db:
            db.execute("UPDATE faces SET encoder = %s, encoding = %s", (OLD, bytes(512)))
        return now

    def look_up(self, tools: Tools | None = None) -> list[Job]:
        """Look the file up once more; return the pictures to be searched."""
        with self.database.transaction() as db:
            files.search_again(db, [self.page])
            lease = searches.claim(db, "test", 50)
        assert lease is not None
        return detect.look_up(lease, tools or self.tools)

    def encodings(self) -> dict[int, np.ndarray]:
        found = rows(self.database, "SELECT id, encoding FROM faces")
        return {row["id"]: np.frombuffer(row["encoding"], "<f4") for row in found}

    def encoders(self) -> set[str]:
        return {row["encoder"] for row in rows(self.database, "SELECT encoder FROM faces")}

    def rest(self) -> list[list[dict[str, Any]]]:
        """Return all that a change of the encoder may not change."""
        kept = [
            rows(self.database, f"SELECT * FROM {name} ORDER BY 1, 2") for name in ("answers", "labels", "face_chips")
        ]
        about = rows(self.database, "SELECT * FROM faces ORDER BY id")
        return [*kept, [{key: row[key] for key in row if key not in ("encoding", "encoder")} for row in about]]


@pytest.fixture
def file(sandbox: Sandbox, database: Database, tools: Tools) -> Encoded:
    return Encoded(sandbox, database, tools)


@pytest.fixture
def without_sface(tools: Tools) -> Iterator[Tools]:
    """A worker that is to use SFace, but has dlib's network only. It cannot encode anything here."""
    pool = FacePool(1, SearchSettings(HOG, DLIB), open_work=cannot_open, prepare=unprepared)
    yield replace(tools, pool=pool)
    pool.stop()


def test_faces_are_encoded_from_their_chips_and_nothing_else_changes(file: Encoded):
    better, before, fetched = file.make_old(), file.rest(), downloads(file.sandbox)
    assert file.look_up() == []
    assert downloads(file.sandbox) == fetched
    assert file.encoders() == {"sface-1"}
    assert file.rest() == before
    assert value(file.database, "SELECT state FROM files") == "searched"
    anew = file.encodings()
    assert anew.keys() == better.keys() >= {file.seen, file.drawn}
    assert np.linalg.norm(anew[file.seen] - better[file.seen]) < 0.3
    with file.database.transaction() as db:
        settings = file.tools.pool.settings
        assert files.outdated(db, [file.page], settings.detector_version, settings.encoder_version) == []


def test_drawn_face_is_encoded_from_its_chip(file: Encoded):
    with file.database.transaction() as db:
        db.execute("UPDATE faces SET encoder = %s, encoding = %s WHERE id = %s", (OLD, bytes(512), file.drawn))
    others = {face: encoding for face, encoding in file.encodings().items() if face != file.drawn}
    assert file.look_up() == []
    assert file.encoders() == {"sface-1"}
    anew = file.encodings()
    assert np.linalg.norm(anew[file.drawn]) == pytest.approx(0.58, abs=1e-5)
    assert all(np.array_equal(anew[face], others[face]) for face in others)


@pytest.mark.parametrize("change", ["DELETE FROM face_chips", "UPDATE face_chips SET jpeg = 'x'"])
def test_picture_is_searched_if_a_chip_is_missing_or_damaged(file: Encoded, change: str):
    file.make_old()
    ids = set(file.encodings())
    with file.database.transaction() as db:
        db.execute(f"{change} WHERE face_id = %s", (file.seen,))
    (job,) = file.look_up()
    assert file.encoders() == {OLD}
    data = detect.fetch(job, file.tools)
    detect.keep(job, detect.complete(job, data, file.tools.pool.search(data), file.tools), file.tools)
    assert set(file.encodings()) == ids
    assert value(file.database, "SELECT encoder FROM faces WHERE id = %s", file.seen) == "sface-1"
    assert value(file.database, "SELECT COUNT(*) FROM labels WHERE source = 'human'") == 2


def test_worker_without_sface_keeps_its_encodings(file: Encoded, without_sface: Tools):
    before, rest = file.encodings(), file.rest()
    assert file.look_up(without_sface) == []
    assert file.encoders() == {"sface-1"}
    assert all(np.array_equal(before[face], after) for face, after in file.encodings().items())
    assert file.rest() == rest


def test_worker_without_sface_keeps_those_of_its_own_encoder(file: Encoded, without_sface: Tools):
    file.make_old()
    assert file.look_up(without_sface) == []
    assert file.encoders() == {OLD}


def test_picture_is_searched_if_the_chips_cannot_be_encoded_at_the_moment(file: Encoded, without_sface: Tools):
    """Encodings of a third version; the child does not start."""
    with file.database.transaction() as db:
        db.execute("UPDATE faces SET encoder = 'older'")
    assert [job.page_id for job in file.look_up(without_sface)] == [file.page]
    assert file.encoders() == {"older"}
