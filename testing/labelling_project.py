"""A labelling project inserted directly into the database, for the labelling benchmark and the browser tests.

The photographs are the sandbox's. The bounding boxes are at fixed positions, because the answers here do not depend
on what the picture shows.
"""

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import requests
from PIL import Image

from app import create_app
from boxes import Box
from config import Settings
from database import Connection, Database
from sandbox.server import Sandbox
from store.accounts import users
from store.detection import faces, files, searches
from store.detection.faces import FoundFace
from store.detection.files import FileMetadata
from store.detection.searches import SearchLease
from store.labelling import answers, labels, predictions
from store.labelling.answers import NewAnswer
from store.labelling.predictions import Change, Prediction, Question, replace_questions
from store.projects import projects
from store.projects.projects import NewProject
from token_crypto import TokenBox

SINGLE = (Box(0.36, 0.1, 0.26, 0.34),)
GROUP = (Box(0.08, 0.2, 0.18, 0.25), Box(0.4, 0.12, 0.2, 0.3), Box(0.72, 0.25, 0.16, 0.22))
REASONS = ("alike", "unsure", "unseen", "spot_check", "mistaken")


@dataclass(frozen=True)
class Labelling:
    """A project with questions: `faces` maps the faces of each file (page id) from left to right."""

    settings: Settings
    database: Database
    project_id: int
    user_id: int
    faces: dict[int, list[int]]

    def cookie(self, user_id: int | None = None, epoch: int = 0) -> Any:
        """Return the session cookie of a signed-in user, for a browser that opens 127.0.0.1."""
        app = create_app(self.settings)
        serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
        session = {"user": user_id or self.user_id, "epoch": epoch, "_permanent": True}
        return {
            "name": app.config["SESSION_COOKIE_NAME"],
            "value": serializer.dumps(session),
            "domain": "127.0.0.1",
            "path": "/",
        }

    def standing(self) -> dict[int, str]:
        """Return the newest answer of each face that was not withdrawn."""
        with self.database.transaction() as db:
            rows = db.rows(
                "SELECT face_id, answer FROM answers WHERE project_id = %s AND withdrawn_at IS NULL ORDER BY id",
                (self.project_id,),
            )
        return {row["face_id"]: row["answer"] for row in rows}

    def rank(self, face_ids: list[int] | None = None) -> None:
        """Replace the questions: ask about these faces, or about the first face of every file, in this order."""
        page_of = {face: page for page, listed in self.faces.items() for face in listed}
        wanted = face_ids or [listed[len(listed) // 2] for listed in self.faces.values() if listed]
        ranked = [Question(page_of[face], face, REASONS[place % 5]) for place, face in enumerate(wanted)]
        with self.database.transaction() as db:
            replace_questions(db, self.project_id, 1, ranked)


def replace_predictions(db: Connection, project_id: int, run: int, rows: Iterable[Prediction]) -> None:
    """Store the predictions of a model run; faces of earlier runs that are not among them lose theirs."""
    now = {row.face_id: row for row in rows}
    predictions.change(db, project_id, run, Change.between(predictions.of_project(db, project_id), now))


def photographs(sandbox: Sandbox, count: int) -> list[dict[str, Any]]:
    """Return sandbox photographs in the shape of imageinfo, largest first: `pageid`, `title`, `imageinfo`."""
    found: dict[int, dict[str, Any]] = {}
    categories = sorted(sandbox.world.members, key=lambda name: -len(sandbox.world.members[name]))
    for category in categories:
        query = {"action": "query", "format": "json", "formatversion": "2", "generator": "categorymembers"}
        query |= {"gcmtitle": category, "gcmtype": "file", "gcmlimit": "max", "prop": "imageinfo"}
        query |= {"iiprop": "url|size|sha1|mime", "iiurlwidth": "960", "iilimit": "1"}
        answer = requests.get(f"{sandbox.base}/w/api.php", params=query, timeout=60).json()
        pages = answer.get("query", {}).get("pages", [])
        found |= {
            page["pageid"]: _shown(page) for page in pages if page.get("imageinfo", [{}])[0].get("mime") == "image/jpeg"
        }
        if len(found) >= count:
            break
    if not found:
        raise SystemExit("the sandbox has no photographs")
    return list(found.values())[:count]


def _shown(page: dict[str, Any]) -> dict[str, Any]:
    """Return the rendering that the page shows: 960 px, or the original where it is narrower."""
    info = page["imageinfo"][0]
    return {**page, "imageinfo": [{**info, "thumburl": info.get("thumburl", info["url"])}]}


def nowhere(count: int) -> list[dict[str, Any]]:
    """Return photographs whose addresses are never loaded."""
    return [
        {
            "title": f"File:Picture {n}.jpg",
            "imageinfo": [{"width": 960, "height": 640, "thumburl": f"http://127.0.0.1:9/{n}.jpg"}],
        }
        for n in range(count)
    ]


def fill(
    settings: Settings, database: Database, pictures: Sequence[dict[str, Any]], count: int, *, group_every: int = 0
) -> Labelling:
    """Create a project of Alice's with `count` searched files: one face each, three in every `group_every`th file.

    `pictures`: as returned by `photographs`; they are repeated where there are too few.
    """
    with database.transaction() as db:
        user_id = sign_up(db, "Alice")
        new = NewProject(
            "Q1426", "Roger Federer", "Roger Federer", born="1981-08-08", description="Swiss tennis player"
        )
        project_id = projects.create(db, user_id, new)
        db.execute("DELETE FROM tasks")
        found = {
            page_id: _file(db, project_id, page_id, place, pictures[place % len(pictures)], group_every)
            for place, page_id in enumerate(range(5001, 5001 + count))
        }
        projects.crawled(db, project_id, cut=False, newest=None)
    labelling = Labelling(settings, database, project_id, user_id, found)
    labelling.rank()
    return labelling


def sign_up(db: Connection, name: str) -> int:
    """Create a user with this name, in the state after sign-in."""
    box = TokenBox([])
    return users.sign_in(
        db, box, subject=name.lower(), name=name, blocked=False, access="a", refresh="r", expires_in=9_000
    ).id


def _file(
    db: Connection, project_id: int, page_id: int, place: int, picture: dict[str, Any], group_every: int
) -> list[int]:
    info = picture["imageinfo"][0]
    title = f"{place + 1:03d} {picture['title'].removeprefix('File:')}"
    files.add_to_project(db, project_id, [(page_id, title)], "source", 100_000)
    token = page_id.to_bytes(16, "big")
    db.execute("UPDATE files SET lease_token = %s WHERE page_id = %s", (token, page_id))
    lease = SearchLease(token, project_id, (page_id,))
    sha1 = hashlib.sha1(str(page_id).encode()).hexdigest()
    seen = FileMetadata(
        page_id,
        title,
        sha1=sha1,
        width=info["width"],
        height=info["height"],
        thumb_url=info["thumburl"],
        description=f"Roger Federer at tournament number {place + 1}, on the court after the match",
        taken_on=f"{2003 + place % 15}-07-0{1 + place % 9}",
    )
    searches.describe(db, lease, seen)
    boxes = GROUP if group_every and place % group_every == group_every - 1 else SINGLE
    found = [_face(box, place) for box in boxes]
    faces.replace_found(db, page_id, sha1, found)
    width, height = info.get("thumbwidth", info["width"]), info.get("thumbheight", info["height"])
    searches.searched(db, lease, page_id, width=width, height=height, detector="fixed", faces=len(found))
    return [face.id for face in faces.of_file(db, project_id, page_id)]


def _face(box: Box, place: int) -> FoundFace:
    chip = io.BytesIO()
    Image.new("RGB", (150, 150), (90 + place % 120, 120, 60 + place % 150)).save(chip, "JPEG")
    return FoundFace(
        box=box,
        size_px=120,
        score=1.0,
        detector="fixed",
        sharpness=100.0,
        poor=False,
        encoding=bytes(512),
        encoder="fixed",
        chip=chip.getvalue(),
    )


def confirm(labelling: Labelling, count: int, user_id: int | None = None) -> list[int]:
    """Answer "yes" about the faces of the first `count` files as an earlier user; return the faces."""
    chosen = [(page, listed[0]) for page, listed in labelling.faces.items() if listed][:count]
    with labelling.database.transaction() as db:
        for page_id, face_id in chosen:
            ids = str(UUID(int=10**35 + face_id))
            given = NewAnswer(ids, ids, page_id, face_id, "target", reason="first")
            answers.record(db, labelling.project_id, user_id or labelling.user_id, [given])
        labels.rebuild(db, labelling.project_id, [page_id for page_id, _ in chosen])
    return [face_id for _, face_id in chosen]
