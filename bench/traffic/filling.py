"""A large project inserted directly into the database, with answers, approvals and edits; the predictions are real.

The faces are synthetic encodings: clusters in 128 dimensions, one per person, a tenth of the faces being the target
person's. There are no photographs. The predictions are made by the real model.
"""

import hashlib
import io
import random
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from config import Settings
from database import Connection, Database
from pipeline.jobs.lane import run_stage, settle
from pipeline.jobs.tools import open_tools
from pipeline.labelling.model import Model
from store import worker_claims
from store.accounts import users
from store.detection.files import copy_to_projects
from store.jobs import tasks
from store.labelling import approvals, labels
from store.projects import projects
from store.projects.projects import NewProject
from store.publishing import plans
from token_crypto import TokenBox

FIRST_PAGE = 1_000_000
PEOPLE = 200
ANSWERED = 700
STATED = 300
REJECTED = 20
BATCHES = 6
IN_A_BATCH = 150
DRAWN = 25
SMALL_PROJECTS = 40
NEIGHBOURS = 2  # projects of other users, as large as Alice's
RANKED = 300  # users on the leaderboard
ERRORS = ("too_large", "image", "no_rendering", "search_timeout")


@dataclass(frozen=True)
class Filled:
    """Ids for the pages that are requested; `batch_id`: the newest batch, `asked`: the faces of the first questions."""

    user_id: int
    project_id: int
    page_id: int
    faceless_page_id: int
    face_id: int
    batch_id: int
    asked: tuple[int, ...]


def fill(settings: Settings, database: Database, files: int = 9_000, faces: int = 20_000, seed: int = 1) -> Filled:
    """Create a project of Alice's with this number of files and faces, partly answered, approved and sent.

    `seed` makes the synthetic data reproducible.
    """
    rng = np.random.default_rng(seed)
    who = np.where(rng.random(faces) < 0.1, 0, rng.integers(1, PEOPLE, faces))
    with database.transaction() as db:
        user_id = _people(db)
        project_id = _project(db, user_id, "Q42", "Douglas Adams")
        for number in range(SMALL_PROJECTS):
            _project(db, user_id, f"Q{1000 + number}", f"Person {number}")
        pages = _files(db, project_id, files, random.Random(seed))
        _faces(db, pages, who, rng)
        _draw(db, project_id, user_id, pages)
        _answer(
            db, project_id, user_id, {n + 1: bool(person == 0) for n, person in enumerate(who)}, random.Random(seed)
        )
    run_model(settings, database, project_id)
    _send(database, project_id, user_id, random.Random(seed))
    run_model(settings, database, project_id)
    with database.transaction() as db:
        for number in range(1, NEIGHBOURS + 1):
            _copy(db, project_id, user_id + number, number)
        for table in ("files", "project_files", "faces", "labels", "predictions", "answers", "approvals", "edits"):
            db.execute(f"ANALYZE TABLE {table}")
        row = db.row(
            "SELECT face_id, page_id FROM predictions WHERE project_id = %s AND suggestion = 'unsure'", [project_id]
        )
        faceless = db.value("SELECT MIN(page_id) FROM files WHERE face_count = 0 AND state = 'searched'")
        batch_id = db.value("SELECT MAX(id) FROM batches WHERE project_id = %s", [project_id])
        asked = db.column("SELECT face_id FROM questions WHERE project_id = %s ORDER BY position LIMIT 5", [project_id])
    assert row is not None, "the model is sure about every face: the synthetic people are too easy to tell apart"
    return Filled(user_id, project_id, row["page_id"], faceless, row["face_id"], batch_id, tuple(asked))


def run_model(settings: Settings, database: Database, project_id: int) -> None:
    """Run the model's stage once, as a worker does."""
    with database.transaction() as db:
        tasks.want(db, "model", project_id)
        task = tasks.claim(db, "model", "bench")
    assert task is not None
    tools = open_tools(settings, "bench", threading.Event())
    settle(task, run_stage(task, Model().run, tools), tools)
    tools.database.close()


def _copy(db: Connection, project_id: int, user_id: int, number: int) -> None:
    """Copy the project to another user, with copies of its files, faces, answers and edits under other ids."""
    other = projects.create(db, user_id, NewProject("Q43", f"Neighbour {number}", f"Neighbour {number}"))
    far = number * 10 * FIRST_PAGE
    renamed = {"project_id": f"IF(project_id IS NULL, NULL, {other})", "user_id": str(user_id)}
    moved = {name: f"{name} + {far}" for name in ("page_id", "face_id", "answer_id", "replaces", "batch_id")}
    for table in (
        "files",
        "faces",
        "project_files",
        "answers",
        "labels",
        "predictions",
        "approvals",
        "batches",
        "edits",
    ):
        columns = db.column(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s",
            (table,),
        )
        values = {name: name for name in columns} | renamed | moved | {"id": f"id + {far}"}
        chosen = ", ".join(values[name] for name in columns)
        whose = "page_id < %s" if table in {"files", "faces"} else "project_id = %s"
        limit = 10 * FIRST_PAGE if table in {"files", "faces"} else project_id
        db.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM {table} WHERE {whose}", (limit,))
    db.execute("UPDATE tasks SET due_at = NULL")


