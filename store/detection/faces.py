"""Faces found by the detector, shared by all projects, or drawn by hand, visible to one project only."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from boxes import Box
from database import Connection, marks
from store.errors import LeaseLost, NotFound, Stale
from store.jobs import signals
from store.jobs.tasks import EXPIRY

State = Literal["waiting", "encoded", "failed", "dropped", "gone"]

# Boxes with at least this intersection over union are boxes of the same face: those of dlib and CenterFace for one face
# overlap by 0.5 and more, those of neighbouring faces hardly at all.
SAME_FACE_IOU = 0.4
SMALLEST_BOX = 0.004  # fraction of the picture's side: 4 px of 960
SMALLEST_PX = 6  # in the picture as it was searched

# Condition of the faces visible to a project: shared ones and its own, without those that are gone or whose box it has
# corrected. Takes the project id twice.
VISIBLE = """(f.project_id IS NULL OR f.project_id = %s) AND f.state <> 'gone' AND NOT EXISTS (
  SELECT 1 FROM faces d WHERE d.page_id = f.page_id AND d.project_id = %s AND d.replaces = f.id AND d.state <> 'gone')"""


@dataclass(frozen=True)
class Chip:
    """A face's thumbnail; `version` changes with the bytes of the file from which it was cut."""

    face_id: int
    version: str


@dataclass(frozen=True)
class Face:
    """A face as visible to a project."""

    id: int
    page_id: int
    project_id: int | None
    box: Box
    state: State
    poor: bool
    size_px: int | None
    score: float | None
    detector: str | None


@dataclass(frozen=True)
class FoundFace:
    """A face found by a worker: box, quality, `encoding` (512 bytes: 128 little-endian float32), small JPEG chip."""

    box: Box
    size_px: int
    score: float
    detector: str
    sharpness: float
    poor: bool
    encoding: bytes | None
    encoder: str | None
    chip: bytes | None


@dataclass(frozen=True)
class OutdatedChip:
    """A face to be encoded anew from its chip. `width`, `height`: of the picture that it was found in, in pixels."""

    face_id: int
    box: Box
    width: int
    height: int
    encoder: str
    jpeg: bytes


@dataclass(frozen=True)
class DrawnFace:
    """A drawn face that a worker has claimed for encoding."""

    id: int
    page_id: int
    project_id: int
    box: Box
    token: bytes


_COLUMNS = (
    "f.id, f.page_id, f.project_id, f.box_left, f.box_top, f.box_width, f.box_height, f.state, f.poor, f.size_px, f.score, "
    "f.detector"
)


def _box(row: dict[str, Any]) -> Box:
    return Box(row.pop("box_left"), row.pop("box_top"), row.pop("box_width"), row.pop("box_height"))


def _face(row: dict[str, Any]) -> Face:
    return Face(box=_box(row), **{**row, "poor": bool(row["poor"])})


def replace_found(db: Connection, page_id: int, sha1: str | None, found: Sequence[FoundFace]) -> int:
    """Store the faces found in a file, in the transaction that holds its lease; return how many faces it has.

    A face that is found again (by overlap) keeps its id and its answers. A face that is not found again stays
    unchanged if a human decided about it for the same bytes (`decided`). Otherwise it is deleted, or kept as `gone`
    if it has answers, and shown again when its bytes return. Drawn faces are queued for encoding again if the bytes
    have changed.
    """
    rows = db.rows(
        f"SELECT {_COLUMNS}, f.sha1 FROM faces f WHERE f.page_id = %s AND (f.state <> 'gone' OR f.sha1 = %s) FOR UPDATE",
        (page_id, sha1),
    )
    shared = {row["id"]: _box(row) for row in rows if row["project_id"] is None}
    matched = match_boxes(list(shared.items()), [face.box for face in found])
    for position, face in enumerate(found):
        _store_found(db, page_id, sha1, face, matched.get(position))
    missed = [row for row in rows if row["id"] in shared.keys() - matched.values() and row["state"] != "gone"]
    kept = decided(db, page_id, sha1, [row["id"] for row in missed if row["sha1"] == sha1])
    _retire(db, page_id, [row["id"] for row in missed if row["id"] not in kept])
    stale = [row["id"] for row in rows if row["project_id"] is not None and row["sha1"] != sha1]
    if stale:
        db.execute(
            f"UPDATE faces SET state = 'waiting', encoding = NULL, sha1 = %s WHERE id IN ({marks(stale)})",
            (sha1, *stale),
        )
    return len(found) + len(kept)


