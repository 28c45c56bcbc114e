"""Progress of projects: counts for the pages, in a few queries for any number of projects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from database import Connection, marks
from store.labelling import review

RATE_SECONDS = 120  # period over which the rate of searching is measured


@dataclass(frozen=True)
class ProjectCounts:
    """Counts of a project's files, answers and statements that are cheap to compute."""

    files: int = 0
    waiting: int = 0  # files waiting to be searched
    confirmed: int = 0  # faces and whole files that a human confirmed to show the person
    suggested: int = 0  # faces that the model suggests and no human has judged
    questions: int = 0  # ranked questions not answered yet
    approved: int = 0  # files whose statement may be sent
    unsent: int = 0  # approved files whose statement is neither on Commons nor being sent
    sent: int = 0  # statements written to Commons by this tool


@dataclass(frozen=True)
class Trouble:
    """Files that could not be searched, by error; `passing`: they are retried automatically."""

    error: str
    passing: bool
    files: int


@dataclass(frozen=True)
class Search:
    """The search for faces in a project's files; `rate` in files a second, over the last two minutes."""

    files: int
    searched: int
    waiting: int
    faces: int
    no_face: int  # searched, no face found, and no answer about the file
    rate: float
    troubles: tuple[Trouble, ...] = field(default_factory=tuple)

    @property
    def seconds_left(self) -> float | None:
        """The seconds that the rest takes at the current rate, or None if unknown."""
        return self.waiting / self.rate if self.waiting and self.rate else None


def counts(db: Connection, project_ids: Sequence[int]) -> dict[int, ProjectCounts]:
    """Return the counts of each project."""
    return {
        project_id: ProjectCounts(**numbers)
        for project_id, numbers in _counted(db, project_ids, _FILES + _COUNTS).items()
    }


def counts_of_one(db: Connection, project_id: int, search: Search) -> ProjectCounts:
    """Return the counts of one project whose files are already counted."""
    return ProjectCounts(files=search.files, waiting=search.waiting, **_counted(db, [project_id], _COUNTS)[project_id])


