"""Insert rows for the tests of the store."""

from uuid import uuid4

from boxes import Box
from database import Connection
from store.accounts import users
from store.detection import faces, files, searches
from store.detection.faces import FoundFace
from store.detection.searches import SearchLease
from store.labelling import answers
from store.labelling.answers import NewAnswer, Recorded
from store.projects import projects
from store.projects.projects import NewProject
from token_crypto import TokenBox

SHA1 = "a" * 40
LEFT, RIGHT = Box(0.1, 0.1, 0.2, 0.2), Box(0.6, 0.1, 0.2, 0.2)


def user(db: Connection, name: str = "Ada") -> int:
    return users.sign_in(
        db, TokenBox([]), subject=name, name=name, blocked=False, access="a", refresh="r", expires_in=60
    ).id


def project(db: Connection, owner: str = "Ada", source: str = "Somebody", pages: range | list[int] = range(0)) -> int:
    """Insert a project with files of these page ids."""
    found = projects.create(db, user(db, owner), NewProject("Q42", "Somebody", source))
    look_at(db, found, pages)
    return found


def look_at(db: Connection, project_id: int, pages: range | list[int]) -> None:
    files.add_to_project(db, project_id, [(page, f"{page}.jpg") for page in pages], "source", 10_000)


def found(box: Box = LEFT, encoding: bytes | None = bytes(512)) -> FoundFace:
    return FoundFace(box, 80, 1.0, "hog-1", 1.0, poor=False, encoding=encoding, encoder="e", chip=b"jpeg")


def claim(db: Connection, worker: str = "one", limit: int = 50) -> SearchLease:
    lease = searches.claim(db, worker, limit)
    assert lease is not None
    return lease


def search(db: Connection, page: int, *boxes: Box, sha1: str = SHA1) -> list[int]:
    """Lease a file and store these faces as found; return their ids from left to right."""
    db.execute("UPDATE files SET sha1 = %s WHERE page_id = %s", (sha1, page))
    faces.replace_found(db, page, sha1, [found(box) for box in boxes])
    db.execute("UPDATE files SET state = 'searched', search_due_at = NULL WHERE page_id = %s", (page,))
    files.copy_to_projects(db, [page])
    return db.column(
        "SELECT id FROM faces WHERE page_id = %s AND project_id IS NULL AND state <> 'gone' ORDER BY box_left", (page,)
    )


def answer(page: int, face: int | None, value: str, **more: object) -> NewAnswer:
    ids = {"client_id": str(uuid4()), "step": str(uuid4())}
    return NewAnswer(page_id=page, face_id=face, answer=value, **{**ids, **more})  # type: ignore[arg-type]


def record_answer(
    db: Connection, project_id: int, user_id: int, page: int, face: int | None, value: str, **more: object
) -> Recorded:
    return answers.record(db, project_id, user_id, [answer(page, face, value, **more)])


def labels(db: Connection, project_id: int) -> dict[int, tuple[str, str]]:
    """Return label and source by face id, without suspended labels."""
    rows = db.rows("SELECT * FROM labels WHERE project_id = %s AND NOT suspended", (project_id,))
    return {row["face_id"]: (row["label"], row["source"]) for row in rows}
