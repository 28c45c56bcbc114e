"""Answers: append-only, idempotent by a client-generated id; undo withdraws the newest valid step."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from database import Connection, marks
from store.detection import faces
from store.errors import NotFound, Stale
from store.jobs import tasks
from store.labelling import cross_project_answers, labels

FaceAnswer = Literal["target", "other", "not_face", "unsure", "skip"]
FileAnswer = Literal["shown", "not_shown", "skip"]
FACE_ANSWERS = ("target", "other", "not_face", "unsure", "skip")
FILE_ANSWERS = ("shown", "not_shown", "skip")


@dataclass(frozen=True)
class NewAnswer:
    """One answer as a client sends it; `step` is shared by the answers of one key press.

    `face_id` is None for an answer about the whole file; `sha1` is that of the bytes that were shown.
    """

    client_id: str
    step: str
    page_id: int
    face_id: int | None
    answer: FaceAnswer | FileAnswer
    twice: bool = False
    other_item: str | None = None
    reason: str | None = None
    sha1: str | None = None


@dataclass(frozen=True)
class Answer:
    """An answer as stored."""

    id: int
    user_id: int
    user_name: str
    step: str
    page_id: int
    face_id: int | None
    answer: str
    other_item: str | None
    reason: str | None
    created_at: datetime
    withdrawn: bool


@dataclass(frozen=True)
class Recorded:
    """Result of `record`: `repeated` if all were stored before; `differs`: a user who gave another answer about a face."""

    repeated: bool
    differs: str | None


def record(db: Connection, project_id: int, user_id: int, given: Sequence[NewAnswer]) -> Recorded:
    """Store the answers of one step and rebuild the labels, all or nothing; a repeat changes nothing.

    The files are locked before it is looked up what is stored: the same step sent twice at once is stored by one request
    and seen by the other.

    Raises NotFound (a file or face outside the project) and Stale ("gone": the face was redrawn or is no longer found;
    "answer": that answer is not allowed for a face or file).
    """
    locked = lock(db, project_id, {answer.page_id for answer in given})
    fresh = _fresh(db, user_id, given)
    if not fresh:
        return Recorded(repeated=True, differs=None)
    page_ids = sorted({answer.page_id for answer in fresh})
    _check_in_project(page_ids, locked)
    visible = faces.of_files(db, project_id, page_ids)
    for answer in fresh:
        _check(db, project_id, answer, {face.id for face in visible[answer.page_id]})
    differs = _who_differs(db, project_id, user_id, fresh)
    _insert(db, project_id, user_id, fresh)
    labels.rebuild(db, project_id, page_ids, visible)
    _count(db, user_id, fresh)
    cross_project_answers.tell(db, project_id, page_ids, delay=0.5)
    asked = [answer.face_id for answer in fresh if answer.face_id is not None and answer.answer != "skip"]
    if asked:
        db.execute(f"DELETE FROM questions WHERE project_id = %s AND face_id IN ({marks(asked)})", (project_id, *asked))
    return Recorded(repeated=False, differs=differs)


def _insert(db: Connection, project_id: int, user_id: int, fresh: Sequence[NewAnswer]) -> None:
    """Insert answers with the sha1 that was shown, or the current one if the client did not send it."""
    today = _sha1s(db, {answer.page_id for answer in fresh if not answer.sha1})
    db.many(
        """INSERT INTO answers (project_id, user_id, client_id, step, page_id, face_id, answer, twice, other_item, reason,
             sha1) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            (
                project_id,
                user_id,
                answer.client_id,
                answer.step,
                answer.page_id,
                answer.face_id,
                answer.answer,
                answer.twice,
                answer.other_item,
                answer.reason,
                answer.sha1 or today[answer.page_id],
            )
            for answer in fresh
        ],
    )


def undo(db: Connection, project_id: int, user_id: int) -> list[Answer]:
    """Withdraw the user's newest valid step in the project and return its answers; empty if there is none.

    Two requests at once withdraw one step, not two, and both return it: the step is read without a lock, which also keeps
    to the order of locks (files first).
    """
    step = db.value(
        """SELECT step FROM answers WHERE project_id = %s AND user_id = %s AND withdrawn_at IS NULL
           ORDER BY id DESC LIMIT 1""",
        (project_id, user_id),
    )
    if not step:
        return []
    return withdraw(db, project_id, user_id, step) or of_step(db, project_id, user_id, step)


def withdraw(db: Connection, project_id: int, user_id: int, step: str) -> list[Answer]:
    """Withdraw one step of the user and return the answers withdrawn; a repeat changes nothing."""
    rows = db.rows(
        "SELECT page_id FROM answers WHERE project_id = %s AND user_id = %s AND step = %s AND withdrawn_at IS NULL",
        (project_id, user_id, step),
    )
    page_ids = sorted({row["page_id"] for row in rows})
    if not page_ids:
        return []
    _check_in_project(page_ids, lock(db, project_id, page_ids))
    withdrawn = [answer for answer in of_step(db, project_id, user_id, step) if not answer.withdrawn]
    if not withdrawn:
        return []
    db.execute(
        """UPDATE answers SET withdrawn_at = NOW(3) WHERE project_id = %s AND user_id = %s AND step = %s
           AND withdrawn_at IS NULL""",
        (project_id, user_id, step),
    )
    _hide_undone_boxes(db, project_id, [answer.face_id for answer in withdrawn if answer.face_id is not None])
    labels.rebuild(db, project_id, page_ids)
    cross_project_answers.tell(db, project_id, page_ids, delay=0.5)
    return withdrawn


def of_step(db: Connection, project_id: int, user_id: int, step: str) -> list[Answer]:
    """Return the answers of one step, withdrawn or not."""
    return _select(
        db, "a.project_id = %s AND a.user_id = %s AND a.step = %s ORDER BY a.id", (project_id, user_id, step)
    )


