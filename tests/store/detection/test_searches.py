"""Detection leases: each file is leased to one worker at a time, projects take turns, with and without SKIP LOCKED."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from config import Settings
from database import Connection, Database
from store import worker_claims
from store.detection import faces, files, searches
from store.errors import LeaseLost
from store.labelling import progress
from store.projects import projects
from testing.file_copies import wrong_copies
from testing.waiting import joined
from tests.store import support


@pytest.fixture(params=["auto", "0"])
def either(settings: Settings, database: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A pool with SKIP LOCKED, and one without it."""
    pool = Database(replace(settings, db_skip_locked=request.param), size=8)
    yield pool
    pool.close()


def test_claim_leases_only_waiting_files(db: Connection):
    project = support.project(db, pages=range(1, 8))
    support.search(db, 7)
    lease = support.claim(db, limit=3)
    assert (lease.project_id, lease.page_ids) == (project, (1, 2, 3))
    assert support.claim(db, "two").page_ids == (4, 5, 6)
    assert searches.claim(db, "three", 50) is None


def test_concurrent_claims_never_lease_the_same_file(either: Database):
    with either.transaction() as db:
        support.project(db, pages=range(1, 201))
    taken: list[int] = []
    lock = threading.Lock()

    def work(worker: str) -> None:
        while True:
            lease = either.retry(lambda db: searches.claim(db, worker, 7))
            if lease is None:
                if not either.retry(searches.any_due):
                    return
                continue
            with lock:
                taken.extend(lease.page_ids)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    joined(threads)
    assert sorted(taken) == list(range(1, 201))


def test_claim_does_not_lease_files_of_an_uncommitted_claim(either: Database):
    """While one claim is not committed, another one gets other files or waits for it."""
    with either.transaction() as db:
        support.project(db, pages=range(1, 5))
    second: list[tuple[int, ...]] = []

    def other() -> None:
        lease = either.retry(lambda db: searches.claim(db, "two", 2))
        second.append(lease.page_ids if lease else ())

    with either.transaction() as db:
        first = support.claim(db, "one", 2)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.5)
    joined([thread])
    assert not set(first.page_ids) & set(second[0])


def later(db: Connection) -> None:
    """Let a second pass."""
    db.execute("UPDATE search_turns SET served_at = served_at - INTERVAL 1 SECOND")


def test_projects_alternate_so_that_a_small_one_does_not_wait_for_a_large_one(db: Connection):
    large = support.project(db, "Ada", pages=range(1, 301))
    small = support.project(db, "Bob", pages=range(301, 311))
    turns = []
    for _ in range(3):
        turns.append(support.claim(db, limit=10).project_id)
        later(db)
    assert set(turns[:2]) == {large, small}


def test_owner_with_many_projects_gets_one_turn_per_round(db: Connection):
    for number in range(3):
        support.project(db, "Ada", f"source {number}", range(100 * number + 1, 100 * number + 50))
    bobs = support.project(db, "Bob", pages=range(901, 950))
    turns = []
    for _ in range(4):
        turns.append(support.claim(db, limit=5).project_id)
        later(db)
    assert turns.count(bobs) == 2


@pytest.mark.parametrize("status", ["paused", "completed", "deleted"])
def test_only_files_of_active_projects_are_leased(db: Connection, status: str):
    project = support.project(db, pages=range(1, 4))
    db.execute("UPDATE projects SET status = %s WHERE id = %s", (status, project))
    assert searches.claim(db, "one", 50) is None
    assert not searches.any_due(db)


def test_few_waiting_files_are_divided_among_all_workers(db: Connection):
    support.project(db, pages=range(1, 41))
    worker_claims.register(db, "one", "here", 1)
    assert len(support.claim(db, "one").page_ids) == 40
    worker_claims.register(db, "one", "here", 1)
    worker_claims.register(db, "two", "here", 2)
    assert len(support.claim(db, "one").page_ids) == 10


def test_eight_workers_lease_equal_shares(db: Connection):
    support.project(db, pages=range(1, 401))
    for number in range(8):
        worker_claims.register(db, f"worker {number}", "here", number)
    assert len(support.claim(db).page_ids) == 25


