"""Bulk approvals of statements to be written; approvals of single files are derived from answers (labels.py)."""

from collections.abc import Sequence
from datetime import datetime

from database import Connection, marks
from store.detection import faces
from store.jobs import tasks
from store.labelling import labels
from store.labelling.review import in_parts


def approve_bulk(
    db: Connection,
    project_id: int,
    user_id: int,
    face_ids: Sequence[int],
    step: str | None = None,
    seen: datetime | None = None,
) -> int:
    """Approve suggested faces for publishing, but not for training; return how many files this approves.

    All approvals of one `step`, even from several calls, can be withdrawn together. `seen` leaves out files searched
    again since then.

    A face is approved only if the project sees it, no human rejected it, and the file has no approval yet; of two faces
    in one file, the one with the higher probability. What humans answered is read after the files are locked, as
    `answers.record` does: an answer given at the same time either counts here or withdraws the approval.
    """
    _lock_files_of(db, project_id, face_ids)
    return sum(_approve_part(db, project_id, user_id, part, step, seen) for part in in_parts(face_ids))


def _lock_files_of(db: Connection, project_id: int, face_ids: Sequence[int]) -> None:
    """Lock the files of faces in the project, those of all parts before the first is written: in order of page id."""
    page_ids: set[int] = set()
    for part in in_parts(face_ids):
        page_ids.update(db.column(f"SELECT page_id FROM faces WHERE id IN ({marks(part)})", part))
    for part in in_parts(sorted(page_ids)):
        labels.lock_files(db, project_id, part)


def _approve_part(
    db: Connection, project_id: int, user_id: int, face_ids: Sequence[int], step: str | None, seen: datetime | None
) -> int:
    rows = db.rows(
        f"""SELECT f.page_id, f.id, p.probability, x.sha1 FROM faces f
            JOIN project_files pf ON pf.page_id = f.page_id AND pf.project_id = %s
            JOIN files x ON x.page_id = f.page_id
            LEFT JOIN predictions p ON p.project_id = pf.project_id AND p.face_id = f.id
            WHERE f.id IN ({marks(face_ids)}) AND {faces.VISIBLE} AND COALESCE(x.searched_at <= %s, 1)
              AND COALESCE(pf.file_answer, '') <> 'not_shown'
              AND NOT EXISTS (SELECT 1 FROM labels l WHERE l.project_id = pf.project_id AND l.face_id = f.id
                              AND {labels.SAYS_NO})
              AND NOT EXISTS (SELECT 1 FROM approvals a WHERE a.project_id = pf.project_id AND a.page_id = f.page_id
                              AND NOT a.suspended)
            ORDER BY f.page_id, p.probability DESC""",
        (project_id, *face_ids, project_id, project_id, seen),
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
    return _withdraw(db, project_id, f"face_id IN ({marks(face_ids)})", face_ids)


def withdraw_step(db: Connection, project_id: int, user_id: int, step: str) -> int:
    """Withdraw the remaining approvals of one step of the user; return how many. A repeat changes nothing."""
    return _withdraw(db, project_id, "user_id = %s AND step = %s", (user_id, step))


def _withdraw(db: Connection, project_id: int, condition: str, arguments: Sequence[object]) -> int:
    """Withdraw the bulk approvals with a condition that they still fulfil when their files are locked."""
    page_ids = db.column(
        f"SELECT page_id FROM approvals WHERE project_id = %s AND kind = 'bulk' AND {condition} ORDER BY page_id",
        (project_id, *arguments),
    )
    for part in in_parts(page_ids):
        labels.lock_files(db, project_id, part)
    count = 0
    for part in in_parts(page_ids):
        count += db.execute(
            f"""DELETE FROM approvals WHERE project_id = %s AND page_id IN ({marks(part)}) AND kind = 'bulk'
                AND {condition}""",
            (project_id, *part, *arguments),
        )
        labels.rebuild(db, project_id, part)
    tasks.want(db, "model", project_id, delay=0.5)
    return count


def set_prominent(db: Connection, project_id: int, page_ids: Sequence[int], prominent: bool) -> int:
    """Set whether the statements of these approved files are written with rank preferred; return how many changed."""
    return db.execute(
        f"UPDATE approvals SET prominent = %s WHERE project_id = %s AND page_id IN ({marks(page_ids)})",
        (prominent, project_id, *page_ids),
    )
