"""Bulk approvals of statements to be written; approvals of single files are derived from answers (labels.py)."""

from collections.abc import Sequence

from database import Connection, marks
from store.detection import faces
from store.jobs import tasks
from store.labelling import labels

PART = 1000  # files in one statement


def approve_bulk(
    db: Connection, project_id: int, user_id: int, face_ids: Sequence[int], step: str | None = None
) -> int:
    """Approve suggested faces for publishing, but not for training; return how many files this approves.

    All approvals of one `step`, even from several calls, can be withdrawn together.

    A face is approved only if the project sees it, no human rejected it, and the file has no approval yet; of two faces in
    one file, the one with the higher probability.
    """
    if not face_ids:
        return 0
    rows = db.rows(
        f"""SELECT f.page_id, f.id, p.probability, x.sha1 FROM faces f
            JOIN project_files pf ON pf.page_id = f.page_id AND pf.project_id = %s
            JOIN files x ON x.page_id = f.page_id
            LEFT JOIN predictions p ON p.project_id = pf.project_id AND p.face_id = f.id
            WHERE f.id IN ({marks(face_ids)}) AND {faces.VISIBLE}
              AND COALESCE(pf.file_answer, '') <> 'not_shown'
              AND NOT EXISTS (SELECT 1 FROM labels l WHERE l.project_id = pf.project_id AND l.face_id = f.id
                              AND l.source IN ('human', 'implied') AND l.label <> 'target')
              AND NOT EXISTS (SELECT 1 FROM approvals a WHERE a.project_id = pf.project_id AND a.page_id = f.page_id
                              AND NOT a.suspended)
            ORDER BY f.page_id, p.probability DESC""",
        (project_id, *face_ids, project_id, project_id),
    )
    best: dict[int, tuple[int, float | None, str | None]] = {}
    for row in rows:
        best.setdefault(row["page_id"], (row["id"], row["probability"], row["sha1"]))
    db.many(
        """INSERT INTO approvals (project_id, page_id, face_id, user_id, kind, step, probability, sha1)
           VALUES (%s, %s, %s, %s, 'bulk', %s, %s, %s)
           ON DUPLICATE KEY UPDATE face_id = VALUES(face_id), user_id = VALUES(user_id), kind = 'bulk',
             step = VALUES(step), probability = VALUES(probability), sha1 = VALUES(sha1), suspended = 0""",
        [(project_id, page_id, face, user_id, step, chance, sha1) for page_id, (face, chance, sha1) in best.items()],
    )
    return len(best)


def withdraw_bulk(db: Connection, project_id: int, face_ids: Sequence[int]) -> int:
    """Withdraw bulk approvals and cancel the queued edits that depend on them; return how many."""
    return _withdraw(
        db,
        project_id,
        db.column(
            f"SELECT page_id FROM approvals WHERE project_id = %s AND kind = 'bulk' AND face_id IN ({marks(face_ids)})",
            (project_id, *face_ids),
        ),
    )


def withdraw_step(db: Connection, project_id: int, user_id: int, step: str) -> int:
    """Withdraw the remaining approvals of one step of the user; return how many. A repeat changes nothing."""
    page_ids = db.column(
        """SELECT page_id FROM approvals WHERE project_id = %s AND kind = 'bulk' AND user_id = %s AND step = %s
           ORDER BY page_id""",
        (project_id, user_id, step),
    )
    return sum(_withdraw(db, project_id, page_ids[start : start + PART]) for start in range(0, len(page_ids), PART))


def _withdraw(db: Connection, project_id: int, page_ids: Sequence[int]) -> int:
    db.execute(
        f"DELETE FROM approvals WHERE project_id = %s AND kind = 'bulk' AND page_id IN ({marks(page_ids)})",
        (project_id, *page_ids),
    )
    labels.rebuild(db, project_id, page_ids)
    tasks.want(db, "model", project_id, delay=0.5)
    return len(page_ids)


def set_prominent(db: Connection, project_id: int, page_ids: Sequence[int], prominent: bool) -> int:
    """Set whether the statements of these approved files are written with rank preferred; return how many changed."""
    return db.execute(
        f"UPDATE approvals SET prominent = %s WHERE project_id = %s AND page_id IN ({marks(page_ids)})",
        (prominent, project_id, *page_ids),
    )
