"""Fault-injection benchmark: random failures for some minutes, then a check that nothing was lost or done twice.

    python -m bench.chaos [--minutes 10] [--files 400] [--seed N] [--json FILE]

Worker processes and their detector children are killed with SIGKILL, MariaDB is killed or restarted with its data and
port, and the wiki (the sandbox) fails requests, all concurrently. Meanwhile a volunteer answers questions and sends
approved files; an answer counts as stored once the database has confirmed it. At the end one worker is killed and not
restarted, and no further faults are injected. Detector children only sleep (testing/sleeping_worker.py); everything
else is real, except that retries that were postponed by minutes or hours become due within seconds.

Exits with 1 unless every file was effectively searched exactly once, every stored answer is a label, every approved
file has its statement exactly once on the wiki, no lease, child process or connection is left over, and a worker's
memory has not grown.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.faults.chaos import Chaos, Crew, resident_mb
from database import Connection, DatabaseError
from store.detection import files
from store.labelling import answers
from store.labelling.answers import NewAnswer
from store.projects import projects
from store.projects.projects import NewProject
from store.publishing import batches, edits, plans
from testing.publishing import ITEM, Workshop, empty, statements, workshop

CALM_S = 300.0
MORE_MEMORY = 1.3  # allowed growth of a worker's memory as a factor, in addition to
SPARE_MB = 40.0  # the memory that caches may take
BENCH_CONNECTIONS = 6


@dataclass(frozen=True)
class Judged:
    """Figures after the last fault; `memory_mb` and `memory_mb_before` are of the worker that was never killed."""

    files: int
    answers: int
    approved: int
    not_searched: int
    searched_twice: int
    lost_labels: int
    statements_twice: int
    statements_missing: int
    leases_left: int
    orphans: int
    connections: int
    most_connections: int
    memory_mb: float
    memory_mb_before: float
    bad_exits: int
    seconds_to_calm: float

    @property
    def good(self) -> bool:
        """Whether nothing was lost, repeated or left over, and there were files, answers and approvals to lose."""
        wrong = self.not_searched + self.searched_twice + self.lost_labels + self.statements_twice
        wrong += self.statements_missing + self.leases_left + self.orphans + self.bad_exits
        more = self.memory_mb > MORE_MEMORY * self.memory_mb_before + SPARE_MB
        done = self.files > 0 and self.answers > 0 and self.approved > 0
        return done and not wrong and not more and self.connections <= self.most_connections


@dataclass
class Volunteer:
    """A volunteer who answers about every face, sends approved files, and records what the database has confirmed."""

    shop: Workshop
    project_id: int
    user_id: int
    said: dict[int, tuple[int, str]] = field(default_factory=dict)  # page -> face, answer
    searched_at: dict[int, datetime] = field(default_factory=dict)  # page -> when it was first seen searched
    stop: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """Answer and send until `stop` is set; retry while the database is unavailable."""
        while not self.stop.wait(0.3):
            try:
                self.shorten_waits()
                self.record_searched()
                for page_id, face_id in self.open()[:25]:
                    self.answer(page_id, face_id)
                self.shop.database.retry(lambda db: plans.send(db, self.project_id, self.user_id))
            except DatabaseError:
                continue

    def record_searched(self) -> None:
        """Record when each file was first seen to be searched."""
        rows = self.shop.database.retry(
            lambda db: db.rows("SELECT page_id, searched_at FROM files WHERE state = 'searched'")
        )
        for row in rows:
            self.searched_at.setdefault(row["page_id"], row["searched_at"])

    def open(self) -> list[tuple[int, int]]:
        """Return (page id, face id) of the faces without an answer."""
        rows = self.shop.database.retry(lambda db: db.rows("SELECT id, page_id FROM faces WHERE state = 'encoded'"))
        return [(row["page_id"], row["id"]) for row in rows if row["page_id"] not in self.said]

    def answer(self, page_id: int, face_id: int) -> None:
        """Answer about a face, that it is the person in every third page; retry until the database confirms it."""
        word = "target" if page_id % 3 == 0 else "other"
        given = NewAnswer(f"c{face_id}", f"s{face_id}", page_id, face_id, word)  # type: ignore[arg-type]
        self.shop.database.retry(lambda db: answers.record(db, self.project_id, self.user_id, [given]))
        self.said[page_id] = (face_id, word)

    def shorten_waits(self) -> None:
        """Make postponed tasks, edits and searches due in 3 s; leases and heartbeats keep their real times."""

        def work(db: Connection) -> None:
            soon = "NOW() + INTERVAL 3 SECOND"
            db.execute(f"UPDATE tasks SET due_at = {soon} WHERE due_at > {soon} AND lease_token IS NULL")
            db.execute(f"UPDATE edits SET due_at = {soon} WHERE due_at > {soon} AND state = 'queued'")
            late = db.column(
                f"SELECT page_id FROM files WHERE state = 'waiting' AND search_due_at > {soon} AND lease_token IS NULL"
            )
            files.search_again(db, late)

        self.shop.database.retry(work)

    def retry_failed(self) -> None:
        """Retry failed searches and edits and resume paused batches, as a user would after the failures."""

        def work(db: Connection) -> None:
            files.search_again(db, db.column("SELECT page_id FROM files WHERE state = 'error'"))
            for batch_id in db.column("SELECT id FROM batches WHERE project_id = %s", (self.project_id,)):
                edits.retry_failed(db, batch_id)
                if db.value("SELECT state FROM batches WHERE id = %s", (batch_id,)) == "paused":
                    batches.resume(db, batch_id)

        self.shop.database.retry(work)


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    began = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="wikivisage-bench-") as folder,
        workshop(Path(folder), options.files) as shop,
    ):
        judged, struck = play(shop, Path(folder), 60 * options.minutes, options.files, random.Random(options.seed))
    found = {**asdict(judged), "struck": struck, "load": round(began, 1), "good": judged.good}
    for name, value in found.items():
        print(f"{name:20} {value}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0 if judged.good else 1


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.chaos", description="Random failures, then a check for losses.")
    parser.add_argument("--minutes", type=float, default=10.0, help="duration of the faults")
    parser.add_argument("--files", type=int, default=400, help="files of the project")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random faults")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args(given)


def play(
    shop: Workshop, folder: Path, seconds: float, wanted: int, rng: random.Random
) -> tuple[Judged, dict[str, int]]:
    """Inject faults for `seconds`, wait until all work is done, and check; also return the number of faults by kind."""
    # The time per picture is such that the files last until the end of the faults.
    crew, volunteer = begin(shop, folder, wanted, max(0.1, seconds * len(Crew.names) / wanted), Crew.names)
    _until(lambda: len(volunteer.open()) > 5, 120)
    before = resident_mb(crew.running["steady"].pid)
    answering = threading.Thread(target=volunteer.work, daemon=True)
    answering.start()
    chaos = Chaos(shop, crew, folder, rng)
    chaos.start()
    time.sleep(seconds)
    chaos.stop()
    crew.kill(crew.names[-1])
    calm = time.monotonic()
    come_to_rest(volunteer, answering, crew)
    judged = judge(volunteer, crew, before, time.monotonic() - calm)
    for error in chaos.errors:
        print("error while injecting a fault:", error, file=sys.stderr)
    return judged, dict(chaos.struck)


def begin(shop: Workshop, folder: Path, wanted: int, sleep: float, names: Sequence[str]) -> tuple[Crew, Volunteer]:
    """Reset database and wiki, start a worker for each name, and create a project with a volunteer.

    `wanted`: number of files. `sleep`: seconds that a detector child takes for each picture.
    """
    empty(shop.database)
    shop.wiki.post("reset", {"keep_tokens": True})
    shop.wiki.post("settings", {"edit_limit": 1_000_000, "edit_window": 60.0})
    user_id = shop.wiki.sign_in(shop.settings, shop.database)
    settings = replace(
        shop.settings, detector="hog", detector_children=1, batch_size=8, max_files=wanted, contact="bench@localhost"
    )
    crew = Crew(settings, folder, sleep)
    for name in names:
        crew.start(name)
    new = NewProject(ITEM, "Barack Obama", "Photographs with Barack Obama")
    return crew, Volunteer(shop, shop.database.retry(lambda db: projects.create(db, user_id, new)), user_id)


def come_to_rest(volunteer: Volunteer, answering: threading.Thread, crew: Crew) -> None:
    """Wait until everything is searched, answered and sent, and no lease or orphaned child process is left."""
    _until(lambda: _finished(volunteer), CALM_S)
    volunteer.stop.set()
    answering.join(30)
    _until(lambda: not leases(volunteer) and not crew.orphans(), 90)


def _until(look: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if look():
            return True
        time.sleep(0.5)
    return False


def _finished(volunteer: Volunteer) -> bool:
    """Return whether everything is searched, answered and sent; retry what has failed."""
    volunteer.retry_failed()
    left = _number(
        volunteer,
        """SELECT (SELECT COUNT(*) FROM files WHERE state IN ('waiting', 'error'))
             + (SELECT COUNT(*) FROM projects WHERE crawled_at IS NULL)
             + (SELECT COUNT(*) FROM edits WHERE state IN ('queued', 'sending', 'failed'))""",
    )
    approved = sum(word == "target" for _, word in volunteer.said.values())
    sent = _number(volunteer, "SELECT COUNT(DISTINCT page_id) FROM edits WHERE state IN ('done', 'already')")
    stated = _number(volunteer, "SELECT COUNT(*) FROM project_files WHERE stated")
    return not left and not volunteer.open() and sent + stated >= approved


def leases(volunteer: Volunteer) -> int:
    """Return the number of leases and file locks that are held."""
    return _number(
        volunteer,
        """SELECT (SELECT COUNT(*) FROM files WHERE lease_token IS NOT NULL)
             + (SELECT COUNT(*) FROM faces WHERE lease_token IS NOT NULL)
             + (SELECT COUNT(*) FROM tasks WHERE lease_token IS NOT NULL) + (SELECT COUNT(*) FROM file_locks)""",
    )


def judge(volunteer: Volunteer, crew: Crew, before: float, seconds: float) -> Judged:
    """Compare database and wiki with the volunteer's records; `before`: MB of the steady worker before the faults."""
    shop, project_id = volunteer.shop, volunteer.project_id
    rows = _rows(volunteer, "SELECT page_id, state, searched_at, face_count FROM files")
    faces = {
        row["page_id"]: row["n"] for row in _rows(volunteer, "SELECT page_id, COUNT(*) AS n FROM faces GROUP BY 1")
    }
    again = [
        row
        for row in rows
        if volunteer.searched_at.get(row["page_id"], row["searched_at"]) != row["searched_at"]
        or (row["state"] == "searched" and faces.get(row["page_id"], 0) != 1)
    ]
    labels = {
        row["page_id"]: (row["face_id"], row["label"])
        for row in _rows(volunteer, "SELECT page_id, face_id, label FROM labels WHERE project_id = %s", project_id)
    }
    approved = [page_id for page_id, (_, word) in volunteer.said.items() if word == "target"]
    stated = statements(shop.wiki.state(), approved)
    for page_id in (page_id for page_id, count in stated.items() if count != 1):
        edits = "SELECT id, batch_id, state, error, error_detail, attempts, revision_id FROM edits WHERE page_id = %s"
        print(f"stated {stated[page_id]} times:", page_id, _rows(volunteer, edits, page_id), file=sys.stderr)
    connections = _number(
        volunteer, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = %s", shop.settings.db_user
    )
    # The living workers keep polling, so a lease can be held for a moment without being left over.
    left = 0 if _until(lambda: not leases(volunteer), 30) else leases(volunteer)
    orphans, alive = len(crew.orphans()), len(crew.running)
    memory = resident_mb(crew.running["steady"].pid)
    exits = crew.stop()
    return Judged(
        files=len(rows),
        answers=len(volunteer.said),
        approved=len(approved),
        not_searched=sum(row["state"] not in ("searched", "gone") for row in rows),
        searched_twice=len(again),
        lost_labels=sum(labels.get(page_id) != said for page_id, said in volunteer.said.items()),
        statements_twice=sum(count > 1 for count in stated.values()),
        statements_missing=sum(count == 0 for count in stated.values()),
        leases_left=left,
        orphans=orphans,
        connections=connections,
        most_connections=alive * crew.settings.pool_size + BENCH_CONNECTIONS,
        memory_mb=round(memory, 1),
        memory_mb_before=round(before, 1),
        bad_exits=sum(code != 0 for code in exits),
        seconds_to_calm=round(seconds, 1),
    )


def _rows(volunteer: Volunteer, sql: str, *args: Any) -> list[dict[str, Any]]:
    return volunteer.shop.database.retry(lambda db: db.rows(sql, args))


def _number(volunteer: Volunteer, sql: str, *args: Any) -> int:
    return int(volunteer.shop.database.retry(lambda db: db.value(sql, args)) or 0)


if __name__ == "__main__":
    sys.exit(main())
