"""Projects for the tests of the review and of publishing, as rows of a real database, and people signed in as Flask clients."""

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from app import create_app
from config import Settings
from database import Connection, Database
from store import answers, faces, files, labels, predictions, projects, users
from store.answers import NewAnswer
from store.faces import Box, FoundFace
from store.predictions import Prediction, Suggestion
from store.projects import NewProject
from token_crypto import TokenBox


def sign_up(db: Connection, name: str) -> int:
    """A user as after signing in."""
    return users.sign_in(
        db, TokenBox([]), subject=name.lower(), name=name, blocked=False, access="a", refresh="r", expires_in=9_000
    ).id


def chip(number: int) -> bytes:
    """A small picture in a colour of its own."""
    out = io.BytesIO()
    Image.new("RGB", (150, 150), (60 + number * 37 % 160, 60 + number * 61 % 160, 60 + number * 17 % 160)).save(
        out, "JPEG"
    )
    return out.getvalue()


def found_face(number: int, box: Box) -> FoundFace:
    return FoundFace(box, 120, 1.0, "fixed", 100.0, False, bytes(512), "fixed", chip(number))


@dataclass
class Case:
    """A project of Ada's with Bob as a labeller and Eve as a stranger; `faces` are the face ids of each file."""

    app: Flask
    database: Database
    project_id: int
    users: dict[str, int]
    faces: dict[int, list[int]] = field(default_factory=dict)

    def client(self, name: str | None = "Ada") -> FlaskClient:
        """A browser in which somebody is signed in, or nobody."""
        client = self.app.test_client()
        if name:
            with client.session_transaction() as session:
                session["user"], session["epoch"] = self.users[name], 0
        return client

    def url(self, path: str = "") -> str:
        return f"/projects/{self.project_id}{path}"

    def face(self, place: int) -> int:
        """The first face of the file at this place."""
        return list(self.faces.values())[place][0]

    def page(self, place: int) -> int:
        return list(self.faces)[place]

    def say(self, place: int, answer: Any, name: str = "Ada") -> None:
        """An answer about the first face of a file."""
        page_id, face_id = self.page(place), self.face(place)
        with self.database.transaction() as db:
            given = NewAnswer(f"c{face_id}{answer}", f"s{face_id}{answer}", page_id, face_id, answer)
            answers.record(db, self.project_id, self.users[name], [given])

    def predict(self, *rows: tuple[int, Suggestion, float]) -> None:
        """What the model says of the first faces of files: (place, suggestion, probability)."""
        with self.database.transaction() as db:
            said = {
                self.face(place): Prediction(self.face(place), self.page(place), 1 - chance / 2, chance, suggestion)
                for place, suggestion, chance in rows
            }
            predictions.replace(db, self.project_id, 1, list(said.values()))

    def state(self, *places: int) -> None:
        """Commons states the person in these files."""
        pages = [self.page(place) for place in places]
        with self.database.transaction() as db:
            files.mark_stated(db, self.project_id, [(page, f"M{page}$guid") for page in pages])
            labels.rebuild(db, self.project_id, pages)

    def value(self, sql: str, *args: Any) -> Any:
        with self.database.transaction() as db:
            return db.value(sql, args)

    def execute(self, sql: str, *args: Any) -> int:
        with self.database.transaction() as db:
            return db.execute(sql, args)

    def approved(self) -> dict[int, str]:
        """Page id -> kind of the approvals."""
        with self.database.transaction() as db:
            rows = db.rows("SELECT page_id, kind FROM approvals WHERE project_id = %s", (self.project_id,))
        return {row["page_id"]: row["kind"] for row in rows}


BOXES = (Box(0.36, 0.1, 0.26, 0.34), Box(0.7, 0.2, 0.2, 0.3), Box(0.05, 0.2, 0.2, 0.3))


def make_case(
    settings: Settings, database: Database, count: int, *, faces_each: int = 1, thumb: str | None = None
) -> Case:
    """A project with `count` searched files."""
    application = create_app(settings)
    application.config["WTF_CSRF_ENABLED"] = False
    with database.transaction() as db:
        people = {name: sign_up(db, name) for name in ("Ada", "Bob", "Eve")}
        project_id = projects.create(db, people["Ada"], NewProject("Q1426", "Roger Federer", "Roger Federer"))
        projects.add_member(db, project_id, people["Bob"], "labeller")
        pages = [(7000 + number, f"Picture {number:05d}.jpg") for number in range(count)]
        files.add_to_project(db, project_id, pages, "source", count)
        case = Case(application, database, project_id, people)
        for number, (page_id, _) in enumerate(pages):
            sha1 = hashlib.sha1(str(page_id).encode()).hexdigest()
            faces.replace_found(db, page_id, sha1, [found_face(number, box) for box in BOXES[:faces_each]])
            db.execute(
                """UPDATE files SET state = 'searched', sha1 = %s, searched_at = NOW() - INTERVAL 1 HOUR, thumb_url = %s,
                     searched_width = 960, searched_height = 640, face_count = %s WHERE page_id = %s""",
                (sha1, thumb, faces_each, page_id),
            )
            case.faces[page_id] = [face.id for face in faces.of_file(db, project_id, page_id)]
        db.execute("UPDATE project_files SET search_due_at = NULL")
        db.execute("DELETE FROM tasks")
        projects.crawled(db, project_id, cut=False, newest=None)
    return case
