"""The publishing plan of approved files, removals offered to users, and the batches created from both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from database import Connection, marks
from store.detection.faces import Chip
from store.jobs import tasks
from store.labelling import labels
from store.publishing import batches, edits, positions

# Stored in `edits.error` of an undone or reverted edit when a user asks to send its file again.
_RESEND = "asked_again"


@dataclass(frozen=True)
class Planned:
    """An approved file in the plan, and whether its statement would be written.

    `verdict` is send, or the reason against it: stated, sent, open, undone, reverted, overwritten, protected,
    redirect, gone. `earlier`: the reason key for which an earlier attempt was not written, if there was one.
    """

    page_id: int
    title: str
    face_id: int | None
    kind: Literal["alone", "bulk"]
    approved_by: str
    probability: float | None
    prominent: bool
    verdict: str
    earlier: str | None
    chip: Chip | None


@dataclass(frozen=True)
class Summary:
    """Approved files by verdict; of those to send, how many were approved in bulk, and how many to expect wrong."""

    counts: dict[str, int]
    bulk: int
    expected_wrong: float

    @property
    def ready(self) -> int:
        """The number of files whose statement would be written."""
        return self.counts.get("send", 0)

    @property
    def objected(self) -> bool:
        """Whether so many were reverted that a running batch would be paused (batches.pause_reverted)."""
        reverted = self.counts.get("reverted", 0)
        return reverted >= 3 and reverted * 20 >= reverted + self.counts.get("sent", 0)


# A file is not planned again while an edit of the same statement is open (in any project) or is written (in this one);
# after a revert or an undo a user has to ask for it.
_VERDICT = f"""CASE WHEN a.suspended THEN 'overwritten'
  WHEN pf.state = 'gone' THEN IF(pf.error = 'redirect', 'redirect', 'gone')
  WHEN MAX(e.project_id = a.project_id AND e.state = 'reverted') THEN 'reverted'
  WHEN MAX(e.state IN ('queued', 'sending')) THEN 'open'
  WHEN MAX(e.project_id = a.project_id AND e.state IN ('done', 'already')) THEN 'sent'
  WHEN pf.stated THEN 'stated'
  WHEN MAX(e.project_id = a.project_id AND e.state = 'undone' AND COALESCE(e.error, '') <> '{_RESEND}') THEN 'undone'
  WHEN pf.protected THEN 'protected' ELSE 'send' END"""

# All approved files with their edits, read in the order of the primary keys, so that the server need not sort them. An
# approval that an answer contradicts (labels.REFUSED) counts as none; it is joined because that is faster than EXISTS.
_PLAN = f"""FROM projects q STRAIGHT_JOIN approvals a ON a.project_id = q.id
  STRAIGHT_JOIN project_files pf ON pf.project_id = a.project_id AND pf.page_id = a.page_id
  LEFT JOIN edits e FORCE INDEX (by_file) ON e.page_id = a.page_id AND (e.item = q.item OR e.project_id = q.id)
    AND e.action = 'add'
  LEFT JOIN labels l ON l.project_id = a.project_id AND l.face_id = a.face_id AND {labels.SAYS_NO}
  WHERE q.id = %s AND l.face_id IS NULL AND NOT (a.kind = 'bulk' AND COALESCE(pf.file_answer, '') = 'not_shown')
  GROUP BY a.page_id"""


def summary(db: Connection, project_id: int) -> Summary:
    """Return the plan in figures.

    An approval given alone counts as right; a bulk approval is wrong with probability 1 - `probability`.
    """
    return _read_plan(db, project_id, "send", 0, 0)[0]


def _read_plan(db: Connection, project_id: int, verdict: str, limit: int, offset: int) -> tuple[Summary, list[int]]:
    """Return the summary and one page of the page ids with a verdict, least certain first, in one query."""
    rows = db.rows(
        f"""SELECT verdict, COUNT(*) AS files, COUNT(IF(kind = 'bulk', 1, NULL)) AS bulk,
              SUM(IF(kind = 'bulk', 1 - COALESCE(r.probability, every.probability, 1), 0)) AS wrong,
              GROUP_CONCAT(IF(verdict = %s, every.page_id, NULL)
                ORDER BY kind = 'alone', COALESCE(r.probability, every.probability), every.page_id LIMIT %s OFFSET %s) AS listed
            FROM (SELECT a.project_id, a.page_id, a.face_id, a.kind, a.probability, {_VERDICT} AS verdict {_PLAN}) every
            LEFT JOIN predictions r ON r.project_id = every.project_id AND r.face_id = every.face_id
              AND verdict IN ('send', %s)
            GROUP BY verdict""",
        (verdict, limit, offset, project_id, verdict),
    )
    found = {row["verdict"]: row for row in rows}
    ready = found.get("send", {"bulk": 0, "wrong": 0})
    listed = found[verdict]["listed"] if verdict in found else None
    counts = {name: row["files"] for name, row in found.items()}
    return Summary(counts, int(ready["bulk"]), float(ready["wrong"])), [
        int(one) for one in (listed or "").split(",") if one
    ]


@dataclass(frozen=True)
class Plan:
    """The summary of the plan, and one page of the files with a verdict; `page` counts from 1."""

    summary: Summary
    page: int
    pages: int
    files: list[Planned]


def plan(db: Connection, project_id: int, verdict: str, size: int, page: int = 1) -> Plan:
    """Return a page of `size` approved files with the verdict, least certain first; at most the last page."""
    found, listed = _read_plan(db, project_id, verdict, size, (page - 1) * size)
    pages = max(1, -(-found.counts.get(verdict, 0) // size))
    if page > pages:
        return plan(db, project_id, verdict, size, pages)
    return Plan(found, page, pages, _files(db, project_id, verdict, listed))


def _files(db: Connection, project_id: int, verdict: str, page_ids: Sequence[int]) -> list[Planned]:
    rows = db.rows(
        f"""SELECT a.page_id, f.title, a.face_id, a.kind, COALESCE(u.name, '') AS approved_by,
              COALESCE(r.probability, a.probability) AS probability, a.prominent, %s AS verdict,
              c.face_id IS NOT NULL AS has_chip, LEFT(COALESCE(h.sha1, ''), 8) AS version,
              (SELECT e.error FROM edits e WHERE e.page_id = a.page_id AND e.project_id = a.project_id AND e.action = 'add'
                 AND e.state IN ('failed', 'skipped') ORDER BY e.id DESC LIMIT 1) AS earlier
            FROM approvals a JOIN files f ON f.page_id = a.page_id LEFT JOIN users u ON u.id = a.user_id
            LEFT JOIN predictions r ON r.project_id = a.project_id AND r.face_id = a.face_id
            LEFT JOIN faces h ON h.id = a.face_id LEFT JOIN face_chips c ON c.face_id = a.face_id
            WHERE a.project_id = %s AND a.page_id IN ({marks(page_ids)})""",
        (verdict, project_id, *page_ids),
    )
    found = {row["page_id"]: _planned(row) for row in rows}
    return [found[page_id] for page_id in page_ids]


def _planned(row: dict[str, Any]) -> Planned:
    version, has_chip = row.pop("version"), row.pop("has_chip")
    return Planned(
        **{**row, "prominent": bool(row["prominent"]), "chip": Chip(row["face_id"], version) if has_chip else None}
    )


def send(db: Connection, project_id: int, user_id: int) -> int | None:
    """Queue all approved files with verdict send in a new batch under the user's account; return None without any.

    The project's row is locked, so that two clicks create one batch.
    """
    project = db.row("SELECT item, label, write_position FROM projects WHERE id = %s FOR UPDATE", (project_id,))
    todo = db.column(
        f"SELECT page_id FROM (SELECT a.page_id, {_VERDICT} AS verdict {_PLAN}) every WHERE verdict = 'send' ORDER BY page_id",
        (project_id,),
    )
    if project is None or not todo:
        return None
    batch_id = batches.create(db, project_id, user_id, "send", project["item"], project["label"])
    for start in range(0, len(todo), 500):
        part = todo[start : start + 500]
        db.execute(
            f"""INSERT INTO edits (batch_id, project_id, user_id, page_id, title, item, action, face_id, probability,
                  approved_by, approved_sha1, prominent, qualifier)
                SELECT %s, a.project_id, %s, a.page_id, f.title, %s, 'add', a.face_id, COALESCE(r.probability, a.probability),
                  a.user_id, a.sha1, a.prominent,
                  IF(%s AND c.id IS NOT NULL, {positions.REGION}, NULL)
                FROM approvals a JOIN files f ON f.page_id = a.page_id LEFT JOIN faces c ON c.id = a.face_id
                LEFT JOIN predictions r ON r.project_id = a.project_id AND r.face_id = a.face_id
                WHERE a.project_id = %s AND a.page_id IN ({marks(part)})""",
            (batch_id, user_id, project["item"], project["write_position"], project_id, *part),
        )
    tasks.want(db, "publish", user_id)
    return batch_id


def send_again(db: Connection, project_id: int, page_ids: Sequence[int]) -> int:
    """Plan reverted or undone files again, or retry protected ones, because a user asked for it; return how many."""
    tried = db.execute(
        f"""UPDATE project_files FORCE INDEX (PRIMARY) SET protected = 0 WHERE project_id = %s
            AND page_id IN ({marks(page_ids)}) AND protected""",
        (project_id, *page_ids),
    )
    asked = db.execute(
        f"""UPDATE edits SET state = 'undone', error = '{_RESEND}' WHERE project_id = %s AND action = 'add'
            AND page_id IN ({marks(page_ids)})
            AND (state = 'reverted' OR (state = 'undone' AND COALESCE(error, '') <> '{_RESEND}'))""",
        (project_id, *page_ids),
    )
    return tried + asked


@dataclass(frozen=True)
class RemovalOffer:
    """A file that states the person on Commons although a human answered that it does not show them."""

    page_id: int
    title: str
    statement_id: str | None
    face_id: int | None  # a rejected face; None: the file as a whole was rejected
    refused: str | None  # reason key of an earlier removal that was skipped, e.g. changed_by_others


def removal_offers(db: Connection, project_id: int) -> list[RemovalOffer]:
    """Return the files whose statement a human rejected.

    These are files stated on Commons with a face rejected by a human, no face confirmed and none left open by
    humans.
    """
    rows = db.rows(
        f"""SELECT pf.page_id, f.title, pf.stated_id AS statement_id,
             (SELECT MIN(l.face_id) FROM labels l WHERE l.project_id = pf.project_id AND l.page_id = pf.page_id
                AND l.source = 'human') AS face_id,
             (SELECT e.error FROM edits e WHERE e.project_id = pf.project_id AND e.page_id = pf.page_id AND e.action = 'remove'
                AND e.state = 'skipped' ORDER BY e.id DESC LIMIT 1) AS refused
           FROM project_files pf JOIN files f ON f.page_id = pf.page_id
           WHERE pf.project_id = %s AND pf.stated = 1
             AND (pf.file_answer = 'not_shown' OR EXISTS (SELECT 1 FROM labels l WHERE l.project_id = pf.project_id
               AND l.page_id = pf.page_id AND l.source = 'human' AND l.label IN ('other', 'not_face') AND NOT l.suspended))
             AND NOT EXISTS (SELECT 1 FROM approvals a WHERE a.project_id = pf.project_id AND a.page_id = pf.page_id
               AND NOT {labels.REFUSED})
             AND NOT EXISTS (SELECT 1 FROM faces c WHERE c.page_id = pf.page_id AND c.state <> 'gone'
               AND (c.project_id IS NULL OR c.project_id = pf.project_id)
               AND NOT EXISTS (SELECT 1 FROM faces d WHERE d.page_id = c.page_id AND d.project_id = pf.project_id
                 AND d.replaces = c.id AND d.state <> 'gone')
               AND NOT EXISTS (SELECT 1 FROM labels l WHERE l.project_id = pf.project_id AND l.face_id = c.id
                 AND l.source = 'human' AND l.label IN ('other', 'not_face')))
             AND NOT EXISTS (SELECT 1 FROM edits e WHERE e.page_id = pf.page_id AND e.project_id = pf.project_id
               AND e.action = 'remove' AND e.state IN ('queued', 'sending'))
           ORDER BY f.title""",
        (project_id,),
    )
    return [RemovalOffer(**row) for row in rows]


def remove_stated(
    db: Connection, project_id: int, user_id: int, page_ids: Sequence[int], *, forced: bool
) -> int | None:
    """Queue the removal of statements that a human rejected; return the batch, None without any.

    `forced`: the user confirmed once more although others had changed the statement; it is valid only where the
    first removal was refused for that reason. The project's row is locked, so that two clicks create one batch.
    """
    project = db.row("SELECT item, label FROM projects WHERE id = %s FOR UPDATE", (project_id,))
    offered = {row.page_id: row for row in removal_offers(db, project_id)}
    rows = [offered[page_id] for page_id in page_ids if page_id in offered]
    if not rows or project is None:
        return None
    batch_id = batches.create(db, project_id, user_id, "removal", project["item"], project["label"])
    db.many(
        """INSERT INTO edits (batch_id, project_id, user_id, page_id, title, item, action, statement_id, forced, approved_by)
           VALUES (%s, %s, %s, %s, %s, %s, 'remove', %s, %s, %s)""",
        [
            (
                batch_id,
                project_id,
                user_id,
                row.page_id,
                row.title,
                project["item"],
                row.statement_id,
                forced and row.refused == "changed_by_others",
                user_id,
            )
            for row in rows
        ],
    )
    tasks.want(db, "publish", user_id)
    return batch_id


def undo(db: Connection, project_id: int, user_id: int, edit_ids: Sequence[int]) -> int | None:
    """Queue the removal of statements that these edits added and that are still written; return the batch or None."""
    rows = [
        edit
        for edit in edits.select(
            db,
            f"""e.project_id = %s AND e.id IN ({marks(edit_ids)}) AND e.action = 'add' AND e.state = 'done' AND NOT EXISTS
                  (SELECT 1 FROM edits u WHERE u.undoes = e.id AND u.state IN ('queued', 'sending')) FOR UPDATE""",
            (project_id, *edit_ids),
        )
        if edit.statement_id
    ]
    if not rows:
        return None
    label = db.value("SELECT label FROM projects WHERE id = %s", (project_id,)) or ""
    batch_id = batches.create(db, project_id, user_id, "undo", rows[0].item, label)
    db.many(
        """INSERT INTO edits (batch_id, project_id, user_id, page_id, title, item, action, face_id, statement_id, qualifier,
             prominent, undoes) VALUES (%s, %s, %s, %s, %s, %s, 'remove', %s, %s, %s, %s, %s)""",
        [
            (
                batch_id,
                project_id,
                user_id,
                edit.page_id,
                edit.title,
                edit.item,
                edit.face_id,
                edit.statement_id,
                edit.qualifier,
                edit.prominent,
                edit.id,
            )
            for edit in rows
        ],
    )
    tasks.want(db, "publish", user_id)
    return batch_id
