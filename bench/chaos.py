"""Everything fails at random for minutes while workers work and a volunteer answers; then calm: what stands?

    python -m bench.chaos [--minutes 10] [--files 400] [--seed N] [--json FILE]

Worker processes and their detector children are killed (-9), MariaDB is killed or restarted on its data and port, the wiki
(the sandbox) fails requests, all the time and at once. A volunteer answers questions and sends what is approved; what the
database said it took, they take for granted. In the end one worker is killed for good, and the rest is calm. Detector
children sleep (testing/sleeping_worker.py); everything else is real. Only due times pass faster: what was put off for minutes
or hours is due within seconds.

Exits with 1 unless every file was searched exactly once in effect, every answer that was taken is a label, every approved
file carries its statement exactly once on the wiki, no claim, child or connection is left over, and memory is as before.
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
MORE_MEMORY = 1.3  # times what it was, and
SPARE_MB = 40.0  # what caches may take
BENCH_CONNECTIONS = 6


@dataclass(frozen=True)
class Judged:
    """What stands when all is calm."""

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
        """Whether nothing was lost, repeated or left over, and there was something to lose."""
        wrong = self.not_searched + self.searched_twice + self.lost_labels + self.statements_twice
        wrong += self.statements_missing + self.leases_left + self.orphans + self.bad_exits
        more = self.memory_mb > MORE_MEMORY * self.memory_mb_before + SPARE_MB
        done = self.files > 0 and self.answers > 0 and self.approved > 0
        return done and not wrong and not more and self.connections <= self.most_connections


@dataclass
class Volunteer:
    """Answers about every face that is found, sends what is approved, and remembers what was taken."""

    shop: Workshop
    project_id: int
    user_id: int
    said: dict[int, tuple[int, str]] = field(default_factory=dict)  # page -> face, answer
    searched_at: dict[int, datetime] = field(default_factory=dict)  # page -> when it was first seen searched
    stop: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """Until told to stop; a database that is away is waited for."""
        while not self.stop.wait(0.3):
            try:
                self.hurry()
                self.look()
                for page_id, face_id in self.open()[:25]:
                    self.answer(page_id, face_id)
                self.shop.database.retry(lambda db: plans.send(db, self.project_id, self.user_id))
            except DatabaseError:
                continue

    def look(self) -> None:
        rows = self.shop.database.retry(
            lambda db: db.rows("SELECT page_id, searched_at FROM files WHERE state = 'searched'")
        )
        for row in rows:
            self.searched_at.setdefault(row["page_id"], row["searched_at"])

    def open(self) -> list[tuple[int, int]]:
        """Faces about which nothing was said, with their pages."""
        rows = self.shop.database.retry(lambda db: db.rows("SELECT id, page_id FROM faces WHERE state = 'encoded'"))
        return [(row["page_id"], row["id"]) for row in rows if row["page_id"] not in self.said]

    def answer(self, page_id: int, face_id: int) -> None:
        """Every third is the person. The same answer is sent again until the database has taken it."""
        word = "target" if page_id % 3 == 0 else "other"
        given = NewAnswer(f"c{face_id}", f"s{face_id}", page_id, face_id, word)  # type: ignore[arg-type]
        self.shop.database.retry(lambda db: answers.record(db, self.project_id, self.user_id, [given]))
        self.said[page_id] = (face_id, word)

    def hurry(self) -> None:
        """Minutes pass in seconds for what was put off; leases and heartbeats keep their time."""

        def work(db: Connection) -> None:
            soon = "NOW() + INTERVAL 3 SECOND"
            db.execute(f"UPDATE tasks SET due_at = {soon} WHERE due_at > {soon} AND lease_token IS NULL")
            db.execute(f"UPDATE edits SET due_at = {soon} WHERE due_at > {soon} AND state = 'queued'")
            late = db.column(
                f"SELECT page_id FROM files WHERE state = 'waiting' AND search_due_at > {soon} AND lease_token IS NULL"
            )
            files.search_again(db, late)

        self.shop.database.retry(work)

    def mend(self) -> None:
        """What a person does when calm is back: try again what was given up."""

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
    parser = argparse.ArgumentParser(prog="bench.chaos", description="Everything fails at random; then calm.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long it lasts")
    parser.add_argument("--files", type=int, default=400, help="files of the project")
    parser.add_argument("--seed", type=int, default=1, help="of what happens when")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args(given)


def play(
    shop: Workshop, folder: Path, seconds: float, wanted: int, rng: random.Random
) -> tuple[Judged, dict[str, int]]:
    """Trouble for so many seconds, then calm."""
    # So long that there is work to lose to the end.
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
        print("while making trouble:", error, file=sys.stderr)
    return judged, dict(chaos.struck)


def begin(shop: Workshop, folder: Path, wanted: int, sleep: float, names: Sequence[str]) -> tuple[Crew, Volunteer]:
    """An empty database, a wiki as it was, workers of these names whose children sleep so many seconds, and a project."""
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
    """Wait until everything is searched, answered and sent, no claim is left and no child without its worker."""
    _until(lambda: _calm(volunteer), CALM_S)
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


def _calm(volunteer: Volunteer) -> bool:
    """Whether all is searched, answered and sent; what was given up is tried again."""
    volunteer.mend()
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
    """Claims that nobody gave back."""
    return _number(
        volunteer,
        """SELECT (SELECT COUNT(*) FROM files WHERE lease_token IS NOT NULL)
             + (SELECT COUNT(*) FROM faces WHERE lease_token IS NOT NULL)
             + (SELECT COUNT(*) FROM tasks WHERE lease_token IS NOT NULL) + (SELECT COUNT(*) FROM file_locks)""",
    )


def judge(volunteer: Volunteer, crew: Crew, before: float, seconds: float) -> Judged:
    """Compare what stands in the database and on the wiki with what was said."""
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
    # Workers that live go on looking around: a claim of a moment is none that is left.
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