def drawn(db: Connection, project_id: int, user_id: int, client_id: str, step: str) -> int | None:
    """Return the face of the box that was stored with this client id or in this step, withdrawn or not; None if none was.

    The file must be locked. A box whose answer is stored already must not be stored again: its face would have no answer.
    """
    known = db.row("SELECT face_id FROM answers WHERE user_id = %s AND client_id = %s", (user_id, client_id))
    if known is not None:
        return known["face_id"] or 0
    earlier = of_step(db, project_id, user_id, step)
    return (earlier[0].face_id or 0) if earlier else None


def clear_skips(db: Connection, project_id: int, user_id: int) -> int:
    """Withdraw the user's skips, so that these questions may be asked again; return how many."""
    count = db.execute(
        """UPDATE answers SET withdrawn_at = NOW(3) WHERE project_id = %s AND user_id = %s AND answer = 'skip'
           AND withdrawn_at IS NULL""",
        (project_id, user_id),
    )
    tasks.want(db, "model", project_id)
    return count


def _select(db: Connection, where: str, args: Sequence[object]) -> list[Answer]:
    rows = db.rows(
        f"""SELECT a.id, a.user_id, COALESCE(u.name, '') AS user_name, a.step, a.page_id, a.face_id, a.answer, a.other_item,
              a.reason, a.created_at, a.withdrawn_at IS NOT NULL AS withdrawn
            FROM answers a LEFT JOIN users u ON u.id = a.user_id WHERE {where}""",
        args,
    )
    return [Answer(**{**row, "withdrawn": bool(row["withdrawn"])}) for row in rows]


def lock(db: Connection, project_id: int, page_ids: Collection[int]) -> set[int]:
    """Serialise answers about the same files; return those that the project contains.

    The rows are locked in key order through one index, so that steps never deadlock.
    """
    ordered = sorted(page_ids)
    return set(
        db.column(
            f"""SELECT page_id FROM project_files FORCE INDEX (PRIMARY) WHERE project_id = %s
                AND page_id IN ({marks(ordered)}) ORDER BY page_id FOR UPDATE""",
            (project_id, *ordered),
        )
    )


def _check_in_project(page_ids: Sequence[int], locked: set[int]) -> None:
    missing = set(page_ids) - locked
    if missing:
        raise NotFound(f"file {min(missing)}")


def _fresh(db: Connection, user_id: int, given: Sequence[NewAnswer]) -> list[NewAnswer]:
    """Return the answers whose client id is not stored yet, each once; the files must be locked."""
    by_client_id = {answer.client_id: answer for answer in reversed(given)}
    stored = set(
        db.column(
            f"SELECT client_id FROM answers WHERE user_id = %s AND client_id IN ({marks(list(by_client_id))})",
            (user_id, *by_client_id),
        )
    )
    return [answer for answer in given if answer.client_id not in stored and by_client_id[answer.client_id] is answer]


def _sha1s(db: Connection, page_ids: Collection[int]) -> dict[int, str | None]:
    """Return the current sha1 of files, read separately: the INSERT would wait for locks of the detection worker."""
    if not page_ids:
        return {}
    rows = db.rows(f"SELECT page_id, sha1 FROM files WHERE page_id IN ({marks(list(page_ids))})", list(page_ids))
    return {row["page_id"]: row["sha1"] for row in rows}


def _check(db: Connection, project_id: int, answer: NewAnswer, visible: set[int]) -> None:
    allowed = FILE_ANSWERS if answer.face_id is None else FACE_ANSWERS
    if answer.answer not in allowed:
        raise Stale("answer")
    if answer.face_id is None or answer.face_id in visible:
        return
    known = db.value(
        "SELECT 1 FROM faces WHERE id = %s AND page_id = %s AND (project_id IS NULL OR project_id = %s)",
        (answer.face_id, answer.page_id, project_id),
    )
    if known:
        raise Stale("gone")
    raise NotFound(f"face {answer.face_id}")


def _who_differs(db: Connection, project_id: int, user_id: int, given: Sequence[NewAnswer]) -> str | None:
    for answer in given:
        if answer.answer == "skip" or answer.face_id is None:
            continue
        name: str | None = db.value(
            """SELECT u.name FROM labels l JOIN answers a ON a.id = l.answer_id JOIN users u ON u.id = a.user_id
               WHERE l.project_id = %s AND l.face_id = %s AND l.source = 'human' AND l.label <> %s AND a.user_id <> %s""",
            (project_id, answer.face_id, answer.answer, user_id),
        )
        if name:
            return name
    return None


def _hide_undone_boxes(db: Connection, project_id: int, face_ids: Sequence[int]) -> None:
    """Hide drawn boxes whose answers were withdrawn; the faces that they replaced become visible again."""
    db.execute(
        f"""UPDATE faces SET state = 'gone', encoding = NULL WHERE id IN ({marks(face_ids)}) AND project_id = %s
            AND NOT EXISTS (SELECT 1 FROM answers a WHERE a.face_id = faces.id AND a.withdrawn_at IS NULL)""",
        (*face_ids, project_id),
    )


def _count(db: Connection, user_id: int, given: Sequence[NewAnswer]) -> None:
    answered = sum(answer.answer != "skip" for answer in given)
    matches = sum(answer.answer in {"target", "shown"} for answer in given)
    db.execute(
        """INSERT INTO user_stats (user_id, answers, matches) VALUES (%s, %s, %s)
           ON DUPLICATE KEY UPDATE answers = answers + VALUES(answers), matches = matches + VALUES(matches)""",
        (user_id, answered, matches),
    )
