"""Queries for the review: faces by label or prediction, who decided about them, and how their files are approved.

Every visible face that no human settled has a prediction a second or two after it was found, and every settled face has
a label. The lists start from predictions and labels, so that a page out of 20,000 faces costs as little as one out of
200.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypedDict, cast

from database import Connection, marks
from store.detection.faces import VISIBLE, Chip

Show = Literal[
    "matches", "approved", "confirmed", "unsure", "non_matches", "rejected", "bootstrap", "drawn", "stated", "waiting"
]
SHOWS: tuple[Show, ...] = (
    "matches", "approved", "confirmed", "unsure", "non_matches", "rejected", "bootstrap", "drawn", "stated", "waiting"
)  # fmt: skip
Sort = Literal["certainty", "doubt", "similarity", "newest"]
SORTS: tuple[Sort, ...] = ("certainty", "doubt", "similarity", "newest")

# "certainty" is the order of an index (predictions.by_suggestion), read backwards.
_ORDERS: dict[Sort, str] = {
    "certainty": "probability DESC, page_id DESC, face_id DESC",
    "doubt": "probability IS NULL, probability, page_id, face_id",
    "similarity": "distance IS NULL, distance, face_id",
    "newest": "newest DESC, face_id DESC",
}

# Anti-joins are written as outer joins: for those the server looks a key up three times as fast as for NOT EXISTS.
# Faces settled by a human are listed by id: a run of the model deletes their predictions, so that they are few.
_UNSETTLED = "p.face_id NOT IN %(settled)s"
_UNAPPROVED = "LEFT JOIN approvals o ON o.project_id = p.project_id AND o.page_id = p.page_id AND NOT o.suspended"


def _predicted(suggestion: str, joins: str = "", condition: str = "TRUE") -> str:
    return f"""SELECT p.face_id, p.page_id, p.probability, p.distance, p.face_id AS newest FROM predictions p {joins}
      WHERE p.project_id = %(project)s AND p.suggestion = '{suggestion}' AND {_UNSETTLED} AND {condition}"""


def _labelled(condition: str) -> str:
    return f"""SELECT l.face_id, l.page_id, p.probability, p.distance, COALESCE(l.answer_id, 0) AS newest FROM labels l
      LEFT JOIN predictions p ON p.project_id = l.project_id AND p.face_id = l.face_id
      WHERE l.project_id = %(project)s AND {condition}"""


def _approved(joins: str, condition: str) -> str:
    return f"""SELECT a.face_id, a.page_id, COALESCE(p.probability, a.probability) AS probability, p.distance,
        UNIX_TIMESTAMP(a.created_at) AS newest
      FROM approvals a LEFT JOIN predictions p ON p.project_id = a.project_id AND p.face_id = a.face_id {joins}
      WHERE a.project_id = %(project)s AND a.face_id IS NOT NULL AND NOT a.suspended AND {condition}"""


_NOT_REDRAWN = """f.id NOT IN (SELECT d.replaces FROM faces d WHERE d.project_id = %(project)s AND d.state <> 'gone'
  AND d.replaces IS NOT NULL)"""

# The faces of each filter: SELECTs that take `project` and `settled`.
_MEMBERS: dict[Show, tuple[str, ...]] = {
    "matches": (_predicted("match", _UNAPPROVED, "o.page_id IS NULL"),),
    "approved": (_approved("", "a.kind = 'bulk'"),),
    "confirmed": (_labelled("l.source = 'human' AND l.label = 'target' AND NOT l.suspended"),),
    "unsure": (
        _predicted("unsure"),
        _labelled("l.source IN ('human', 'implied') AND (l.label = 'unsure' OR l.suspended)"),
    ),
    "non_matches": (_predicted("no_match"),),
    "rejected": (
        _labelled("l.source IN ('human', 'implied') AND l.label IN ('other', 'not_face') AND NOT l.suspended"),
    ),
    "bootstrap": (_labelled("l.source IN ('bootstrap', 'portrait')"),),
    "drawn": (
        f"""SELECT f.id AS face_id, f.page_id, p.probability, p.distance, f.id AS newest FROM faces f
           LEFT JOIN predictions p ON p.project_id = f.project_id AND p.face_id = f.id
           WHERE f.project_id = %(project)s AND f.state <> 'gone' AND {_NOT_REDRAWN}""",
    ),
    "stated": (
        f"""SELECT f.id AS face_id, f.page_id, p.probability, p.distance, f.id AS newest FROM project_files pf
           JOIN faces f ON f.page_id = pf.page_id AND f.state <> 'gone'
             AND (f.project_id IS NULL OR f.project_id = pf.project_id)
           LEFT JOIN predictions p ON p.project_id = pf.project_id AND p.face_id = f.id
           WHERE pf.project_id = %(project)s AND pf.stated = 1 AND {_NOT_REDRAWN}""",
    ),
    "waiting": (
        _approved(
            "JOIN project_files w ON w.project_id = a.project_id AND w.page_id = a.page_id AND NOT w.stated",
            """a.page_id NOT IN (SELECT e.page_id FROM edits e FORCE INDEX (by_project) WHERE e.project_id = %(project)s
                 AND e.action = 'add' AND e.state IN ('done', 'already', 'reverted', 'undone'))""",
        ),
    ),
}


@dataclass(frozen=True)
class Matches:
    """The model's suggestions that nobody has approved yet, and how many of them are expected to be wrong."""

    faces: int
    expected_wrong: float


