"""Data shown with questions, read for many questions in a few queries; and the reason why there is none."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from boxes import Box
from database import Connection, marks
from store.detection import depicted_items, files
from store.detection.depicted_items import Named
from store.detection.faces import VISIBLE, Chip
from store.detection.files import File
from store.labelling import predictions
from store.labelling.predictions import Question

SIMILAR = 3  # confirmed faces shown with a question
MOST_LOOKS = 20  # times that the ranking is read on, past questions that were settled since


@dataclass(frozen=True)
class AskedFace:
    """A face of the file asked about; `label` is its valid label, `said_by` the name of the human who gave it."""

    id: int
    box: Box
    poor: bool
    drawn: bool
    label: str | None
    source: str | None
    said_by: str | None
    chip: Chip | None


@dataclass(frozen=True)
class Asked:
    """A question with its file, all visible faces from left to right, similar confirmed faces, and others depicted."""

    question: Question
    file: File
    stated: bool
    faces: tuple[AskedFace, ...]
    similar: tuple[Chip, ...]
    others: tuple[Named, ...]


@dataclass(frozen=True)
class Step:
    """A step of a user that was not withdrawn: `id` of its newest answer, and the question it answered."""

    step: str
    id: int
    question: Question


@dataclass(frozen=True)
class AnswerCounts:
    """Progress of a project: faces answered by humans, faces confirmed as the person, and the user's skips."""

    answered: int
    confirmed: int
    skipped: int


Why = Literal["paused", "searching", "ranking", "empty", "no_faces", "done"]


@dataclass(frozen=True)
class NoQuestion:
    """Why there is no question: `waiting` files are still to be searched, `faceless` files show no face."""

    why: Why
    waiting: int
    suggested: int
    faceless: int
    skipped: int


def ask(db: Connection, project_id: int, user_id: int, limit: int, leave_out: Sequence[int] = ()) -> list[Asked]:
    """Return the next questions, without those that an answer about another face of the file has settled since."""
    passed = list(leave_out)
    for _ in range(MOST_LOOKS):
        ranked = predictions.questions(db, project_id, user_id, limit, passed)
        found = [asked for asked in about(db, project_id, ranked) if not _settled(asked)]
        if found or not ranked:
            return found
        passed += [question.face_id for question in ranked if question.face_id is not None]
    return []


def _settled(asked: Asked) -> bool:
    """Return whether the face was labelled other because another face of the file was confirmed meanwhile."""
    label = next((face.source for face in asked.faces if face.id == asked.question.face_id), None)
    return label == "implied"


def about(db: Connection, project_id: int, questions: Sequence[Question]) -> list[Asked]:
    """Return questions with the data that they show, in their order, without those whose file or face is gone."""
    page_ids = sorted({question.page_id for question in questions})
    if not page_ids:
        return []
    of_project = _of_project(db, project_id, page_ids)
    known = files.get(db, page_ids)
    faces = _faces(db, project_id, page_ids)
    others = _others(db, of_project, known)
    named, newest = _chips(db, project_id, questions)
    return [
        Asked(
            question,
            known[question.page_id],
            bool(of_project[question.page_id]["stated"]),
            tuple(faces[question.page_id]),
            _similar(question, named, newest),
            others[question.page_id],
        )
        for question in questions
        if question.page_id in of_project and _is_visible(question, faces[question.page_id])
    ]


def _is_visible(question: Question, faces: Sequence[AskedFace]) -> bool:
    return question.face_id is None or any(face.id == question.face_id for face in faces)


