"""Labels and approvals, derived from the valid answers of a file whenever one of them changes.

`derive` contains the rules; `rebuild` reads their input and stores their result. Nothing else writes labels.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from database import Connection, marks
from store.detection import faces
from store.detection.faces import Face

Label = Literal["target", "other", "not_face", "unsure"]
Source = Literal["human", "implied", "bootstrap", "portrait"]

# Condition of a label `l`: a human answered that the face is not, or not certainly, the person.
SAYS_NO = "l.source IN ('human', 'implied') AND l.label <> 'target'"
# Condition of an approval `a` that must not be sent, because an answer contradicts it. `rebuild` deletes such approvals;
# the plan and the sender look once more, because a statement that was refused is never to be written.
REFUSED = f"""(EXISTS (SELECT 1 FROM labels l WHERE l.project_id = a.project_id AND l.face_id = a.face_id AND {SAYS_NO})
  OR (a.kind = 'bulk' AND EXISTS (SELECT 1 FROM project_files pf WHERE pf.project_id = a.project_id
    AND pf.page_id = a.page_id AND pf.file_answer = 'not_shown')))"""


@dataclass(frozen=True)
class CurrentAnswer:
    """An answer that was not withdrawn; `face_id` None: about the file as a whole."""

    id: int
    user_id: int
    face_id: int | None
    answer: str
    twice: bool
    sha1: str | None


@dataclass(frozen=True)
class FileFacts:
    """The input of the rules, besides the answers, for a file in a project."""

    sha1: str | None
    stated: bool
    portrait: bool
    faces: tuple[int, ...]  # ids of the visible faces


@dataclass(frozen=True)
class FaceLabel:
    """A derived label."""

    face_id: int
    label: Label
    source: Source
    answer_id: int | None
    suspended: bool


@dataclass(frozen=True)
class Approval:
    """A derived approval; `face_id` None: the file as a whole."""

    face_id: int | None
    user_id: int
    sha1: str | None
    suspended: bool


@dataclass(frozen=True)
class Derived:
    """The labels, approval and file answer derived for one file."""

    labels: tuple[FaceLabel, ...]
    approval: Approval | None
    file_answer: Literal["shown", "not_shown"] | None


def derive(facts: FileFacts, answers: Sequence[CurrentAnswer]) -> Derived:
    """Apply the rules to the valid answers of one file, oldest first.

    The newest answer about a face counts. One face of a file is the target, the one answered last, unless a human
    answered that the picture shows the person twice; the other faces are then labelled other. Without a human's
    answer, the only face of a file that Commons says depicts the person, or of the portrait, is labelled target as
    a weak prior. An answer about bytes that have been overwritten is suspended.
    """
    newest = {answer.face_id: answer for answer in answers if answer.answer != "skip"}
    current = {face_id: newest[face_id] for face_id in facts.faces if face_id in newest}
    targets = sorted((a for a in current.values() if a.answer == "target"), key=lambda answer: answer.id)
    twice = any(answer.twice for answer in targets)
    kept = {answer.face_id for answer in (targets if twice else targets[-1:])}
    labels = [_label(facts, face_id, current.get(face_id), targets, kept) for face_id in facts.faces]
    whole = newest.get(None)
    file_answer: Literal["shown", "not_shown"] | None = None
    if whole is not None and whole.answer in {"shown", "not_shown"}:
        file_answer = "shown" if whole.answer == "shown" else "not_shown"
    approving = targets[-1] if targets else whole if whole is not None and file_answer == "shown" else None
    approval = None
    if approving is not None:
        approval = Approval(approving.face_id, approving.user_id, approving.sha1, _overwritten(facts, approving))
    return Derived(tuple(label for label in labels if label is not None), approval, file_answer)


def _label(
    facts: FileFacts,
    face_id: int,
    answer: CurrentAnswer | None,
    targets: Sequence[CurrentAnswer],
    kept: set[int | None],
) -> FaceLabel | None:
    if answer is not None and (answer.answer != "target" or face_id in kept):
        label: Label = answer.answer  # type: ignore[assignment]
        return FaceLabel(face_id, label, "human", answer.id, _overwritten(facts, answer))
    if targets:
        return FaceLabel(face_id, "other", "implied", targets[-1].id, _overwritten(facts, targets[-1]))
    if len(facts.faces) == 1 and (facts.portrait or facts.stated):
        return FaceLabel(face_id, "target", "portrait" if facts.portrait else "bootstrap", None, False)
    return None


def _overwritten(facts: FileFacts, answer: CurrentAnswer) -> bool:
    return answer.sha1 is not None and facts.sha1 is not None and answer.sha1 != facts.sha1


def lock_files(db: Connection, project_id: int, page_ids: Sequence[int]) -> None:
    """Lock files in the project until the transaction ends, in key order: whoever answers or approves does so first."""
    db.column(
        f"""SELECT page_id FROM project_files FORCE INDEX (PRIMARY) WHERE project_id = %s AND page_id IN ({marks(page_ids)})
            ORDER BY page_id FOR UPDATE""",
        (project_id, *page_ids),
    )


def rebuild(
    db: Connection, project_id: int, page_ids: Sequence[int], visible: Mapping[int, Sequence[Face]] | None = None
) -> None:
    """Derive and store labels and approvals of files again; cancel queued edits that have lost their approval.

    `visible`: the files' faces, if the caller has read them in this transaction.
    """
    facts = _facts(db, project_id, page_ids)
    visible = faces.of_files(db, project_id, list(facts)) if visible is None else visible
    derivations = _derive_all(db, project_id, facts, visible)
    stored = _stored(db, project_id, list(derivations))
    for page_id, derived in derivations.items():
        _store_labels(db, project_id, page_id, derived, stored[page_id])
        if derived.file_answer != facts[page_id]["file_answer"]:
            _store_file_answer(db, project_id, page_id, derived)
        if derived.approval or facts[page_id]["approved"] or facts[page_id]["queued"]:
            _store_approval(db, project_id, page_id, derived)


def rebuild_everywhere(db: Connection, page_ids: Sequence[int]) -> list[int]:
    """Rebuild files in every project that contains them, after their bytes or faces changed; return those projects."""
    rows = db.rows(
        f"""SELECT pf.project_id, pf.page_id FROM project_files pf JOIN projects p ON p.id = pf.project_id
            WHERE pf.page_id IN ({marks(page_ids)}) AND p.status <> 'deleted'""",
        page_ids,
    )
    by_project: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        by_project[row["project_id"]].append(row["page_id"])
    for project_id, pages in by_project.items():
        rebuild(db, project_id, pages)
    return list(by_project)


def _facts(db: Connection, project_id: int, page_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return what is stored about the files in the project, by page id, locked until the transaction ends."""
    if not page_ids:
        return {}
    rows = db.rows(
        f"""SELECT pf.page_id, pf.stated, pf.origin, pf.file_answer,
              (SELECT f.sha1 FROM files f WHERE f.page_id = pf.page_id) AS sha1,
              EXISTS (SELECT 1 FROM approvals a WHERE a.project_id = pf.project_id AND a.page_id = pf.page_id) AS approved,
              EXISTS (SELECT 1 FROM edits e WHERE e.page_id = pf.page_id AND e.project_id = pf.project_id
                AND e.state = 'queued') AS queued
            FROM project_files pf FORCE INDEX (PRIMARY)
            WHERE pf.project_id = %s AND pf.page_id IN ({marks(page_ids)}) ORDER BY pf.page_id FOR UPDATE""",
        (project_id, *page_ids),
    )
    return {row["page_id"]: row for row in rows}


