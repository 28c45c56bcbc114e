"""The lengths of the queues are those of what workers can claim."""

import pytest

from boxes import Box
from database import Connection
from store.detection import faces, files, searches
from store.jobs import queues, tasks
from store.labelling import approvals
from store.projects import projects
from store.publishing import batches, plans
from tests.store import support

BOX = Box(0.6, 0.6, 0.2, 0.2)


@pytest.fixture
def project(db: Connection) -> int:
    """Return a project that waits in every queue: two files, a drawn face, two edits, and tasks."""
    found = support.project(db, pages=[1, 2, 3, 4])
    user = support.user(db)
    known = [support.search(db, page, support.LEFT)[0] for page in (3, 4)]
    approvals.approve_bulk(db, found, user, known)
    assert plans.send(db, found, user) is not None
    faces.draw(db, found, 1, user, BOX, replaces=None, sha1=None)
    for kind in ("crawl", "bootstrap", "model"):
        tasks.want(db, kind, found)
    return found


def waiting(db: Connection) -> dict[str, int]:
    """Return the queues in which something waits."""
    return {name: length for name, length in queues.lengths(db).items() if length}


ALL = {"files": 2, "drawn_faces": 1, "edits": 2, "crawl": 1, "bootstrap": 1, "model": 1, "publish": 1}


def test_queues_count_what_waits(db: Connection, project: int):
    assert waiting(db) == ALL


def test_what_is_claimed_is_not_counted_until_the_claim_expires(db: Connection, project: int):
    assert len(support.claim(db).page_ids) == ALL["files"]
    assert len(faces.claim_drawn(db, "one", 10)) == ALL["drawn_faces"]
    for kind in tasks.KINDS:
        assert (tasks.claim(db, kind, "one") is not None) == (kind in ALL)
    assert waiting(db) == {"edits": 2}
    db.execute("UPDATE tasks SET leased_at = NOW() - INTERVAL 1 HOUR")
    db.execute("UPDATE faces SET leased_at = NOW() - INTERVAL 1 HOUR WHERE leased_at IS NOT NULL")
    db.execute("UPDATE files SET leased_at = NOW() - INTERVAL 1 HOUR WHERE leased_at IS NOT NULL")
    files.copy_to_projects(db, [1, 2])
    assert waiting(db) == ALL


def test_work_of_a_paused_project_is_not_counted(db: Connection, project: int):
    projects.set_status(db, project, "paused")
    assert waiting(db) == {"drawn_faces": 1, "edits": 2, "publish": 1}
    assert searches.claim(db, "one", 50) is None
    assert not [kind for kind in ("crawl", "bootstrap", "model") if tasks.claim(db, kind, "one")]


def test_work_of_a_deleted_project_is_not_counted_but_its_purge_is(db: Connection, project: int):
    projects.delete(db, project)
    assert waiting(db) == {"purge": 1, "publish": 1}
    assert faces.claim_drawn(db, "one", 10) == []


def test_what_is_due_later_is_not_counted(db: Connection, project: int):
    lease = support.claim(db)
    for page in lease.page_ids:
        searches.failed(db, lease, page, error="unreachable", detail="", again_in=3600)
    (drawn,) = faces.claim_drawn(db, "one", 10)
    faces.encode_later(db, drawn, 300)
    db.execute("UPDATE edits SET due_at = NOW() + INTERVAL 1 HOUR")
    db.execute("UPDATE tasks SET due_at = NOW(3) + INTERVAL 1 HOUR")
    assert waiting(db) == {}


def test_edits_of_a_paused_batch_are_counted_by_themselves(db: Connection, project: int):
    batches.pause(db, db.value("SELECT id FROM batches"), "human")
    assert {name: length for name, length in waiting(db).items() if "edits" in name} == {"edits_paused": 2}


def test_file_of_two_projects_is_counted_once(db: Connection, project: int):
    support.project(db, "Bob", "Others", pages=[1, 2])
    assert waiting(db)["files"] == 2
