"""Audit of existing statements: files that state the person although the model rejects all their faces.

The list is for human review; nothing is changed automatically.
"""

from dataclasses import dataclass

from database import Connection
from store.detection.faces import VISIBLE, Chip


@dataclass(frozen=True)
class Doubted:
    """A file with a doubtful statement: its most probable face and the probability of that face."""

    page_id: int
    title: str
    face_id: int
    faces: int
    probability: float | None
    chip: Chip | None


# The model rejects every visible face, and no human answered about the file. Takes three project ids.
# The index is named because the server would otherwise read all files of the project.
_DOUBTED = f"""FROM project_files pf FORCE INDEX (by_stated) JOIN faces f ON f.page_id = pf.page_id
  LEFT JOIN predictions p ON p.project_id = pf.project_id AND p.face_id = f.id
  LEFT JOIN labels l ON l.project_id = pf.project_id AND l.face_id = f.id AND l.source IN ('human', 'implied')
  WHERE pf.project_id = %s AND pf.stated = 1 AND pf.file_answer IS NULL AND {VISIBLE}
    AND NOT EXISTS (SELECT 1 FROM approvals a WHERE a.project_id = pf.project_id AND a.page_id = pf.page_id)
  GROUP BY pf.page_id HAVING SUM(l.face_id IS NOT NULL) = 0 AND SUM(COALESCE(p.suggestion, 'unsure') <> 'no_match') = 0"""


def count(db: Connection, project_id: int) -> int:
    """Return how many files have a doubtful statement."""
    found = db.value(f"SELECT COUNT(*) FROM (SELECT pf.page_id {_DOUBTED}) x", (project_id,) * 3)
    return int(found)


def doubted(db: Connection, project_id: int, size: int, page: int = 1) -> tuple[list[Doubted], int, int]:
    """Return a page of files with doubtful statements, their number, and the page number, which is at most the last.

    Files with the lowest probability come first.
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
