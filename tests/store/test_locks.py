"""Stress test: users answer about files while workers store faces of the same files, without deadlocks."""

import random
import threading
from collections.abc import Callable
from uuid import uuid4

from boxes import Box
from database import Connection, Database, DatabaseError
from store import worker_claims
from store.detection import faces, files, searches
from store.errors import LeaseLost
from store.labelling import answers, labels
from testing.waiting import joined
from tests.store import support

PAGES = range(1, 7)
ROUNDS = 60


def search(db: Connection, lease: searches.SearchLease, page: int) -> None:
    """Store a file as a worker does."""
    searches.describe(db, lease, files.FileMetadata(page, f"{page}.jpg", sha1=support.SHA1))
    faces.replace_found(db, page, support.SHA1, [support.found()])
    searches.searched(db, lease, page, width=960, height=640, detector="d", faces=1)
    labels.rebuild_everywhere(db, [page])


class Hammer:
    """Run transactions without retry, and record those that were aborted."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.broken: list[str] = []
        self.done = 0

    def many(self, work: Callable[[Connection, random.Random], None], seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(ROUNDS):
            self.once(work.__name__, lambda db: work(db, rng))

    def search_all(self, _seed: int) -> None:
        """Claim files, and store them one by one."""
        for _ in range(ROUNDS):
            leases: list[searches.SearchLease | None] = []
            self.once("claim", lambda db, leases=leases: leases.append(searches.claim(db, "one", 3)))  # type: ignore[misc]
            for lease in filter(None, leases):
                for page in lease.page_ids:
                    self.once("search", lambda db, lease=lease, page=page: search(db, lease, page))  # type: ignore[misc]

    def once(self, name: str, work: Callable[[Connection], None]) -> None:
        try:
            with self._database.transaction() as db:
                work(db)
            self.done += 1
        except LeaseLost:
            return
        except DatabaseError as error:
            self.broken.append(f"{name}: {error}")


def test_answers_and_searches_of_the_same_files_do_not_deadlock(database: Database):
    with database.transaction() as db:
        project = support.project(db, pages=PAGES)
        second = support.project(db, "Bob", pages=PAGES)
        user = support.user(db, "Ada")
        found = {page: support.search(db, page, support.LEFT)[0] for page in PAGES}

    def record_answer(db: Connection, rng: random.Random) -> None:
        step = str(uuid4())
        pages = rng.sample(list(PAGES), 2)
        given = [support.answer(page, found[page], rng.choice(["target", "other"]), step=step) for page in pages]
        answers.record(db, project, user, given)

    def take_back(db: Connection, rng: random.Random) -> None:
        answers.undo(db, project, user)

    def draw(db: Connection, rng: random.Random) -> None:
        page = rng.choice(PAGES)
        box = Box(0.5, 0.5, 0.2, 0.2)
        face = faces.draw(db, project, page, user, box, replaces=None, sha1=support.SHA1)
        answers.record(db, project, user, [support.answer(page, face, "target")])

    def again(db: Connection, rng: random.Random) -> None:
        files.search_again(db, rng.sample(list(PAGES), 3))

    def restart(db: Connection, rng: random.Random) -> None:
        worker_claims.register(db, "one", "here", 1)

    def crawl(db: Connection, rng: random.Random) -> None:
        files.lock(db, list(PAGES))
        files.mark_stated(db, second, [(page, None) for page in PAGES])
        labels.rebuild(db, second, list(PAGES))
        files.vanished(db, rng.choice(PAGES), "missing")

    hammer = Hammer(database)
    threads = [threading.Thread(target=hammer.search_all, args=(0,)) for _ in range(2)]
    for seed, kind in enumerate((record_answer, record_answer, take_back, draw, again, restart, crawl)):
        threads.append(threading.Thread(target=hammer.many, args=(kind, seed)))
    for thread in threads:
        thread.start()
    joined(threads)
    assert hammer.broken == []
    assert hammer.done > 5 * ROUNDS