def decided(db: Connection, page_id: int, sha1: str | None, face_ids: Sequence[int]) -> set[int]:
    """Return the faces of a file with a human decision for these bytes: a valid answer or approval, or an edit."""
    if not face_ids or sha1 is None:
        return set()
    project_ids = _projects(db, [page_id])
    listed, asked = f"IN ({marks(project_ids)})", f"IN ({marks(face_ids)})"
    where = f"project_id {listed} AND page_id = %s AND face_id {asked}"
    args = (*project_ids, page_id, *face_ids, sha1)
    return set(
        db.column(
            f"""SELECT face_id FROM answers WHERE {where} AND COALESCE(sha1, %s) = %s AND withdrawn_at IS NULL
                  AND answer <> 'skip'
                UNION SELECT face_id FROM approvals WHERE {where} AND COALESCE(sha1, %s) = %s
                UNION SELECT face_id FROM edits WHERE {where} AND COALESCE(approved_sha1, %s) = %s AND action = 'add'
                  AND state NOT IN ('cancelled', 'skipped', 'undone')""",
            3 * (*args, sha1),
        )
    )


def unseen(db: Connection, page_id: int, sha1: str | None, found: Sequence[Box]) -> list[Face]:
    """Return the faces with a human decision for these bytes that a new search of them did not find."""
    rows = db.rows(
        f"""SELECT {_COLUMNS} FROM faces f WHERE f.page_id = %s AND f.sha1 = %s AND f.project_id IS NULL
            AND f.state <> 'gone' ORDER BY f.id""",
        (page_id, sha1),
    )
    known = [_face(row) for row in rows]
    seen = match_boxes([(face.id, face.box) for face in known], found).values()
    missed = [face for face in known if face.id not in seen]
    kept = decided(db, page_id, sha1, [face.id for face in missed])
    return [face for face in missed if face.id in kept]


def _projects(db: Connection, page_ids: Sequence[int]) -> list[int]:
    """Return the projects that contain any of the files."""
    return db.column(f"SELECT DISTINCT project_id FROM project_files WHERE page_id IN ({marks(page_ids)})", page_ids)


def match_boxes(old: Sequence[tuple[int, Box]], new: Sequence[Box]) -> dict[int, int]:
    """Match new boxes (by position) to old faces (by id): largest overlaps first, each used once."""
    pairs = sorted(
        ((box.overlap(other), face_id, position) for face_id, box in old for position, other in enumerate(new)),
        reverse=True,
    )
    matched: dict[int, int] = {}
    for overlap, face_id, position in pairs:
        if overlap >= SAME_FACE_IOU and position not in matched and face_id not in matched.values():
            matched[position] = face_id
    return matched