@pytest.mark.parametrize("how", ["stop", "start", "bury", "expire", "give_back"])
def test_files_are_released_whenever_a_worker_ends(db: Connection, how: str):
    support.project(db, pages=range(1, 4))
    worker_claims.register(db, "one", "here", 1)
    lease = support.claim(db, "one")
    if how == "stop":
        worker_claims.unregister(db, "one")
    elif how == "start":
        worker_claims.register(db, "one", "here", 2)
    elif how == "bury":
        db.execute("UPDATE workers SET heartbeat_at = NOW() - INTERVAL 61 SECOND")
        assert worker_claims.release_dead_workers(db) == ["one"]
    elif how == "expire":
        db.execute("UPDATE files SET leased_at = NOW() - INTERVAL 16 MINUTE")
        db.execute("UPDATE project_files SET search_due_at = NOW()")
        db.execute("UPDATE search_turns SET due_at = NOW()")
    else:
        searches.give_back(db, lease)
    assert support.claim(db, "two").page_ids == lease.page_ids
    with pytest.raises(LeaseLost):
        searches.searched(db, lease, 1, width=1, height=1, detector="d", faces=0)
    assert searches.renew(db, lease) == 0


def test_running_worker_keeps_the_leases_that_it_renews(db: Connection):
    support.project(db, pages=range(1, 4))
    worker_claims.register(db, "one", "here", 1)
    lease = support.claim(db, "one")
    db.execute("UPDATE files SET leased_at = NOW() - INTERVAL 14 MINUTE")
    assert searches.renew(db, lease) == 3
    assert worker_claims.release_dead_workers(db) == []
    assert searches.claim(db, "two", 50) is None


def test_a_file_is_searched_once_for_all_projects(db: Connection):
    first = support.project(db, "Ada", pages=range(1, 4))
    second = support.project(db, "Bob", pages=range(1, 4))
    lease = support.claim(db)
    assert searches.claim(db, "two", 50) is None
    searches.searched(db, lease, 1, width=1, height=1, detector="d", faces=0)
    searches.failed(db, lease, 2, error="image", detail="", again_in=None)
    searches.failed(db, lease, 3, error="server", detail="", again_in=120)
    assert not searches.over(db, first)
    assert not searches.over(db, second)
    due = db.rows("SELECT page_id, search_due_at IS NULL AS never FROM project_files")
    assert {row["page_id"] for row in due if not row["never"]} == {3}
    support.project(db, "Cid", pages=range(1, 3))
    assert searches.claim(db, "two", 50) is None


def test_wrong_due_time_does_not_delay_a_project(db: Connection):
    project = support.project(db, pages=range(1, 4))
    for page in range(1, 4):
        support.search(db, page)
    db.execute("UPDATE project_files SET search_due_at = NOW() - INTERVAL 1 DAY")
    assert searches.claim(db, "one", 50) is None
    assert searches.over(db, project)


def test_project_files_copies_the_states_of_files(db: Connection):
    project = support.project(db, "Ada", pages=range(1, 5))
    lease = support.claim(db)
    searches.searched(db, lease, 1, width=1, height=1, detector="d", faces=3)
    searches.failed(db, lease, 2, error="image", detail="", again_in=None)
    searches.failed(db, lease, 3, error="server", detail="", again_in=120)
    searches.failed(db, lease, 4, error="deleted", detail="", again_in=None, gone=True)
    assert wrong_copies(db) == []
    support.project(db, "Bob", pages=range(1, 5))
    rows = db.rows("SELECT state, error, face_count FROM project_files ORDER BY page_id, project_id")
    stands = [("searched", None, 3), ("error", "image", None), ("waiting", "server", None), ("gone", "deleted", None)]
    assert [tuple(row.values()) for row in rows] == [one for one in stands for _ in range(2)]
    assert wrong_copies(db) == []
    files.search_again(db, [1, 2])
    files.vanished(db, 3, "redirect")
    assert wrong_copies(db) == []
    found = progress.search(db, project)
    assert (found.files, found.waiting, found.searched, found.faces) == (4, 2, 0, 0)
    assert {(trouble.error, trouble.passing) for trouble in found.troubles} == {
        ("image", True),
        ("redirect", False),
        ("deleted", False),
    }


def turn(db: Connection, project: int) -> float | None:
    """Return the seconds until the project's next turn; None if it does not wait for detection."""
    due: float | None = db.value(
        "SELECT TIMESTAMPDIFF(MICROSECOND, NOW(3), due_at) / 1e6 FROM search_turns WHERE project_id = %s", (project,)
    )
    return due