def _of_project(db: Connection, project_id: int, page_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    rows = db.rows(
        f"""SELECT pf.page_id, pf.stated, p.item, (SELECT GROUP_CONCAT(DISTINCT a.other_item ORDER BY a.other_item) FROM answers a
              WHERE a.project_id = pf.project_id AND a.page_id = pf.page_id AND a.other_item IS NOT NULL
                AND a.withdrawn_at IS NULL) AS others
            FROM project_files pf JOIN projects p ON p.id = pf.project_id
            WHERE pf.project_id = %s AND pf.page_id IN ({marks(page_ids)})""",
        (project_id, *page_ids),
    )
    return {row["page_id"]: row for row in rows}


def _others(
    db: Connection, of_project: dict[int, dict[str, Any]], known: dict[int, File]
) -> dict[int, tuple[Named, ...]]:
    named = {page_id: (row["others"] or "").split(",") for page_id, row in of_project.items()}
    target = next((row["item"] for row in of_project.values()), "")
    return depicted_items.others(db, known, named, target)


def _faces(db: Connection, project_id: int, page_ids: Sequence[int]) -> dict[int, list[AskedFace]]:
    rows = db.rows(
        f"""SELECT f.id, f.page_id, f.box_left, f.box_top, f.box_width, f.box_height, f.poor, f.project_id IS NOT NULL AS drawn,
              IF(l.suspended, NULL, l.label) AS label, IF(l.suspended, NULL, l.source) AS source, u.name AS said_by,
              c.face_id IS NOT NULL AS has_chip, COALESCE(f.sha1, '') AS sha1
            FROM faces f LEFT JOIN labels l ON l.project_id = %s AND l.face_id = f.id
            LEFT JOIN answers a ON a.id = l.answer_id LEFT JOIN users u ON u.id = a.user_id
            LEFT JOIN face_chips c ON c.face_id = f.id
            WHERE f.page_id IN ({marks(page_ids)}) AND {VISIBLE} ORDER BY f.box_left, f.id""",
        (project_id, *page_ids, project_id, project_id),
    )
    found: dict[int, list[AskedFace]] = defaultdict(list)
    for row in rows:
        box = Box(row["box_left"], row["box_top"], row["box_width"], row["box_height"])
        chip = Chip(row["id"], row["sha1"][:8]) if row["has_chip"] else None
        found[row["page_id"]].append(
            AskedFace(
                row["id"],
                box,
                bool(row["poor"]),
                bool(row["drawn"]),
                row["label"],
                row["source"],
                row["said_by"],
                chip,
            )
        )
    return found


def _chips(db: Connection, project_id: int, questions: Sequence[Question]) -> tuple[dict[int, Chip], list[Chip]]:
    """Return the chips of the faces that the questions name as similar, and of the newest confirmed faces.

    The latter are read only if a question has no similar face with a chip.
    """
    wanted = sorted({face_id for question in questions for face_id in question.similar})
    rows = db.rows(
        f"""SELECT f.id, COALESCE(f.sha1, '') AS sha1 FROM faces f JOIN face_chips c ON c.face_id = f.id
            WHERE f.id IN ({marks(wanted)}) AND {VISIBLE}""",
        (*wanted, project_id, project_id),
    )
    named = {row["id"]: Chip(row["id"], row["sha1"][:8]) for row in rows}
    if all(named.keys() & question.similar for question in questions):
        return named, []
    return named, _newest(db, project_id)


def _newest(db: Connection, project_id: int) -> list[Chip]:
    """Return the chips of the faces confirmed last; poor ones only if there are too few others."""
    rows = db.rows(
        """SELECT f.id, COALESCE(f.sha1, '') AS sha1, l.answer_id FROM labels l JOIN faces f ON f.id = l.face_id
           JOIN face_chips c ON c.face_id = f.id
           WHERE l.project_id = %s AND l.label = 'target' AND l.source = 'human' AND NOT l.suspended AND f.state <> 'gone'
           ORDER BY f.poor, l.answer_id DESC LIMIT %s""",
        (project_id, SIMILAR + 1),
    )
    return [Chip(row["id"], row["sha1"][:8]) for row in sorted(rows, key=lambda row: -row["answer_id"])]


def chips(db: Connection, project_id: int, face_ids: Sequence[int]) -> dict[int, Chip]:
    """Return the chips, by face id, of those of the faces that have one, in files of the project."""
    rows = db.rows(
        f"""SELECT f.id, COALESCE(f.sha1, '') AS sha1 FROM faces f JOIN face_chips c ON c.face_id = f.id
            JOIN project_files pf ON pf.page_id = f.page_id AND pf.project_id = %s
            WHERE f.id IN ({marks(face_ids)}) AND (f.project_id IS NULL OR f.project_id = %s)""",
        (project_id, *face_ids, project_id),
    )
    return {row["id"]: Chip(row["id"], row["sha1"][:8]) for row in rows}


def _similar(question: Question, named: dict[int, Chip], newest: Sequence[Chip]) -> tuple[Chip, ...]:
    """Return confirmed faces to compare with: those the worker chose, else the newest."""
    chosen = [named[face_id] for face_id in question.similar if face_id in named] or newest
    return tuple(chip for chip in chosen if chip.face_id != question.face_id)[:SIMILAR]


def steps(db: Connection, project_id: int, user_id: int, limit: int, before: int | None = None) -> list[Step]:
    """Return the user's newest valid steps in the project, newest first; `before`: only those older than this id."""
    rows = db.rows(
        """SELECT step, MAX(id) AS id, MIN(id) AS first FROM answers
           WHERE project_id = %s AND user_id = %s AND withdrawn_at IS NULL AND id < %s
           GROUP BY step ORDER BY MAX(id) DESC LIMIT %s""",
        (project_id, user_id, before or 2**63, limit),
    )
    first = {row["first"]: row for row in rows}
    asked: dict[int, dict[str, Any]] = {
        row["id"]: row
        for row in db.rows(
            f"SELECT id, page_id, face_id, reason FROM answers WHERE id IN ({marks(list(first))})", list(first)
        )
    }
    return [
        Step(
            row["step"],
            row["id"],
            Question(
                asked[row["first"]]["page_id"], asked[row["first"]]["face_id"], asked[row["first"]]["reason"] or ""
            ),
        )
        for row in rows
    ]


def reference(db: Connection, project_id: int) -> tuple[Chip | None, str | None]:
    """Return the person's portrait: the chip of its only face and the URL of its 960 px rendering, each or None."""
    row = db.row(
        """SELECT x.thumb_url, f.id, COALESCE(f.sha1, '') AS sha1, c.face_id FROM projects p
           JOIN files x ON x.page_id = p.portrait_page_id
           LEFT JOIN labels l ON l.project_id = p.id AND l.page_id = x.page_id AND l.label = 'target'
           LEFT JOIN faces f ON f.id = l.face_id LEFT JOIN face_chips c ON c.face_id = f.id
           WHERE p.id = %s ORDER BY c.face_id IS NULL LIMIT 1""",
        (project_id,),
    )
    if row is None:
        return None, None
    return (Chip(row["id"], row["sha1"][:8]) if row["face_id"] else None), row["thumb_url"]


def counts(db: Connection, project_id: int, user_id: int) -> AnswerCounts:
    """Return the project's progress for the line above the questions."""
    row = db.row(
        """SELECT COUNT(*) AS answered, COALESCE(SUM(label = 'target'), 0) AS confirmed,
             (SELECT COUNT(*) FROM answers WHERE project_id = %s AND user_id = %s AND withdrawn_at IS NULL
                AND answer = 'skip') AS skipped
           FROM labels WHERE project_id = %s AND source = 'human' AND NOT suspended""",
        (project_id, user_id, project_id),
    )
    assert row is not None
    return AnswerCounts(int(row["answered"]), int(row["confirmed"]), int(row["skipped"]))


def why_none(db: Connection, project_id: int, user_id: int) -> NoQuestion:
    """Return why `ask` finds no question; of several reasons, the one that passes soonest."""
    row = db.row(
        """SELECT p.status = 'paused' AS paused, p.crawled_at IS NULL AS crawling,
             (SELECT COUNT(*) FROM project_files pf WHERE pf.project_id = p.id) AS files,
             (SELECT COUNT(*) FROM project_files pf WHERE pf.project_id = p.id AND pf.search_due_at IS NOT NULL) AS waiting,
             (SELECT COUNT(*) FROM predictions q WHERE q.project_id = p.id AND q.suggestion = 'match') AS suggested,
             EXISTS (SELECT 1 FROM labels l WHERE l.project_id = p.id) AS labelled,
             EXISTS (SELECT 1 FROM tasks t WHERE t.kind = 'model' AND t.subject_id = p.id
               AND (t.due_at <= NOW(3) + INTERVAL 5 SECOND OR t.lease_token IS NOT NULL)) AS ranking
           FROM projects p WHERE p.id = %s""",
        (project_id,),
    )
    assert row is not None
    why: Why = "done"
    if row["paused"] and row["waiting"]:
        why = "paused"
    elif row["ranking"] and not row["paused"]:
        why = "ranking"
    elif row["waiting"] or row["crawling"]:
        why = "searching"
    elif not row["files"]:
        why = "empty"
    elif not row["labelled"] and not row["suggested"]:
        why = "no_faces"
    faceless = faceless_counts(db, project_id)
    skipped = counts(db, project_id, user_id).skipped
    return NoQuestion(why, int(row["waiting"]), int(row["suggested"]), faceless.open + faceless.unread, skipped)


FilesKind = Literal["open", "unread", "shown", "not_shown"]
FILES_KINDS: tuple[FilesKind, ...] = ("open", "unread", "shown", "not_shown")

# A file shows no face if the project sees none, or has labelled each as "not a face". Takes the project id four times.
# If the detector found faces and none was labelled so, the faces are not read. They are read by a scalar subquery
# because for NOT EXISTS the server would read the faces of all projects.
_NO_FACE = f"""(COALESCE(pf.face_count, 0) = 0 OR pf.page_id IN
    (SELECT n.page_id FROM labels n WHERE n.project_id = %s AND n.label = 'not_face'))
  AND (SELECT 1 FROM faces f WHERE f.page_id = pf.page_id AND {VISIBLE} AND NOT EXISTS
    (SELECT 1 FROM labels l WHERE l.project_id = %s AND l.face_id = f.id AND l.label = 'not_face' AND NOT l.suspended)
    LIMIT 1) IS NULL"""

_KIND = {
    "open": "pf.state = 'searched' AND pf.file_answer IS NULL",
    "unread": "pf.state = 'error' AND pf.file_answer IS NULL",
    "shown": "pf.state IN ('searched', 'error') AND pf.file_answer = 'shown'",
    "not_shown": "pf.state IN ('searched', 'error') AND pf.file_answer = 'not_shown'",
}


@dataclass(frozen=True)
class Faceless:
    """The number of files in which no face was found, by kind: unanswered, unreadable, and the two answers."""

    open: int
    unread: int
    shown: int
    not_shown: int


@dataclass(frozen=True)
class FacelessFile:
    """A file in which no face was found; `answer` is the valid answer about the file as a whole."""

    file: File
    answer: Literal["shown", "not_shown"] | None
    said_by: str | None
    stated: bool


def faceless_counts(db: Connection, project_id: int) -> Faceless:
    """Return how many files of the project show no face, by kind."""
    sums = ", ".join(f"COALESCE(SUM({condition}), 0) AS {kind}" for kind, condition in _KIND.items())
    row = db.row(
        f"""SELECT {sums} FROM project_files pf
            WHERE pf.project_id = %s AND pf.state IN ('searched', 'error') AND {_NO_FACE}""",
        (project_id,) * 5,
    )
    assert row is not None
    return Faceless(**{kind: int(row[kind]) for kind in _KIND})


def faceless(db: Connection, project_id: int, kind: FilesKind, after: int, limit: int) -> list[FacelessFile]:
    """Return files of one kind above the page id `after`, in order: answering some does not shift the rest."""
    page_ids = db.column(
        f"""SELECT pf.page_id FROM project_files pf
            WHERE pf.project_id = %s AND pf.page_id > %s AND {_KIND[kind]} AND {_NO_FACE} ORDER BY pf.page_id LIMIT %s""",
        (project_id, after, *[project_id] * 4, limit),
    )
    return whole_files(db, project_id, page_ids)


def whole_files(db: Connection, project_id: int, page_ids: Sequence[int]) -> list[FacelessFile]:
    """Return files of the project, in the order given, with the answer about each as a whole."""
    known = files.get(db, page_ids)
    rows = db.rows(
        f"""SELECT pf.page_id, pf.file_answer, pf.stated,
              (SELECT u.name FROM answers a JOIN users u ON u.id = a.user_id WHERE a.project_id = pf.project_id
                 AND a.page_id = pf.page_id AND a.face_id IS NULL AND a.withdrawn_at IS NULL AND a.answer <> 'skip'
               ORDER BY a.id DESC LIMIT 1) AS said_by
            FROM project_files pf WHERE pf.project_id = %s AND pf.page_id IN ({marks(page_ids)})""",
        (project_id, *page_ids),
    )
    found = {row["page_id"]: row for row in rows}
    return [
        FacelessFile(known[page], found[page]["file_answer"], found[page]["said_by"], bool(found[page]["stated"]))
        for page in page_ids
        if page in found
    ]


def face_state(db: Connection, project_id: int, face_id: int) -> str:
    """Return the state of a visible face: waiting, encoded, failed, dropped; or gone for any other face."""
    found: str | None = db.value(
        f"""SELECT f.state FROM faces f JOIN project_files pf ON pf.page_id = f.page_id AND pf.project_id = %s
            WHERE f.id = %s AND {VISIBLE}""",
        (project_id, face_id, project_id, project_id),
    )
    return found or "gone"