def _store_found(db: Connection, page_id: int, sha1: str | None, face: FoundFace, face_id: int | None) -> None:
    values = (
        face.box.left,
        face.box.top,
        face.box.width,
        face.box.height,
        face.size_px,
        face.score,
        face.detector,
        face.sharpness,
        face.poor,
        face.encoding,
        face.encoder,
        "encoded" if face.encoding else "failed",
        sha1,
    )
    if face_id is None:
        face_id = db.insert(
            """INSERT INTO faces (box_left, box_top, box_width, box_height, size_px, score, detector, sharpness, poor,
                 encoding, encoder, state, sha1, page_id)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            (*values, page_id),
        )
    else:
        db.execute(
            """UPDATE faces SET box_left = %s, box_top = %s, box_width = %s, box_height = %s, size_px = %s, score = %s,
                 detector = %s, sharpness = %s, poor = %s, encoding = %s, encoder = %s, state = %s, sha1 = %s WHERE id = %s""",
            (*values, face_id),
        )
    _store_chip(db, face_id, face.chip)


def _store_chip(db: Connection, face_id: int, chip: bytes | None) -> None:
    if chip:
        db.execute(
            "INSERT INTO face_chips (face_id, jpeg) VALUES (%s, %s) ON DUPLICATE KEY UPDATE jpeg = VALUES(jpeg)",
            (face_id, chip),
        )


def _retire(db: Connection, page_id: int, face_ids: Sequence[int]) -> None:
    """Hide faces that are no longer found: those with answers are kept as `gone`, the others deleted."""
    if not face_ids:
        return
    project_ids = _projects(db, [page_id])
    answered = set(
        db.column(
            f"""SELECT DISTINCT face_id FROM answers WHERE project_id IN ({marks(project_ids)}) AND page_id = %s
                AND face_id IN ({marks(face_ids)})""",
            (*project_ids, page_id, *face_ids),
        )
    )
    kept = [face_id for face_id in face_ids if face_id in answered]
    db.execute(f"UPDATE faces SET state = 'gone', encoding = NULL WHERE id IN ({marks(kept)})", kept)
    remove(db, [face_id for face_id in face_ids if face_id not in answered], project_ids)


def remove(db: Connection, face_ids: Sequence[int], project_ids: Sequence[int]) -> None:
    """Delete faces and what is derived from them in these projects, which contain, or contained, their files.

    Rows are deleted one by one by primary key: a DELETE that searches for rows reads and locks rows of other
    projects, and so does one with a list of keys when the server prefers a full scan.
    """
    if not face_ids:
        return
    ordered = sorted(face_ids)
    for project_id in project_ids:
        asked = db.rows(
            f"SELECT project_id, position FROM questions WHERE project_id = %s AND face_id IN ({marks(ordered)})",
            (project_id, *ordered),
        )
        db.many("DELETE FROM questions WHERE project_id = %s AND position = %s", [tuple(row.values()) for row in asked])
        for table in ("labels", "predictions"):
            db.many(
                f"DELETE FROM {table} WHERE project_id = %s AND face_id = %s", [(project_id, face) for face in ordered]
            )
    db.many("DELETE FROM face_chips WHERE face_id = %s", [(face,) for face in ordered])
    db.many("DELETE FROM faces WHERE id = %s", [(face,) for face in ordered])


def intact(db: Connection, page_id: int, encoders: Sequence[str]) -> bool:
    """Return whether all encodings of the file's faces are of these versions and none is missing.

    Drawn faces may wait for theirs, and stay as they are where they have no chip to be encoded from.
    """
    return not db.value(
        f"""SELECT 1 FROM faces WHERE page_id = %s AND state <> 'gone' AND ((project_id IS NULL AND state <> 'encoded')
              OR (state = 'encoded' AND encoder NOT IN ({marks(encoders)})
                  AND (project_id IS NULL OR EXISTS (SELECT 1 FROM face_chips c WHERE c.face_id = faces.id)))) LIMIT 1""",
        (page_id, *encoders),
    )


def outdated_chips(db: Connection, page_id: int, encoders: Sequence[str]) -> list[OutdatedChip] | None:
    """Return the faces whose encodings are of another version, with their chips.

    None if they cannot be encoded from their chips alone: a chip or an encoding is missing.
    """
    rows = db.rows(
        """SELECT f.id, f.state, f.encoder, f.box_left, f.box_top, f.box_width, f.box_height, c.jpeg,
              COALESCE(i.searched_width, i.width) AS x, COALESCE(i.searched_height, i.height) AS y
            FROM faces f JOIN files i ON i.page_id = f.page_id LEFT JOIN face_chips c ON c.face_id = f.id
            WHERE f.page_id = %s AND f.state <> 'gone'
              AND (f.project_id IS NULL OR (f.state = 'encoded' AND c.face_id IS NOT NULL))""",
        (page_id,),
    )
    if any(row["state"] != "encoded" for row in rows):
        return None
    old = [row for row in rows if row["encoder"] not in encoders]
    if any(row["jpeg"] is None or not row["x"] or not row["y"] for row in old):
        return None
    return [OutdatedChip(row["id"], _box(row), row["x"], row["y"], row["encoder"], row["jpeg"]) for row in old]


def encode_anew(db: Connection, face_id: int, old: str, encoding: bytes, encoder: str) -> None:
    """Replace an encoding of the version `old` by one of another version; nothing is done if it is of another by now."""
    db.execute(
        "UPDATE faces SET encoding = %s, encoder = %s WHERE id = %s AND state = 'encoded' AND encoder = %s",
        (encoding, encoder, face_id, old),
    )


def draw(
    db: Connection, project_id: int, page_id: int, user_id: int, box: Box, *, replaces: int | None, sha1: str | None
) -> int:
    """Store a box drawn by hand, which waits for a worker to encode it; return the face's id.

    Raises NotFound (the file is not in the project) and Stale ("box": outside the picture or too small; "face": the
    face to replace is gone).
    """
    looks = db.value(
        "SELECT 1 FROM project_files FORCE INDEX (PRIMARY) WHERE project_id = %s AND page_id = %s FOR UPDATE",
        (project_id, page_id),
    )
    if not looks:
        raise NotFound(f"file {page_id}")
    size = db.row(
        "SELECT COALESCE(searched_width, width) AS x, COALESCE(searched_height, height) AS y FROM files WHERE page_id = %s",
        (page_id,),
    )
    if not _is_valid_box(box, size or {}):
        raise Stale("box")
    if replaces is not None and all(face.id != replaces for face in of_file(db, project_id, page_id)):
        raise Stale("face")
    face_id = db.insert(
        """INSERT INTO faces (page_id, project_id, replaces, drawn_by, box_left, box_top, box_width, box_height, state, sha1,
             detector) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'waiting', %s, 'drawn')""",
        (page_id, project_id, replaces, user_id, box.left, box.top, box.width, box.height, sha1),
    )
    signals.wake(db)
    return face_id


def _is_valid_box(box: Box, size: Mapping[str, int | None]) -> bool:
    """Return whether a box lies inside the picture and is large enough for a face.

    `size`: width "x" and height "y" of the picture in pixels, where known.
    """
    inside = 0 <= box.left <= 1 - box.width + 1e-9 and 0 <= box.top <= 1 - box.height + 1e-9
    across = box.width * (size.get("x") or SMALLEST_PX / SMALLEST_BOX)
    down = box.height * (size.get("y") or SMALLEST_PX / SMALLEST_BOX)
    return inside and min(box.width, box.height) >= SMALLEST_BOX and min(across, down) >= SMALLEST_PX


def claim_drawn(db: Connection, worker: str, limit: int) -> list[DrawnFace]:
    """Claim up to `limit` drawn faces that wait to be encoded, oldest first."""
    rows = db.rows(
        f"""SELECT f.id, f.page_id, f.project_id, f.box_left, f.box_top, f.box_width, f.box_height FROM faces f
            WHERE f.project_id IS NOT NULL AND f.state = 'waiting'
              AND (f.lease_token IS NULL OR f.leased_at < NOW() - {EXPIRY})
              AND EXISTS (SELECT 1 FROM projects p WHERE p.id = f.project_id AND p.status <> 'deleted')
            ORDER BY f.id LIMIT %s {db.for_update}""",
        (limit,),
    )
    token = secrets.token_bytes(16)
    face_ids = [row["id"] for row in rows]
    db.execute(
        f"UPDATE faces SET lease_token = %s, lease_worker = %s, leased_at = NOW() WHERE id IN ({marks(face_ids)})",
        (token, worker, *face_ids),
    )
    return [DrawnFace(row["id"], row["page_id"], row["project_id"], _box(row), token) for row in rows]


def encoded(db: Connection, drawn: DrawnFace, found: FoundFace) -> None:
    """Store the encoding of a drawn face; its box stays as it was drawn. Raises LeaseLost."""
    done = db.execute(
        """UPDATE faces SET encoding = %s, encoder = %s, size_px = %s, sharpness = %s, poor = %s, state = 'encoded',
             lease_token = NULL, lease_worker = NULL, leased_at = NULL WHERE id = %s AND lease_token = %s""",
        (found.encoding, found.encoder, found.size_px, found.sharpness, found.poor, drawn.id, drawn.token),
    )
    if not done:
        raise LeaseLost(f"face {drawn.id}")
    _store_chip(db, drawn.id, found.chip)


def not_encoded(db: Connection, drawn: DrawnFace, *, again: bool) -> None:
    """Settle a drawn face that could not be encoded: it is kept, but trains nothing. `again`: workers may retry."""
    db.execute(
        """UPDATE faces SET state = IF(%s, 'waiting', 'failed'), lease_token = NULL, lease_worker = NULL, leased_at = NULL
           WHERE id = %s AND lease_token = %s""",
        (again, drawn.id, drawn.token),
    )


def encode_later(db: Connection, drawn: DrawnFace, seconds: int) -> None:
    """Keep a drawn face claimed for `seconds` more, so that it is retried then and not at once."""
    db.execute(
        f"UPDATE faces SET leased_at = NOW() - {EXPIRY} + INTERVAL %s SECOND WHERE id = %s AND lease_token = %s",
        (seconds, drawn.id, drawn.token),
    )


def drawn_in(db: Connection) -> float | None:
    """Return the seconds until a waiting drawn face may be claimed (0 or less: now), or None if none waits."""
    found = db.value(
        f"""SELECT MIN(IF(f.lease_token IS NULL, 0, TIMESTAMPDIFF(SECOND, NOW(), f.leased_at + {EXPIRY}))) FROM faces f
            WHERE f.project_id IS NOT NULL AND f.state = 'waiting'
              AND EXISTS (SELECT 1 FROM projects p WHERE p.id = f.project_id AND p.status <> 'deleted')"""
    )
    return None if found is None else float(found)


def of_file(db: Connection, project_id: int, page_id: int) -> list[Face]:
    """Return the faces of a file that are visible to a project, from left to right."""
    rows = db.rows(
        f"SELECT {_COLUMNS} FROM faces f WHERE f.page_id = %s AND {VISIBLE} ORDER BY f.box_left, f.id",
        (page_id, project_id, project_id),
    )
    return [_face(row) for row in rows]


def of_files(db: Connection, project_id: int, page_ids: Sequence[int]) -> dict[int, list[Face]]:
    """Return the faces that are visible to a project, by page id, from left to right."""
    rows = db.rows(
        f"SELECT {_COLUMNS} FROM faces f WHERE f.page_id IN ({marks(page_ids)}) AND {VISIBLE} ORDER BY f.box_left, f.id",
        (*page_ids, project_id, project_id),
    )
    found: dict[int, list[Face]] = {page_id: [] for page_id in page_ids}
    for row in rows:
        found[row["page_id"]].append(_face(row))
    return found


def chip(db: Connection, project_id: int, face_id: int) -> bytes | None:
    """Return the JPEG chip of a face in a file of the project, or None."""
    found: bytes | None = db.value(
        """SELECT c.jpeg FROM face_chips c JOIN faces f ON f.id = c.face_id
           JOIN project_files pf ON pf.page_id = f.page_id AND pf.project_id = %s
           WHERE c.face_id = %s AND (f.project_id IS NULL OR f.project_id = %s)""",
        (project_id, face_id, project_id),
    )
    return found