def test_project_without_waiting_files_has_no_turn(db: Connection):
    project = support.project(db, pages=range(1, 4))
    lease = support.claim(db)
    assert searches.claim(db, "two", 50) is None
    due = turn(db, project)
    assert due is not None
    assert 890 < due < 910  # It is the time when the lease expires.
    searches.failed(db, lease, 1, error="server", detail="", again_in=120)
    due = turn(db, project)
    assert due is not None
    assert 110 < due < 130
    searches.give_back(db, lease)
    assert set(support.claim(db, "two").page_ids) == {2, 3}
    for page in range(1, 4):
        support.search(db, page)
    assert searches.claim(db, "two", 50) is None
    assert turn(db, project) is None
    assert not searches.any_due(db)
    files.search_again(db, [1])
    assert support.claim(db).page_ids == (1,)


def test_file_that_waits_during_an_empty_claim_gets_its_turn(either: Database):
    """A claim finds nothing while another transaction makes a file wait: in either order the file gets its turn."""
    with either.transaction() as db:
        project = support.project(db, pages=[1])
        support.search(db, 1)
    ended = threading.Event()

    def wish() -> None:
        either.retry(lambda db: files.search_again(db, [1]))
        ended.set()

    with either.transaction() as db:
        assert searches.claim(db, "one", 50) is None
        thread = threading.Thread(target=wish)
        thread.start()
        assert not ended.wait(0.5)  # It waits for the row of the turn.
    joined([thread])
    with either.transaction() as db:
        due = turn(db, project)
        assert due is not None
        assert due <= 0
        assert support.claim(db).page_ids == (1,)


def test_files_beyond_the_limit_are_not_added(db: Connection):
    project = support.project(db)
    found = [(page, f"{page}.jpg") for page in range(1, 8)]
    assert files.add_to_project(db, project, found, "source", 5) == 2
    assert files.add_to_project(db, project, found[:5], "source", 5) == 0
    assert files.count(db, project) == 5


def test_deleted_encodings_are_due_again_with_a_new_project(db: Connection):
    support.project(db, "Ada", pages=[1])
    support.search(db, 1, support.LEFT)
    db.execute("UPDATE faces SET state = 'dropped', encoding = NULL")
    support.project(db, "Bob", pages=[1])
    assert support.claim(db).page_ids == (1,)


def test_drawn_face_whose_encoding_was_deleted_waits_again(db: Connection):
    project = support.project(db, pages=[1])
    db.execute(
        """INSERT INTO faces (page_id, project_id, box_left, box_top, box_width, box_height, state)
           VALUES (1, %s, 0, 0, 0.5, 0.5, 'dropped')""",
        (project,),
    )
    files.want_dropped(db, [1])
    assert db.value("SELECT state FROM faces") == "waiting"


def test_known_file_becomes_the_portrait(db: Connection):
    project = support.project(db, pages=[1, 2])
    files.add_to_project(db, project, [(1, "1.jpg")], "portrait", 10)
    files.add_to_project(db, project, [(1, "1.jpg"), (2, "2.jpg")], "source", 10)
    origins = {row["page_id"]: row["origin"] for row in db.rows("SELECT page_id, origin FROM project_files")}
    assert origins == {1: "portrait", 2: "source"}


def test_files_searched_with_an_older_detector_are_outdated(db: Connection):
    support.project(db, pages=range(1, 5))
    for page in range(1, 4):
        support.search(db, page, support.LEFT)
        db.execute("UPDATE files SET detector = %s WHERE page_id = %s", ("old" if page == 1 else "new", page))
    db.execute("UPDATE faces SET encoder = 'older' WHERE page_id = 2")
    assert files.outdated(db, [1, 2, 3, 4], "new", "e") == [1, 2]


def test_file_whose_drawn_face_has_an_older_encoding_and_a_chip_is_outdated(db: Connection):
    project = support.project(db, pages=[1])
    support.search(db, 1, support.LEFT)
    drawn = faces.draw(db, project, 1, 1, support.RIGHT, replaces=None, sha1=support.SHA1)
    db.execute("UPDATE files SET detector = 'new'")
    db.execute("UPDATE faces SET state = 'encoded', encoding = 'x', encoder = 'older' WHERE id = %s", (drawn,))
    assert files.outdated(db, [1], "new", "e") == []
    db.execute("INSERT INTO face_chips (face_id, jpeg) VALUES (%s, 'x')", (drawn,))
    assert files.outdated(db, [1], "new", "e") == [1]


def test_deleted_project_is_not_among_the_projects_of_a_file(db: Connection):
    project = support.project(db, pages=range(1, 4))
    projects.delete(db, project)
    assert files.projects_of(db, [1]) == []
