"""Predictions and questions, written by each run of the model. They are suggestions: only humans decide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from database import Connection, marks

Suggestion = Literal["match", "no_match", "unsure"]

# A new centroid changes every distance slightly. Only differences that a page would show are written (FINE); for faces
# that are very probably of another person, only those that would change their order (COARSE).
FINE, COARSE = 0.001, 0.02
UNLIKELY = 0.01  # a no-match below this probability is very probably of another person


@dataclass(frozen=True)
class Prediction:
    """The model's result for a face: distance to the centroid, calibrated probability, suggestion."""

    face_id: int
    page_id: int
    distance: float | None
    probability: float | None
    suggestion: Suggestion


@dataclass(frozen=True)
class Question:
    """A question; `face_id` None: about the file as a whole. `similar`: ids of confirmed faces that look alike."""

    page_id: int
    face_id: int | None
    reason: str
    similar: tuple[int, ...] = ()


@dataclass(frozen=True)
class Change:
    """The changes of a run to the stored predictions: rows to write, and faces that have no prediction any more."""

    written: tuple[Prediction, ...]
    gone: tuple[int, ...]

    @classmethod
    def between(cls, before: Mapping[int, Prediction], now: Mapping[int, Prediction]) -> "Change":
        """Compare stored rows with those of a run, by face id; rows that hardly differ are not written."""
        written = tuple(row for face_id, row in now.items() if _differs(before.get(face_id), row))
        return cls(written, tuple(face_id for face_id in before if face_id not in now))

    def applied(self, before: Mapping[int, Prediction]) -> dict[int, Prediction]:
        """Return the rows as they are stored after the change."""
        gone = set(self.gone)
        kept = {face_id: row for face_id, row in before.items() if face_id not in gone}
        return kept | {row.face_id: row for row in self.written}


def change(db: Connection, project_id: int, run: int, change: Change) -> None:
    """Store the changes of a run."""
    db.many(
        """INSERT INTO predictions (project_id, face_id, page_id, distance, probability, suggestion, run)
           VALUES (%s, %s, %s, %s, %s, %s, %s)
           ON DUPLICATE KEY UPDATE distance = VALUES(distance), probability = VALUES(probability),
             suggestion = VALUES(suggestion), run = VALUES(run)""",
        [
            (project_id, row.face_id, row.page_id, row.distance, row.probability, row.suggestion, run)
            for row in change.written
        ],
    )
    for start in range(0, len(change.gone), 1000):
        part = change.gone[start : start + 1000]
        db.execute(f"DELETE FROM predictions WHERE project_id = %s AND face_id IN ({marks(part)})", (project_id, *part))


def _differs(old: Prediction | None, new: Prediction) -> bool:
    if old is None or old.suggestion != new.suggestion:
        return True
    slack = COARSE if new.suggestion == "no_match" and (new.probability or 0.0) < UNLIKELY else FINE
    return _far(old.distance, new.distance, slack) or _far(old.probability, new.probability, slack)


def _far(old: float | None, new: float | None, slack: float) -> bool:
    """Return whether two values differ by more than `slack`; None differs from every number."""
    if old is None or new is None:
        return old is not new
    return abs(old - new) > slack


def of_project(db: Connection, project_id: int) -> dict[int, Prediction]:
    """Return all predictions of a project by face id."""
    rows = db.rows(
        "SELECT face_id, page_id, distance, probability, suggestion FROM predictions WHERE project_id = %s",
        (project_id,),
    )
    return {row["face_id"]: Prediction(**row) for row in rows}


def replace_questions(db: Connection, project_id: int, run: int, questions: Sequence[Question]) -> None:
    """Replace the stored questions by those of a run, in their order."""
    db.execute("DELETE FROM questions WHERE project_id = %s", (project_id,))
    db.many(
        "INSERT INTO questions (project_id, position, page_id, face_id, reason, similar, run) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [
            (
                project_id,
                position,
                question.page_id,
                question.face_id,
                question.reason,
                ",".join(map(str, question.similar)),
                run,
            )
            for position, question in enumerate(questions)
        ],
    )


def questions(
    db: Connection, project_id: int, user_id: int, limit: int, leave_out: Sequence[int] = ()
) -> list[Question]:
    """Return the next questions about faces; `leave_out`: faces that the user's browser has already.

    They are ranked by the worker. If there are too few, the unanswered faces nearest to the centroid follow; faces
    that the user skipped come last.
    """
    shown = [0, *leave_out]  # never empty, because NOT IN (NULL) matches nothing
    rows = db.rows(
        f"""SELECT q.page_id, q.face_id, q.reason, q.similar FROM questions q
            WHERE q.project_id = %s AND q.face_id IS NOT NULL AND q.face_id NOT IN ({marks(shown)}) AND NOT EXISTS
              (SELECT 1 FROM answers a WHERE a.project_id = q.project_id AND a.page_id = q.page_id AND a.face_id = q.face_id
                 AND a.user_id = %s AND a.answer = 'skip' AND a.withdrawn_at IS NULL)
            ORDER BY q.position LIMIT %s""",
        (project_id, *shown, user_id, limit),
    )
    found = [
        Question(row["page_id"], row["face_id"], row["reason"], tuple(int(i) for i in row["similar"].split(",") if i))
        for row in rows
    ]
    if len(found) < limit:
        taken = [*shown, *(question.face_id or 0 for question in found)]
        found += _nearest(db, project_id, user_id, limit - len(found), taken)
    return found


def _nearest(db: Connection, project_id: int, user_id: int, limit: int, leave_out: Sequence[int]) -> list[Question]:
    rows = db.rows(
        f"""SELECT f.page_id, f.id AS face_id, s.id AS skip_id FROM project_files pf JOIN faces f ON f.page_id = pf.page_id
            LEFT JOIN predictions p ON p.project_id = pf.project_id AND p.face_id = f.id
            LEFT JOIN labels l ON l.project_id = pf.project_id AND l.face_id = f.id
              AND l.source IN ('human', 'implied') AND NOT l.suspended
            LEFT JOIN answers s ON s.project_id = pf.project_id AND s.page_id = f.page_id AND s.face_id = f.id
              AND s.user_id = %s AND s.answer = 'skip' AND s.withdrawn_at IS NULL
            WHERE pf.project_id = %s AND l.face_id IS NULL AND COALESCE(p.suggestion, 'unsure') = 'unsure'
              AND (f.project_id IS NULL OR f.project_id = %s) AND f.state <> 'gone' AND NOT EXISTS
                (SELECT 1 FROM faces d WHERE d.page_id = f.page_id AND d.project_id = %s AND d.replaces = f.id
                   AND d.state <> 'gone')
              AND f.id NOT IN ({marks(leave_out)})
            ORDER BY s.id IS NOT NULL, f.poor, p.distance IS NULL, p.distance, s.id, f.id LIMIT %s""",
        (user_id, project_id, project_id, project_id, *leave_out, limit),
    )
    return [Question(row["page_id"], row["face_id"], "skipped" if row["skip_id"] else "first") for row in rows]
