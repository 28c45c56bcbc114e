"""The qualifier P2677 "relative position within image" of a statement: where in the picture the person is.

`REGION` writes the box in SQL, so that one statement can insert hundreds of edits. It is only the form that is stored:
before anything is sent or compared, wiki/names.py parses it (`box_of`) and writes the value for Commons (`region`).
"""

from collections.abc import Sequence

from database import Connection, marks
from store.jobs import tasks
from store.publishing import batches

# The box of face `c` as a value of P2677 (IIIF: percent of the picture); NULL if the statement is about no face.
REGION = """CONCAT('pct:', ROUND(100 * c.box_left, 2), ',', ROUND(100 * c.box_top, 2), ',',
  ROUND(100 * c.box_width, 2), ',', ROUND(100 * c.box_height, 2))"""

# Statements of ours that are written without a position, whose face was found in the file's current bytes. The indices
# are named because the server would otherwise read the edits of all projects.
_BARE = """FROM edits e FORCE INDEX (by_project) JOIN projects p ON p.id = e.project_id JOIN faces c ON c.id = e.face_id
  JOIN files f ON f.page_id = e.page_id
  LEFT JOIN edits q FORCE INDEX (by_file) ON q.page_id = e.page_id AND q.item = e.item AND q.state IN ('queued', 'sending')
    AND q.action IN ('qualify', 'remove')
  WHERE e.project_id = %s AND p.write_position AND e.action = 'add' AND e.state = 'done' AND e.statement_id IS NOT NULL
    AND e.qualifier IS NULL AND c.state <> 'gone' AND c.sha1 = f.sha1 AND COALESCE(e.approved_sha1 = f.sha1, 1)
    AND q.id IS NULL"""


def bare(db: Connection, project_id: int) -> list[int]:
    """Return our edits whose statements are written without a position and could get one.

    Empty if the project writes no positions.
    """
    return db.column(f"SELECT e.id {_BARE} ORDER BY e.id", (project_id,))


def count(db: Connection, project_id: int) -> int:
    """Return how many edits `bare` returns."""
    return int(db.value(f"SELECT COUNT(*) {_BARE}", (project_id,)))


def qualify(db: Connection, project_id: int, user_id: int, edit_ids: Sequence[int]) -> int | None:
    """Queue adding the position to statements of ours without one; return the batch, None without any."""
    project = db.row("SELECT item, label FROM projects WHERE id = %s FOR UPDATE", (project_id,))
    todo = db.column(f"SELECT e.id {_BARE} AND e.id IN ({marks(edit_ids)})", (project_id, *edit_ids))
    if project is None or not todo:
        return None
    batch_id = batches.create(db, project_id, user_id, "positions", project["item"], project["label"])
    db.execute(
        f"""INSERT INTO edits (batch_id, project_id, user_id, page_id, title, item, action, face_id, approved_by,
              approved_sha1, statement_id, qualifier)
            SELECT %s, e.project_id, %s, e.page_id, f.title, e.item, 'qualify', e.face_id, %s, f.sha1, e.statement_id, {REGION}
            {_BARE} AND e.id IN ({marks(todo)})""",
        (batch_id, user_id, user_id, project_id, *todo),
    )
    tasks.want(db, "publish", user_id)
    return batch_id
