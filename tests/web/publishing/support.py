"""Projects for the tests of the review and of publishing, as rows of a real database."""

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from werkzeug.test import TestResponse

from boxes import Box
from database import Database
from store.detection import faces, files
from store.detection.faces import FoundFace
from store.labelling import answers, labels
from store.labelling.answers import NewAnswer
from store.labelling.predictions import Prediction, Suggestion
from store.projects import projects
from testing.file_copies import change_files
from testing.labelling_project import replace_predictions
from tests.web.browser import Browser


def chip(number: int) -> bytes:
    """Return a small picture in a colour of its own."""
    out = io.BytesIO()
    Image.new("RGB", (150, 150), (60 + number * 37 % 160, 60 + number * 61 % 160, 60 + number * 17 % 160)).save(
        out, "JPEG"
    )
    return out.getvalue()


def found_face(number: int, box: Box) -> FoundFace:
    return FoundFace(box, 120, 1.0, "fixed", 100.0, False, bytes(512), "fixed", chip(number))


def json_of(answer: TestResponse) -> Any:
    """Return the JSON of a response, whatever its status."""
    return answer.json


def post_json(browser: Browser, url: str, sent: Any) -> Any:
    """Send JSON as a script does and return the JSON of the response."""
    answer = browser.send(url, sent)
    assert answer.status_code == 200, answer.text
    return answer.json


@dataclass
class Case:
    """Alice's project with Bob as a labeller; `faces` are the face ids of each file."""

    database: Database
    project_id: int
    users: dict[str, int]
    faces: dict[int, list[int]] = field(default_factory=dict)

    def url(self, path: str = "") -> str:
        return f"/projects/{self.project_id}{path}"

    def face(self, place: int) -> int:
        """Return the first face of the file at this place."""
        return list(self.faces.values())[place][0]

    def page(self, place: int) -> int:
        return list(self.faces)[place]

    def record_answer(self, place: int, answer: Any, name: str = "Alice") -> None:
        """Answer about the first face of a file."""
        page_id, face_id = self.page(place), self.face(place)
        with self.database.transaction() as db:
            given = NewAnswer(f"c{face_id}{answer}", f"s{face_id}{answer}", page_id, face_id, answer)
            answers.record(db, self.project_id, self.users[name], [given])

    def predict(self, *rows: tuple[int, Suggestion, float]) -> None:
        """Store predictions for the first faces of files: (place, suggestion, probability)."""
        with self.database.transaction() as db:
            predictions = {
                self.face(place): Prediction(self.face(place), self.page(place), 1 - chance / 2, chance, suggestion)
                for place, suggestion, chance in rows
            }
            replace_predictions(db, self.project_id, 1, predictions.values())

    def state(self, *places: int) -> None:
        """Let Commons state the person in these files."""
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

    def change_files(self, sql: str, *args: Any) -> None:
        with self.database.transaction() as db:
            change_files(db, sql, args)

    def approved(self) -> dict[int, str]:
        """Return the kind of approval by page id."""
        with self.database.transaction() as db:
            rows = db.rows("SELECT page_id, kind FROM approvals WHERE project_id = %s", (self.project_id,))
        return {row["page_id"]: row["kind"] for row in rows}


BOXES = (Box(0.36, 0.1, 0.26, 0.34), Box(0.7, 0.2, 0.2, 0.3), Box(0.05, 0.2, 0.2, 0.3))


def make_case(
    database: Database,
    project_id: int,
    users: dict[str, int],
    count: int,
    *,
    each: int = 1,
    thumb: str | None = None,
    first: int = 7000,
) -> Case:
    """Fill a project with `count` searched files of `each` faces, with page ids from `first` on."""
    case = Case(database, project_id, users)
    with database.transaction() as db:
        pages = [(first + number, f"Picture {number:05d}.jpg") for number in range(count)]
        files.add_to_project(db, project_id, pages, "source", count)
        for number, (page_id, _) in enumerate(pages):
            sha1 = hashlib.sha1(str(page_id).encode()).hexdigest()
            faces.replace_found(db, page_id, sha1, [found_face(number, box) for box in BOXES[:each]])
            change_files(
                db,
                """UPDATE files SET state = 'searched', sha1 = %s, searched_at = NOW() - INTERVAL 1 HOUR, thumb_url = %s,
                     searched_width = 960, searched_height = 640, face_count = %s WHERE page_id = %s""",
                (sha1, thumb, each, page_id),
            )
            case.faces[page_id] = [face.id for face in faces.of_file(db, project_id, page_id)]
        db.execute("DELETE FROM tasks")
        projects.crawled(db, project_id, cut=False, newest=None)
    return case