@dataclass(frozen=True)
class ReviewFace:
    """A face in the review; a human's label takes precedence over bootstrap, and that over the model's suggestion.

    `label`, `source`: as in the table labels, None without a label; `suggestion`: the model's; `approved`: how its
    file was approved because of this face; `said_by`, `approved_by`: user names.
    """

    face_id: int
    page_id: int
    title: str
    chip: Chip | None
    label: str | None
    source: str | None
    said_by: str | None
    suspended: bool
    suggestion: str | None
    probability: float | None
    distance: float | None
    approved: Literal["alone", "bulk"] | None
    approved_by: str | None
    prominent: bool
    drawn: bool
    poor: bool
    stated: bool


class Listed(TypedDict):
    """A face in the list of all faces; the fields have the same meaning as in `ReviewFace`."""

    face: int
    page: int
    title: str
    label: str | None
    source: str | None
    suggestion: str | None
    probability: float | None
    distance: float | None
    approved: Literal["alone", "bulk"] | None


@dataclass(frozen=True)
class ReviewCounts:
    """How many faces each filter holds; `matches`: those not approved yet, with how many to expect wrong."""

    faces: dict[Show, int]
    matches: Matches


def predicted(db: Connection, project_id: int) -> dict[str, int]:
    """Count faces by the model's suggestion, including those settled since its last run.

    The result stays the same until the model runs again.
    """
    rows = db.rows(
        "SELECT suggestion, COUNT(*) AS n FROM predictions WHERE project_id = %s GROUP BY suggestion", (project_id,)
    )
    return {row["suggestion"]: row["n"] for row in rows}


def settled(db: Connection, project_id: int, last_answer: int = 0) -> dict[int, str]:
    """Return the faces that a human settled and that still have a prediction, with its suggestion.

    `last_answer`: the newest answer that the last run of the model included. Only faces settled since then may have
    one.
    """
    rows = db.rows(
        """SELECT l.face_id, p.suggestion FROM labels l
           JOIN predictions p ON p.project_id = l.project_id AND p.face_id = l.face_id
           WHERE l.project_id = %s AND l.source IN ('human', 'implied') AND (l.answer_id > %s OR l.suspended)""",
        (project_id, last_answer),
    )
    return {row["face_id"]: row["suggestion"] for row in rows}


def _arguments(project_id: int, known: Iterable[int]) -> dict[str, Any]:
    return {"project": project_id, "settled": [0, *known]}  # never empty, because SQL has no empty list


