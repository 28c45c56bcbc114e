"""Input of a model run: the faces visible to a project, their labels and answers, in as few bytes as possible."""

from collections.abc import Sequence
from dataclasses import dataclass

from database import Connection, marks
from store.detection.faces import VISIBLE

_FACES = f"FROM project_files pf JOIN faces f ON f.page_id = pf.page_id WHERE pf.project_id = %s AND {VISIBLE}"


@dataclass(frozen=True)
class FaceRow:
    """A visible face; `checksum` of its encoding and version of its encoder, None without one.

    Equal checksums mean equal encodings.
    """

    id: int
    page_id: int
    poor: bool
    checksum: int | None
    encoder: str | None


@dataclass(frozen=True)
class LabelRow:
    """A label that is not suspended."""

    face_id: int
    label: str
    source: str


@dataclass(frozen=True)
class AnswerRow:
    """A valid answer about a face."""

    id: int
    user_id: int
    face_id: int
    page_id: int
    answer: str
    twice: bool
    reason: str | None


def fingerprint(db: Connection, project_id: int) -> tuple[int, int]:
    """Return two numbers that change whenever the result of `faces` does.

    Only one row is fetched, however many faces there are.
    """
    row = db.row(
        f"""SELECT COUNT(*) AS faces, BIT_XOR(CRC32(CONCAT_WS(':', f.id, f.page_id, f.poor, CRC32(f.encoding)))) AS sum
            {_FACES}""",
        (project_id, project_id, project_id),
    )
    assert row is not None
    return int(row["faces"]), int(row["sum"])


def any_dropped(db: Connection, project_id: int) -> bool:
    """Return whether encodings of the project's faces were dropped since it was last active.

    They are dropped by store/detection/purging.py.
    """
    return bool(db.value(f"SELECT 1 {_FACES} AND f.state = 'dropped' LIMIT 1", (project_id, project_id, project_id)))


def faces(db: Connection, project_id: int) -> list[FaceRow]:
    """Return every visible face, ordered by id."""
    rows = db.rows(
        f"SELECT f.id, f.page_id, f.poor, CRC32(f.encoding) AS checksum, f.encoder {_FACES} ORDER BY f.id",
        (project_id, project_id, project_id),
    )
    return [FaceRow(row["id"], row["page_id"], bool(row["poor"]), row["checksum"], row["encoder"]) for row in rows]


def encodings(db: Connection, face_ids: Sequence[int]) -> dict[int, bytes]:
    """Return the encodings of faces by id: 128 little-endian float32 each."""
    found: dict[int, bytes] = {}
    for start in range(0, len(face_ids), 1000):
        part = face_ids[start : start + 1000]
        rows = db.rows(f"SELECT id, encoding FROM faces WHERE id IN ({marks(part)}) AND encoding IS NOT NULL", part)
        found |= {row["id"]: row["encoding"] for row in rows}
    return found


def labels(db: Connection, project_id: int) -> list[LabelRow]:
    """Return the labels that are not suspended."""
    rows = db.rows("SELECT face_id, label, source FROM labels WHERE project_id = %s AND NOT suspended", (project_id,))
    return [LabelRow(**row) for row in rows]


def approved_in_bulk(db: Connection, project_id: int) -> list[int]:
    """Return the faces whose valid approval was given in bulk."""
    return db.column(
        "SELECT face_id FROM approvals WHERE project_id = %s AND kind = 'bulk' AND NOT suspended AND face_id IS NOT NULL",
        (project_id,),
    )


def members(db: Connection, project_id: int) -> set[int]:
    """Return the users who are asked: the members of the project."""
    return set(db.column("SELECT user_id FROM project_members WHERE project_id = %s", (project_id,)))


def answers(db: Connection, project_id: int) -> list[AnswerRow]:
    """Return the valid answers about faces, oldest first."""
    rows = db.rows(
        """SELECT id, user_id, face_id, page_id, answer, twice, reason FROM answers
           WHERE project_id = %s AND face_id IS NOT NULL AND withdrawn_at IS NULL ORDER BY id""",
        (project_id,),
    )
    return [AnswerRow(**{**row, "twice": bool(row["twice"])}) for row in rows]