def _counted(db: Connection, project_ids: Sequence[int], selects: Sequence[str]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {project_id: {} for project_id in project_ids}
    if project_ids:
        sql = " UNION ALL ".join(selects).format(marks(project_ids))
        for row in db.rows(sql, [*project_ids] * len(selects)):
            numbers = found[row["project_id"]]
            numbers[row["name"]] = numbers.get(row["name"], 0) + int(row["n"])
    return found


_FILES = (
    "SELECT project_id, 'files' AS name, COUNT(*) AS n FROM project_files WHERE project_id IN ({0}) GROUP BY project_id",
    """SELECT project_id, 'waiting', COUNT(*) FROM project_files
       WHERE project_id IN ({0}) AND search_due_at IS NOT NULL GROUP BY project_id""",
)
_COUNTS = (
    # Counted through an index, minus the faces judged since the model's last run; selecting the faces that were not
    # judged would read every prediction.
    """SELECT project_id, 'suggested' AS name, COUNT(*) AS n FROM predictions
       WHERE project_id IN ({0}) AND suggestion = 'match' GROUP BY project_id""",
    """SELECT l.project_id, 'suggested', -COUNT(*) FROM labels l
       JOIN predictions p ON p.project_id = l.project_id AND p.face_id = l.face_id AND p.suggestion = 'match'
       WHERE l.project_id IN ({0}) AND l.source IN ('human', 'implied') GROUP BY l.project_id""",
    """SELECT a.project_id, 'suggested', -COUNT(*) FROM approvals a
       JOIN predictions p ON p.project_id = a.project_id AND p.face_id = a.face_id AND p.suggestion = 'match'
       WHERE a.project_id IN ({0}) AND a.kind = 'bulk' GROUP BY a.project_id""",
    "SELECT project_id, 'questions', COUNT(*) FROM questions WHERE project_id IN ({0}) GROUP BY project_id",
    """SELECT project_id, 'confirmed', COUNT(*) FROM approvals
       WHERE project_id IN ({0}) AND NOT suspended AND kind = 'alone' GROUP BY project_id""",
    """SELECT project_id, 'approved', COUNT(*) FROM approvals
       WHERE project_id IN ({0}) AND NOT suspended GROUP BY project_id""",
    # An outer join by file: for NOT EXISTS the server would read the edits of all projects. Edits are joined before the
    # files because most approved statements are written already.
    """SELECT STRAIGHT_JOIN a.project_id, 'unsent', COUNT(*) FROM approvals a JOIN projects p ON p.id = a.project_id
       LEFT JOIN edits e FORCE INDEX (by_file) ON e.page_id = a.page_id AND (e.item = p.item OR e.project_id = p.id)
         AND e.action = 'add' AND (e.state IN ('queued', 'sending', 'done', 'already', 'reverted')
           OR (e.state = 'undone' AND COALESCE(e.error, '') <> 'asked_again'))
       JOIN project_files pf ON pf.project_id = a.project_id AND pf.page_id = a.page_id AND NOT pf.stated
         AND NOT pf.protected AND pf.state <> 'gone'
       WHERE a.project_id IN ({0}) AND NOT a.suspended AND e.id IS NULL GROUP BY a.project_id""",
    """SELECT project_id, 'sent', COUNT(*) FROM edits
       WHERE project_id IN ({0}) AND state = 'done' AND action = 'add' GROUP BY project_id""",
)


def search(db: Connection, project_id: int) -> Search:
    """Return the progress of the search for faces. Reads every file of the project: about 5 ms for 9,000."""
    rows = db.rows(
        # Summed as doubles: the server sums integers as decimals, which takes as long as the rest of the query.
        """SELECT state, error, COUNT(*) AS files, COUNT(search_due_at) AS waiting, SUM(face_count + 0e0) AS faces,
             COUNT(IF(face_count = 0 AND file_answer IS NULL, 1, NULL)) AS no_face,
             COUNT(IF(searched_at > NOW() - INTERVAL %s SECOND, 1, NULL)) AS recent
           FROM project_files WHERE project_id = %s GROUP BY state, error""",
        (RATE_SECONDS, project_id),
    )

    def total(name: str, *states: str) -> int:
        return sum(int(row[name] or 0) for row in rows if not states or row["state"] in states)

    troubles = (Trouble(row["error"], row["state"] == "waiting", row["files"]) for row in rows if row["error"])
    return Search(
        files=total("files"),
        searched=total("files", "searched"),
        waiting=total("waiting"),
        faces=total("faces", "searched"),
        no_face=total("no_face", "searched"),
        rate=total("recent") / RATE_SECONDS,
        troubles=tuple(sorted(troubles, key=lambda trouble: -trouble.files)),
    )


def try_again(db: Connection, project_id: int) -> list[int]:
    """Return the project's files whose last search failed, for store.detection.files.search_again."""
    return db.column(
        """SELECT page_id FROM project_files
           WHERE project_id = %s AND error IS NOT NULL AND state IN ('error', 'waiting')""",
        (project_id,),
    )


@dataclass(frozen=True)
class Work:
    """Work for a project: crawl, bootstrap, model; or search, by each worker that has claimed some of its files."""

    kind: str
    running: bool
    worker: str | None
    error: str | None
    error_detail: str | None


@dataclass(frozen=True)
class Hands:
    """The project's work that is running, due or failed.

    `silence`: seconds since the last heartbeat of any worker, None if no worker is known.
    """

    work: tuple[Work, ...]
    silence: int | None


def hands(db: Connection, project_id: int) -> Hands:
    """Return the project's current work and the workers that do it."""
    rows = db.rows(
        """SELECT kind, lease_token IS NOT NULL AS running, lease_worker AS worker, error, error_detail, NULL AS silence
           FROM tasks WHERE subject_id = %s AND kind IN ('crawl', 'bootstrap', 'model')
             AND (lease_token IS NOT NULL OR error IS NOT NULL OR due_at <= NOW(3))
           UNION ALL SELECT DISTINCT 'search', 1, lease_worker, NULL, NULL, NULL FROM files
           WHERE lease_worker > '' AND EXISTS
             (SELECT 1 FROM project_files pf WHERE pf.project_id = %s AND pf.page_id = files.page_id)
           UNION ALL SELECT 'worker', 0, NULL, NULL, NULL, MIN(TIMESTAMPDIFF(SECOND, heartbeat_at, NOW())) FROM workers""",
        (project_id, project_id),
    )
    silence = next(row["silence"] for row in rows if row["kind"] == "worker")
    work = (
        Work(row["kind"], bool(row["running"]), row["worker"], row["error"], row["error_detail"])
        for row in rows
        if row["kind"] != "worker"
    )
    return Hands(tuple(sorted(work, key=lambda found: found.kind)), None if silence is None else int(silence))


@dataclass(frozen=True)
class Breakdown:
    """Faces by label or suggestion, and by who gave it."""

    human_yes: int = 0
    human_no: int = 0
    bootstrap: int = 0
    model_yes: int = 0
    model_no: int = 0
    unsure: int = 0

    @property
    def total(self) -> int:
        """The number of faces with a label or suggestion."""
        return self.human_yes + self.human_no + self.bootstrap + self.model_yes + self.model_no + self.unsure


def breakdown(db: Connection, project_id: int, guessed: Mapping[str, int] | None = None) -> Breakdown:
    """Count faces by what humans, bootstrap and the model say of them; a label hides a suggestion.

    `guessed`: the result of `review.predicted`, if the caller has it.
    """
    guessed = review.predicted(db, project_id) if guessed is None else guessed
    rows = db.rows(
        """SELECT IF(source IN ('human', 'implied'), label, 'bootstrap') AS said, COUNT(*) AS n
           FROM labels WHERE project_id = %s AND NOT suspended GROUP BY said
           UNION ALL SELECT p.suggestion, -COUNT(*) FROM labels l
             JOIN predictions p ON p.project_id = l.project_id AND p.face_id = l.face_id
             WHERE l.project_id = %s AND NOT l.suspended GROUP BY p.suggestion""",
        (project_id, project_id),
    )
    rows += [{"said": suggestion, "n": number} for suggestion, number in guessed.items()]

    def total(*kinds: str) -> int:
        return sum(int(row["n"]) for row in rows if row["said"] in kinds)

    return Breakdown(
        human_yes=total("target"),
        human_no=total("other", "not_face"),
        bootstrap=total("bootstrap"),
        model_yes=total("match"),
        model_no=total("no_match"),
        unsure=total("unsure"),
    )


@dataclass(frozen=True)
class Curve:
    """The number of answers and of matches among them at up to `POINTS` moments: (answers, matches), rising."""

    points: tuple[tuple[int, int], ...]


POINTS = 60


def curve(db: Connection, project_id: int) -> Curve:
    """Return how the number of matches grew with the valid answers."""
    rows = db.rows(
        """SELECT n, matches FROM (
             SELECT ROW_NUMBER() OVER (ORDER BY id) AS n, SUM(answer IN ('target', 'shown')) OVER (ORDER BY id) AS matches,
               COUNT(*) OVER () AS total
             FROM answers WHERE project_id = %s AND withdrawn_at IS NULL AND answer <> 'skip') c
           WHERE n = total OR n %% GREATEST(1, FLOOR(total / %s)) = 0 ORDER BY n""",
        (project_id, POINTS),
    )
    return Curve(((0, 0), *((row["n"], int(row["matches"])) for row in rows)) if rows else ())
