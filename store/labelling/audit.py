"""Existing claims looked through: files that state the person while the model is sure that none of their faces is the person.

A list for a human to go through; nothing follows from it by itself.
"""

from dataclasses import dataclass

from database import Connection
from store.detection.faces import VISIBLE, Chip


@dataclass(frozen=True)
class Doubted:
    """A file whose statement is doubted: its likeliest face, and how likely even that one is."""

    page_id: int
    title: str
    face_id: int
    faces: int
    probability: float | None
    chip: Chip | None


# Every visible face is, to the model, somebody else, and no human has spoken for the file. Takes the project three times more.
# The index is named because the server would read all files of the project.
_DOUBTED = f"""FROM project_files pf FORCE INDEX (by_stated) JOIN faces f ON f.page_id = pf.page_id
  LEFT JOIN predictions p ON p.project_id = pf.project_id AND p.face_id = f.id
  LEFT JOIN labels l ON l.project_id = pf.project_id AND l.face_id = f.id AND l.source IN ('human', 'implied')
  WHERE pf.project_id = %s AND pf.stated = 1 AND pf.file_answer IS NULL AND {VISIBLE}
    AND NOT EXISTS (SELECT 1 FROM approvals a WHERE a.project_id = pf.project_id AND a.page_id = pf.page_id)
  GROUP BY pf.page_id HAVING SUM(l.face_id IS NOT NULL) = 0 AND SUM(COALESCE(p.suggestion, 'unsure') <> 'no_match') = 0"""


def count(db: Connection, project_id: int) -> int:
    """How many files are doubted."""
    found = db.value(f"SELECT COUNT(*) FROM (SELECT pf.page_id {_DOUBTED}) x", (project_id,) * 3)
    return int(found)


def doubted(db: Connection, project_id: int, size: int, page: int = 1) -> tuple[list[Doubted], int, int]:
    """A page of the files whose statement is doubted, how many there are, and which page it is: the last for one beyond it.

    Those come first where the model is surest that nobody is the person.
    """
    rows = db.rows(
        f"""SELECT x.*, t.title, c.face_id IS NOT NULL AS has_chip, LEFT(COALESCE(h.sha1, ''), 8) AS version
            FROM (SELECT pf.page_id, COUNT(*) AS faces, MAX(p.probability) AS probability,
                CAST(SUBSTRING_INDEX(GROUP_CONCAT(f.id ORDER BY p.probability DESC), ',', 1) AS UNSIGNED) AS face_id,
                COUNT(*) OVER () AS total {_DOUBTED}
              ORDER BY MAX(p.probability), pf.page_id LIMIT %s OFFSET %s) x
            JOIN files t ON t.page_id = x.page_id JOIN faces h ON h.id = x.face_id
            LEFT JOIN face_chips c ON c.face_id = x.face_id ORDER BY x.probability, x.page_id""",
        (project_id, project_id, project_id, size, (page - 1) * size),
    )
    if not rows and page > 1:
        return doubted(db, project_id, size, max(1, -(-count(db, project_id) // size)))
    total = rows[0]["total"] if rows else 0
    found = []
    for row in rows:
        version, has_chip, _ = row.pop("version"), row.pop("has_chip"), row.pop("total")
        found.append(Doubted(**{**row, "chip": Chip(row["face_id"], version) if has_chip else None}))
    return found, total, page
