"""Faces identified in one project, offered as questions to the projects about the person named.

No face search takes place: only a human's answer about this face of this file is offered, and only to projects that
contain the file already. Neither the volunteer nor the other project is disclosed.
"""

from collections.abc import Sequence

from database import Connection, marks
from store.detection.faces import VISIBLE
from store.jobs import tasks
from store.labelling.predictions import Question
from store.projects import merges

NAMED = "named"  # the reason of such a question


def questions(db: Connection, project_id: int, limit: int) -> list[Question]:
    """Return questions about faces that another project identified as this person and nobody labelled here.

    Without those that every member skipped.

    The newest identification of a face counts, unless it was withdrawn or the file was overwritten since. A box that was
    corrected there is offered as the face that it replaces.
    """
    item = db.value("SELECT item FROM projects WHERE id = %s", (project_id,))
    person = sorted(merges.names(db, item))
    rows = db.rows(
        f"""SELECT f.id, f.page_id FROM projects p
            JOIN answers a ON a.other_item IN ({marks(person)}) AND a.project_id <> p.id AND a.withdrawn_at IS NULL
            JOIN projects w ON w.id = a.project_id AND w.status <> 'deleted'
            JOIN labels l ON l.project_id = a.project_id AND l.face_id = a.face_id AND l.label = 'other'
              AND l.source = 'human' AND NOT l.suspended
            JOIN project_files pf ON pf.project_id = p.id AND pf.page_id = a.page_id
            JOIN faces s ON s.id = a.face_id
            JOIN faces f ON f.id = IF(s.project_id IS NULL, s.id, s.replaces)
            LEFT JOIN labels h ON h.project_id = p.id AND h.face_id = f.id AND h.source IN ('human', 'implied')
              AND NOT h.suspended
            WHERE p.id = %s AND h.face_id IS NULL AND {VISIBLE} AND NOT EXISTS
              (SELECT 1 FROM answers n WHERE n.project_id = a.project_id AND n.page_id = a.page_id AND n.face_id = a.face_id
                 AND n.id > a.id AND n.other_item IS NOT NULL AND n.withdrawn_at IS NULL)
              AND EXISTS (SELECT 1 FROM project_members m WHERE m.project_id = p.id AND NOT EXISTS
                (SELECT 1 FROM answers k WHERE k.project_id = p.id AND k.page_id = f.page_id AND k.face_id = f.id
                   AND k.user_id = m.user_id AND k.answer = 'skip' AND k.withdrawn_at IS NULL))
            GROUP BY f.id, f.page_id ORDER BY MIN(a.id) LIMIT %s""",
        (*person, project_id, project_id, project_id, limit),
    )
    return [Question(row["page_id"], row["id"], NAMED) for row in rows]


def tell(db: Connection, project_id: int, page_ids: Sequence[int], delay: float) -> None:
    """Request new questions in this project and in the projects about persons named in its answers to these files."""
    others = db.column(
        f"""SELECT DISTINCT p.id FROM answers a LEFT JOIN merged_items m ON m.item = a.other_item
            JOIN projects p ON p.item = COALESCE(m.target, a.other_item) AND p.status <> 'deleted'
            JOIN project_files pf ON pf.project_id = p.id AND pf.page_id = a.page_id
            WHERE a.project_id = %s AND a.page_id IN ({marks(page_ids)}) AND a.other_item IS NOT NULL""",
        (project_id, *page_ids),
    )
    for wanted in sorted({project_id, *others}):
        tasks.want(db, "model", wanted, delay=delay)