def _derive_all(
    db: Connection, project_id: int, facts: dict[int, dict[str, Any]], visible: Mapping[int, Sequence[Face]]
) -> dict[int, Derived]:
    if not facts:
        return {}
    page_ids = list(facts)
    answers: dict[int, list[CurrentAnswer]] = defaultdict(list)
    for row in db.rows(
        f"""SELECT id, page_id, user_id, face_id, answer, twice, sha1 FROM answers
            WHERE project_id = %s AND page_id IN ({marks(page_ids)}) AND withdrawn_at IS NULL ORDER BY id""",
        (project_id, *page_ids),
    ):
        answers[row.pop("page_id")].append(CurrentAnswer(**{**row, "twice": bool(row["twice"])}))
    derived = {}
    for page_id, row in facts.items():
        seen = tuple(face.id for face in visible[page_id])
        known = FileFacts(row["sha1"], bool(row["stated"]), row["origin"] == "portrait", seen)
        derived[page_id] = derive(known, answers[page_id])
    return derived


def _stored(db: Connection, project_id: int, page_ids: Sequence[int]) -> dict[int, set[FaceLabel]]:
    """Return the stored labels of files, by page id."""
    found: dict[int, set[FaceLabel]] = {page_id: set() for page_id in page_ids}
    for row in db.rows(
        f"""SELECT page_id, face_id, label, source, answer_id, suspended FROM labels
            WHERE project_id = %s AND page_id IN ({marks(page_ids)})""",
        (project_id, *page_ids),
    ):
        page_id = row.pop("page_id")
        found[page_id].add(FaceLabel(**{**row, "suspended": bool(row["suspended"])}))
    return found