def counts(
    db: Connection, project_id: int, known: Mapping[int, str] | None = None, guessed: Mapping[str, int] | None = None
) -> ReviewCounts:
    """Count the faces of each filter through indices, without reading every face.

    Settled faces that still have a prediction are few, and are subtracted. `known`: the result of `settled`;
    `guessed`: the result of `predicted`.
    """
    known = settled(db, project_id) if known is None else known
    guessed = predicted(db, project_id) if guessed is None else guessed
    found: dict[Show, int] = dict.fromkeys(SHOWS, 0)
    selects = [f"SELECT '{show}' AS name, COUNT(*) AS n, 0 AS wrong FROM ({_MEMBERS[show][0]}) x" for show in _COUNTED]
    suggested = Matches(0, 0.0)
    for row in db.rows(" UNION ALL ".join((_MATCHES, _LABEL_COUNTS, *selects)), _arguments(project_id, known)):
        if row["name"] == "matches":
            suggested = Matches(int(row["n"]), float(row["wrong"]))
        if row["name"]:
            found[row["name"]] += int(row["n"])
    gone = Counter(known.values())
    found["unsure"] += guessed.get("unsure", 0) - gone["unsure"]
    found["non_matches"] += guessed.get("no_match", 0) - gone["no_match"]
    return ReviewCounts(found, suggested)


_COUNTED: tuple[Show, ...] = ("approved", "drawn", "stated", "waiting")

_LABEL_COUNTS = """SELECT CASE WHEN source IN ('bootstrap', 'portrait') THEN 'bootstrap'
    WHEN label = 'unsure' OR suspended THEN 'unsure' WHEN label IN ('other', 'not_face') THEN 'rejected'
    WHEN source = 'human' THEN 'confirmed' END AS name, COUNT(*) AS n, 0 AS wrong
  FROM labels WHERE project_id = %(project)s GROUP BY name"""

_MATCHES = f"""SELECT 'matches' AS name, COUNT(*) AS n, COALESCE(SUM(1 - probability), 0) AS wrong
  FROM ({_MEMBERS["matches"][0]}) x"""


def matches(db: Connection, project_id: int) -> Matches:
    """Return what approving all suggestions would approve; a calibrated probability p is wrong 1 - p of the time."""
    row = db.row(_MATCHES, _arguments(project_id, settled(db, project_id)))
    assert row is not None
    return Matches(int(row["n"]), float(row["wrong"]))


def ids(
    db: Connection,
    project_id: int,
    show: Show,
    sort: Sort,
    limit: int,
    offset: int = 0,
    known: Mapping[int, str] | None = None,
) -> list[int]:
    """Return some of the faces of a filter, in order; `known`: the result of `settled`."""
    known = settled(db, project_id) if known is None else known
    arguments = _arguments(project_id, known) | {"limit": limit, "offset": offset}
    return db.column(
        f"SELECT face_id FROM ({' UNION ALL '.join(_MEMBERS[show])}) x ORDER BY {_ORDERS[sort]} LIMIT %(limit)s OFFSET %(offset)s",
        arguments,
    )


def faces(db: Connection, project_id: int, face_ids: Sequence[int]) -> list[ReviewFace]:
    """Return these faces in this order, without those that are not visible to the project."""
    rows = db.rows(
        f"""SELECT f.id AS face_id, f.page_id, x.title, LEFT(COALESCE(f.sha1, ''), 8) AS version,
              c.face_id IS NOT NULL AS has_chip, l.label, l.source, COALESCE(l.suspended, 0) AS suspended, u.name AS said_by,
              p.suggestion, COALESCE(p.probability, a.probability) AS probability, p.distance, a.kind AS approved,
              v.name AS approved_by, COALESCE(a.prominent, 0) AS prominent, f.project_id IS NOT NULL AS drawn, f.poor, pf.stated
            FROM faces f JOIN files x ON x.page_id = f.page_id
            JOIN project_files pf ON pf.page_id = f.page_id AND pf.project_id = %s
            LEFT JOIN labels l ON l.project_id = pf.project_id AND l.face_id = f.id
            LEFT JOIN answers w ON w.id = l.answer_id LEFT JOIN users u ON u.id = w.user_id
            LEFT JOIN predictions p ON p.project_id = pf.project_id AND p.face_id = f.id
            LEFT JOIN approvals a ON a.project_id = pf.project_id AND a.page_id = f.page_id AND a.face_id = f.id
              AND NOT a.suspended
            LEFT JOIN users v ON v.id = a.user_id LEFT JOIN face_chips c ON c.face_id = f.id
            WHERE f.id IN ({marks(face_ids)}) AND {VISIBLE}""",
        (project_id, *face_ids, project_id, project_id),
    )
    found = {row["face_id"]: _face(row) for row in rows}
    return [found[face_id] for face_id in face_ids if face_id in found]