def _people(db: Connection) -> int:
    """Create Alice, the users on the leaderboard, and two registered workers; return Alice's id."""
    box = TokenBox([])
    ids = [
        users.sign_in(
            db, box, subject=f"s{n}", name="Alice" if n == 0 else f"User {n}", blocked=False, access="a", refresh="r",
            expires_in=86_400,
        ).id
        for n in range(RANKED)
    ]  # fmt: skip
    db.many(
        "REPLACE INTO user_stats (user_id, answers, matches, statements, projects) VALUES (%s, %s, %s, %s, 1)",
        [(user_id, 40 * n, 20 * n, 10 * n) for n, user_id in enumerate(ids)],
    )
    for number in (1, 2):
        worker_claims.register(db, f"worker-{number}", "bench", number)
    return ids[0]


def _project(db: Connection, user_id: int, item: str, label: str) -> int:
    new = NewProject(item, label, label, description="somebody", born="1952-03-11")
    project_id = projects.create(db, user_id, new)
    db.execute("UPDATE tasks SET due_at = NULL WHERE subject_id = %s", (project_id,))
    db.execute("UPDATE projects SET write_position = 1 WHERE id = %s", (project_id,))
    projects.crawled(db, project_id, cut=False, newest=None)
    return project_id


def _files(db: Connection, project_id: int, count: int, chance: random.Random) -> list[int]:
    """Create files, some of them waiting, failed or without faces; return the page ids of those with faces."""
    pages, rows, looked = [], [], []
    for number in range(count):
        page_id = FIRST_PAGE + number
        state = chance.choices(("searched", "error", "waiting"), (95, 3, 2))[0]
        if state == "searched" and number % 6:
            pages.append(page_id)
        title, address = f"Some people on a stage, number {number}.jpg", f"http://127.0.0.1:9/{page_id}.jpg"
        error = chance.choice(ERRORS) if state == "error" else None
        rows.append(
            (
                page_id,
                title,
                _sha1(page_id),
                _sha1(page_id),
                address,
                "A caption of usual length. " * 4,
                state,
                error,
                state,
            )
        )
        looked.append((project_id, page_id, number % (count // STATED) == 1))
    db.many(
        """INSERT INTO files (page_id, title, sha1, searched_sha1, size_bytes, width, height, thumb_url, description, taken_on,
             state, error, search_due_at, searched_at, searched_width, searched_height, detector, face_count)
           VALUES (%s, %s, %s, %s, 4000000, 3000, 2000, %s, %s, '2011-06-01', %s, %s, IF(%s = 'waiting', NOW(), NULL),
             NOW() - INTERVAL 1 HOUR, 960, 640, 'hog', 0)""",
        rows,
    )
    db.many(
        "INSERT INTO project_files (project_id, page_id, stated) VALUES (%s, %s, %s)",
        looked,
    )
    return pages


def _sha1(page_id: int) -> str:
    return hashlib.sha1(str(page_id).encode()).hexdigest()


def _faces(db: Connection, pages: list[int], who: np.ndarray, rng: np.random.Generator) -> None:
    """Create one face in each of these files and the rest in random ones; face `who[n]` gets the id n + 1."""
    people = rng.normal(size=(PEOPLE, 128)) * 0.5 / np.sqrt(128)
    encodings = (people[who] + rng.normal(size=(len(who), 128)) * 0.32 / np.sqrt(128)).astype("<f4")
    of = np.sort(np.concatenate((pages, rng.choice(pages, len(who) - len(pages))))).tolist()
    places = rng.uniform((0.05, 0.05), (0.8, 0.6), (len(of), 2)).tolist()
    poor = (rng.random(len(of)) < 0.05).tolist()
    db.many(
        """INSERT INTO faces (id, page_id, box_left, box_top, poor, encoding, sha1, box_width, box_height, size_px, score,
             detector, sharpness, encoder, state)
           VALUES (%s, %s, %s, %s, %s, %s, %s, 0.12, 0.18, 110, 1, 'hog', 0.02, 'resnet', 'encoded')""",
        [(n + 1, page, *places[n], poor[n], encodings[n].tobytes(), _sha1(page)) for n, page in enumerate(of)],
    )
    chips = list(_chips())
    db.many(
        "INSERT INTO face_chips (face_id, jpeg) VALUES (%s, %s)",
        [(n + 1, chips[n % len(chips)]) for n in range(len(of))],
    )
    db.execute(
        "UPDATE files SET face_count = (SELECT COUNT(*) FROM faces f WHERE f.page_id = files.page_id) WHERE state = 'searched'"
    )
    copy_to_projects(db, db.column("SELECT page_id FROM project_files"))


def _chips() -> Iterator[bytes]:
    noise = np.random.default_rng(0)
    for _ in range(12):
        small = Image.fromarray(noise.integers(60, 200, (12, 12, 3), np.uint8))
        held = io.BytesIO()
        small.resize((150, 150), Image.Resampling.BICUBIC).save(held, "JPEG", quality=85)
        yield held.getvalue()


def _draw(db: Connection, project_id: int, user_id: int, pages: list[int]) -> None:
    """Create hand-drawn faces, every third of which replaces a detected one."""
    for number, page_id in enumerate(pages[-DRAWN:]):
        db.execute(
            """INSERT INTO faces (page_id, project_id, drawn_by, replaces, box_left, box_top, box_width, box_height, encoding,
                 encoder, state, sha1)
               SELECT page_id, %s, %s, IF(%s, id, NULL), 0.4, 0.4, 0.1, 0.15, encoding, encoder, 'encoded', sha1 FROM faces
               WHERE page_id = %s AND project_id IS NULL ORDER BY id LIMIT 1""",
            (project_id, user_id, number % 3 == 0, page_id),
        )


def _answer(db: Connection, project_id: int, user_id: int, truth: dict[int, bool], chance: random.Random) -> None:
    """Create a volunteer's answers about faces and about files without a face; 5 % of them are withdrawn."""
    mine = [face for face, target in truth.items() if target]
    others = [face for face, target in truth.items() if not target]
    asked = chance.sample(mine, ANSWERED // 3) + chance.sample(others, ANSWERED - ANSWERED // 3)
    chance.shuffle(asked)
    page_of = {row["id"]: row["page_id"] for row in db.rows("SELECT id, page_id FROM faces WHERE project_id IS NULL")}
    given: list[tuple[int, int | None, str]] = [
        (page_of[face], face, "target" if truth[face] else "other") for face in asked
    ]
    faceless = db.column(
        "SELECT page_id FROM files WHERE state = 'searched' AND face_count = 0 ORDER BY page_id LIMIT 60"
    )
    given += [(page, None, "not_shown" if place % 3 else "shown") for place, page in enumerate(faceless)]
    given += _rejected(db, project_id, truth, set(asked))
    rows = []
    for page, face, word in given:
        name = str(uuid.UUID(int=chance.getrandbits(128)))
        rows.append((project_id, user_id, name, name, page, face, word, _sha1(page), chance.random() < 0.05))
    db.many(
        """INSERT INTO answers (project_id, user_id, client_id, step, page_id, face_id, answer, reason, sha1, withdrawn_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, 'unsure', %s, IF(%s, NOW(3), NULL))""",
        rows,
    )
    stated = db.column("SELECT page_id FROM project_files WHERE project_id = %s AND stated", (project_id,))
    touched = sorted({*stated, *(page for page, _, _ in given)})
    for start in range(0, len(touched), 1000):
        labels.rebuild(db, project_id, touched[start : start + 1000])


def _rejected(
    db: Connection, project_id: int, truth: dict[int, bool], asked: set[int]
) -> list[tuple[int, int | None, str]]:
    """Return answers "other" for every face of some files that Commons states to show the person.

    Such statements are proposed for removal.
    """
    faces: dict[int, list[int]] = defaultdict(list)
    for row in db.rows(
        """SELECT f.page_id, f.id FROM project_files pf JOIN faces f ON f.page_id = pf.page_id
           WHERE pf.project_id = %s AND pf.stated = 1 ORDER BY f.page_id, f.id""",
        (project_id,),
    ):
        faces[row["page_id"]].append(row["id"])
    wrong = [page for page, ids in faces.items() if not any(truth.get(face, True) or face in asked for face in ids)]
    return [(page, face, "other") for page in wrong[:REJECTED] for face in faces[page]]


def _send(database: Database, project_id: int, user_id: int, chance: random.Random) -> None:
    """Create batches of the model's matches, most of them done, some failed or waiting; approve others, unsent."""
    with database.transaction() as db:
        matches = db.column(
            """SELECT face_id FROM predictions WHERE project_id = %s AND suggestion = 'match' ORDER BY face_id""",
            (project_id,),
        )
        chance.shuffle(matches)
        for number in range(BATCHES):
            approvals.approve_bulk(db, project_id, user_id, matches[number * IN_A_BATCH :][:IN_A_BATCH])
            batch_id = plans.send(db, project_id, user_id)
            db.execute(
                """UPDATE edits SET state = CASE id %% 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'skipped'
                     WHEN 2 THEN IF(%s, 'queued', 'done') WHEN 3 THEN 'reverted' WHEN 4 THEN 'already' ELSE 'done' END,
                     statement_id = CONCAT('M', page_id, '$', UUID()), revision_id = 10000 + id, finished_at = NOW(),
                     sent_at = NOW(), error = IF(id %% 20 = 0, 'protected', NULL) WHERE batch_id = %s""",
                (number == BATCHES - 1, batch_id),
            )
            if number < BATCHES - 1:
                db.execute("UPDATE batches SET state = 'done', finished_at = NOW() WHERE id = %s", (batch_id,))
        approvals.approve_bulk(db, project_id, user_id, matches[BATCHES * IN_A_BATCH :][:IN_A_BATCH])
        db.execute("UPDATE tasks SET due_at = NULL WHERE kind = 'publish'")