def _store_labels(db: Connection, project_id: int, page_id: int, derived: Derived, stored: set[FaceLabel]) -> None:
    """Write changed labels row by row: a DELETE that searches for rows would lock those of other files."""
    gone = {item.face_id for item in stored} - {item.face_id for item in derived.labels}
    db.many(
        "DELETE FROM labels WHERE project_id = %s AND face_id = %s", [(project_id, face_id) for face_id in sorted(gone)]
    )
    db.many(
        """INSERT INTO labels (project_id, face_id, page_id, label, source, answer_id, suspended)
           VALUES (%s, %s, %s, %s, %s, %s, %s)
           ON DUPLICATE KEY UPDATE page_id = VALUES(page_id), label = VALUES(label), source = VALUES(source),
             answer_id = VALUES(answer_id), suspended = VALUES(suspended)""",
        [
            (project_id, item.face_id, page_id, item.label, item.source, item.answer_id, item.suspended)
            for item in derived.labels
            if item not in stored
        ],
    )


def _store_file_answer(db: Connection, project_id: int, page_id: int, derived: Derived) -> None:
    db.execute(
        "UPDATE project_files FORCE INDEX (PRIMARY) SET file_answer = %s WHERE project_id = %s AND page_id = %s",
        (derived.file_answer, project_id, page_id),
    )


def _store_approval(db: Connection, project_id: int, page_id: int, derived: Derived) -> None:
    approval = derived.approval
    if approval is not None:
        db.execute(
            """INSERT INTO approvals (project_id, page_id, face_id, user_id, kind, sha1, suspended)
               VALUES (%s, %s, %s, %s, 'alone', %s, %s)
               ON DUPLICATE KEY UPDATE face_id = VALUES(face_id), user_id = VALUES(user_id), kind = 'alone',
                 sha1 = VALUES(sha1), suspended = VALUES(suspended)""",
            (project_id, page_id, approval.face_id, approval.user_id, approval.sha1, approval.suspended),
        )
    elif db.value("SELECT 1 FROM approvals WHERE project_id = %s AND page_id = %s", (project_id, page_id)):
        _check_bulk(db, project_id, page_id)
    db.execute(
        """UPDATE edits SET state = 'cancelled', finished_at = NOW(), error = 'not_approved'
           WHERE project_id = %s AND page_id = %s AND action = 'add' AND state = 'queued' AND NOT EXISTS
             (SELECT 1 FROM approvals a WHERE a.project_id = %s AND a.page_id = %s AND NOT a.suspended)""",
        (project_id, page_id, project_id, page_id),
    )


def _check_bulk(db: Connection, project_id: int, page_id: int) -> None:
    """Check an approval that no answer supports: delete it if it is no longer valid, else update `suspended`.

    Such an approval was given in bulk, or its answer was withdrawn.
    """
    db.execute(
        f"""DELETE a FROM approvals a WHERE a.project_id = %s AND a.page_id = %s AND (a.kind = 'alone' OR {REFUSED}
             OR NOT EXISTS (SELECT 1 FROM faces f WHERE f.id = a.face_id AND f.state <> 'gone'))""",
        (project_id, page_id),
    )
    # Read separately: a joined UPDATE would lock the file and wait for the worker that searches it.
    sha1 = db.value("SELECT sha1 FROM files WHERE page_id = %s", (page_id,))
    db.execute(
        "UPDATE approvals SET suspended = COALESCE(sha1 <> %s, 0) WHERE project_id = %s AND page_id = %s",
        (sha1, project_id, page_id),
    )