def _face(row: dict[str, Any]) -> ReviewFace:
    version, has_chip = row.pop("version"), row.pop("has_chip")
    switches = {name: bool(row[name]) for name in ("suspended", "prominent", "drawn", "poor", "stated")}
    return ReviewFace(**{**row, **switches, "chip": Chip(row["face_id"], version) if has_chip else None})


class Place(NamedTuple):
    """A position in the list of all faces, which is ordered by file: after this face."""

    page_id: int
    face_id: int


def everything(db: Connection, project_id: int, after: Place, limit: int) -> tuple[list[Listed], Place | None]:
    """Return at most `limit` visible faces after `after`, ordered by file, and where to continue (None at the end).

    Fewer may be returned although there are more, because files without a face count as well.
    """
    rows = db.rows(
        f"""SELECT f.page_id AS page, f.id AS face, x.title, IF(l.suspended, NULL, l.label) AS label,
              IF(l.suspended, NULL, l.source) AS source, p.suggestion, p.probability, p.distance, a.kind AS approved,
              f.id IS NOT NULL AND {VISIBLE} AS visible
            FROM (SELECT pf.page_id, c.id, c.project_id, c.state FROM
                (SELECT page_id FROM project_files WHERE project_id = %s AND page_id >= %s ORDER BY page_id LIMIT %s) pf
              LEFT JOIN faces c FORCE INDEX (by_page) ON c.page_id = pf.page_id
              WHERE pf.page_id > %s OR c.id > %s ORDER BY pf.page_id, c.id LIMIT %s) f
            JOIN files x ON x.page_id = f.page_id
            LEFT JOIN labels l ON l.project_id = %s AND l.face_id = f.id
            LEFT JOIN predictions p ON p.project_id = %s AND p.face_id = f.id
            LEFT JOIN approvals a ON a.project_id = %s AND a.page_id = f.page_id AND a.face_id = f.id AND NOT a.suspended
            ORDER BY f.page_id, f.id""",
        (*[project_id] * 3, after.page_id, limit + 1, *after, limit, *[project_id] * 3),
    )
    following = Place(rows[-1]["page"], rows[-1]["face"] or 0) if len(rows) == limit else None
    return [cast(Listed, row) for row in rows if row.pop("visible")], following


def pages_of(db: Connection, project_id: int, face_ids: Sequence[int], seen: datetime | None = None) -> dict[int, int]:
    """Return page ids by face id, for visible faces; `seen` leaves out files searched again since then."""
    rows = db.rows(
        f"""SELECT f.id, f.page_id FROM faces f JOIN project_files pf ON pf.page_id = f.page_id AND pf.project_id = %s
            JOIN files x ON x.page_id = f.page_id
            WHERE f.id IN ({marks(face_ids)}) AND {VISIBLE} AND COALESCE(x.searched_at <= %s, 1)""",
        (project_id, *face_ids, project_id, project_id, seen),
    )
    return {row["id"]: row["page_id"] for row in rows}


def in_parts(face_ids: Sequence[int], size: int = 1000) -> Iterator[Sequence[int]]:
    """Split face ids into portions that one SQL statement can take."""
    for start in range(0, len(face_ids), size):
        yield face_ids[start : start + size]


def now(db: Connection) -> datetime:
    """Return the database's time, which a page states as the time at which it was made."""
    found: datetime = db.value("SELECT NOW()")
    return found
