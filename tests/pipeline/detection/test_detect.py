"""Detection of single files: stored results, errors that count against a file, and lost leases."""

from dataclasses import replace

import pytest

from boxes import Box
from database import Database
from pipeline.detection import detect, drawn_faces
from pipeline.detection.detect import Job, Unfit
from pipeline.jobs.outcome import AGAIN, DAY, HOUR, MINUTE
from pipeline.jobs.tools import Tools
from sandbox.server import Sandbox
from store.detection import faces, files, searches
from store.detection.searches import SearchLease
from store.errors import LeaseLost
from tests.pipeline.support import downloads, new_project, other, person, pictures_in, rows, value
from vision.detection.errors import ImageError, SearchCrashed, SearchTimedOut
from wiki.client import Client
from wiki.commons import FileInfo, MissingFile, Why
from wiki.errors import GiveUp, Reason, Wait


def lease_of(database: Database, sandbox: Sandbox, titles: list[str], new_item: int = 0) -> tuple[int, SearchLease]:
    """Create a project with these files and lease all of them."""
    project = new_project(database, replace(person(sandbox), source=f"list {titles} {new_item}"))
    found = [(sandbox.world.titles[f"File:{title}"], title) for title in titles]
    with database.transaction() as db:
        files.add_to_project(db, project, found, "source", 100)
        lease = searches.claim(db, "test", 50)
    assert lease is not None
    return project, lease


def one(database: Database, sandbox: Sandbox) -> tuple[int, SearchLease, str]:
    title = pictures_in(sandbox, person(sandbox).label)[0]
    project, lease = lease_of(database, sandbox, [title])
    return project, lease, title


def search(tools: Tools, lease: SearchLease) -> list[Job]:
    jobs = detect.look_up(lease, tools)
    for job in jobs:
        detect.keep(job, tools.pool.search(detect.fetch(job, tools)), tools)
    return jobs


def test_metadata_and_faces_of_a_file_are_stored(sandbox: Sandbox, database: Database, tools: Tools):
    _, lease, title = one(database, sandbox)
    assert search(tools, lease)
    (file,) = rows(database, "SELECT * FROM files")
    assert (file["title"], file["state"], file["lease_token"]) == (title, "searched", None)
    assert file["sha1"] == file["searched_sha1"]
    assert file["detector"] == tools.pool.settings.detector_version
    found = rows(database, "SELECT * FROM faces")
    assert len(found) == file["face_count"]
    for face in found:
        assert len(face["encoding"]) == 512
        assert 0 <= face["box_left"] <= 1
        assert face["sha1"] == file["sha1"]
    assert value(database, "SELECT COUNT(*) FROM face_chips") == len(found)


def test_file_with_unchanged_bytes_is_not_downloaded_again(sandbox: Sandbox, database: Database, tools: Tools):
    _, lease, _ = one(database, sandbox)
    search(tools, lease)
    before = downloads(sandbox)
    with database.transaction() as db:
        files.search_again(db, lease.page_ids)
        again = searches.claim(db, "test", 50)
    assert again is not None
    assert search(tools, again) == []
    assert downloads(sandbox) == before
    assert value(database, "SELECT state FROM files") == "searched"


def test_request_during_a_search_causes_another_search(sandbox: Sandbox, database: Database, tools: Tools):
    """The file was overwritten after it was downloaded."""
    _, lease, _ = one(database, sandbox)
    (job,) = detect.look_up(lease, tools)
    result = tools.pool.search(detect.fetch(job, tools))
    with database.transaction() as db:
        files.search_again(db, lease.page_ids)
    with pytest.raises(LeaseLost):
        detect.keep(job, result, tools)
    with database.transaction() as db:
        searches.give_back(db, lease)
        again = searches.claim(db, "test", 50)
    assert again is not None
    assert again.page_ids == lease.page_ids
    search(tools, again)
    assert value(database, "SELECT state FROM files") == "searched"


def test_deleted_encodings_are_computed_again(sandbox: Sandbox, database: Database, tools: Tools):
    title = next(t for t in pictures_in(sandbox, person(sandbox).label))
    _, lease = lease_of(database, sandbox, [title])
    search(tools, lease)
    ids = {row["id"] for row in rows(database, "SELECT id FROM faces")}
    assert ids
    with database.transaction() as db:
        db.execute("UPDATE faces SET state = 'dropped', encoding = NULL")
        files.search_again(db, lease.page_ids)
        again = searches.claim(db, "test", 50)
    assert again is not None
    assert len(search(tools, again)) == 1
    found = rows(database, "SELECT id, state, encoder FROM faces")
    assert {row["id"] for row in found} == ids
    assert {(row["state"], row["encoder"]) for row in found} == {("encoded", tools.pool.settings.encoder_version)}


def test_result_is_not_stored_after_the_lease_was_lost(sandbox: Sandbox, database: Database, tools: Tools):
    _, lease, _ = one(database, sandbox)
    (job,) = detect.look_up(lease, tools)
    result = tools.pool.search(detect.fetch(job, tools))
    stranger = replace(job, lease=replace(lease, token=b"x" * 16))
    with pytest.raises(LeaseLost):
        detect.keep(stranger, result, tools)
    detect.fail(stranger.lease, job.page_id, ImageError("broken"), tools)
    (file,) = rows(database, "SELECT state, error, sha1 FROM files")
    assert file == {"state": "waiting", "error": None, "sha1": None}
    assert value(database, "SELECT COUNT(*) FROM faces") == 0


def test_file_that_is_no_picture_is_settled_with_a_reason(sandbox: Sandbox, database: Database, tools: Tools):
    new = person(sandbox)
    redirect = sandbox.world.page(f"File:{new.label} old name.jpg")
    assert redirect is not None
    assert redirect.redirect is not None
    own = redirect.redirect.partition(":")[2]  # Otherwise the redirect leads to an existing file.
    titles = [f"{new.label} failed upload.jpg", f"Biography of {new.label}.pdf", f"{new.label} old name.jpg", own]
    project, lease = lease_of(database, sandbox, titles)
    deleted = sandbox.world.titles[f"File:{own}"]
    other(sandbox, "delete", id=deleted)
    assert detect.look_up(lease, tools) == []
    stored = {row["title"]: (row["state"], row["error"]) for row in rows(database, "SELECT * FROM files")}
    assert stored[titles[0]] == ("gone", "no_file")
    assert stored[titles[1]] == ("error", "not_an_image")
    assert stored[titles[2]] == ("gone", "redirect")
    assert stored[own] == ("gone", "deleted")
    assert value(database, "SELECT COUNT(*) FROM project_files WHERE search_due_at IS NOT NULL") == 0
    assert project


def test_redirect_is_resolved_to_its_target(sandbox: Sandbox, database: Database, tools: Tools):
    new = person(sandbox)
    old = f"{new.label} old name.jpg"
    _, lease = lease_of(database, sandbox, [old])
    detect.look_up(lease, tools)
    page = sandbox.world.page(f"File:{old}")
    assert page is not None
    assert page.redirect is not None
    titles = {row["title"] for row in rows(database, "SELECT title FROM files WHERE state = 'waiting'")}
    assert titles == {page.redirect.partition(":")[2]}


@pytest.mark.parametrize(
    ("why", "reason", "lasting"),
    [
        (Wait(Reason.SERVER, "http-503"), "server", False),
        (Wait(Reason.TIMEOUT), "timeout", False),
        (SearchTimedOut("It took too long."), "search_timeout", False),
        (SearchCrashed("It crashed."), "search_crashed", False),
        (ImageError("It is broken."), "image", True),
        (GiveUp(Reason.MISSING, "http-404"), "missing", True),
        (Unfit("no_rendering"), "no_rendering", True),
    ],
)
def test_temporary_errors_are_retried_but_permanent_ones_are_not(
    sandbox: Sandbox, database: Database, tools: Tools, why: Exception, reason: str, lasting: bool
):
    _, lease, _ = one(database, sandbox)
    (page_id,) = lease.page_ids
    waits = []
    for _ in range(1 if lasting else len(AGAIN) + 1):
        detect.fail(lease, page_id, why, tools)
        (file,) = rows(
            database, "SELECT state, error, TIMESTAMPDIFF(SECOND, NOW(), search_due_at) AS due, attempts FROM files"
        )
        waits.append(file["due"])
        assert file["error"] == reason
        with database.transaction() as db:
            db.execute("UPDATE files SET lease_token = %s", (lease.token,))
    assert file["state"] == "error"
    expected = [] if lasting else [2 * MINUTE, HOUR, DAY]
    assert waits[-1] is None
    assert waits[:-1] == pytest.approx(expected, abs=30)


def test_deleted_file_is_reported_as_gone():
    assert detect.meaning(MissingFile(1, Why.DELETED)) == ("deleted", "", False, True)


@pytest.mark.parametrize(
    ("thumb", "mime", "size", "found"),
    [
        ("https://u/commons/thumb/a/ab/X.jpg/960px-X.jpg", "image/jpeg", 10, "thumb"),
        ("https://thumb/commons/thumb/a/ab/X.jpg/lossy-page1-960px-X.jpg.jpg", "image/tiff", 180_000_000, "thumb"),
        ("https://thumb/commons/thumb/a/ab/X.jpg/960px-thumbnail.jpg", "image/x-xcf", 10, "thumb"),
        ("https://u/commons/a/ab/X.jpg", "image/jpeg", 10, "thumb"),
        ("https://c/resources/fileicon-tiff.png", "image/tiff", 10, "file"),
        ("", "image/tiff", 10, "file"),
        ("", "image/tiff", 60_000_000, "too_large"),
        ("", "image/vnd.djvu", 10, "not_an_image"),
        ("", "image/x-xcf", 10, "no_rendering"),
    ],
)
@pytest.mark.parametrize("parameters", ["", "?utm_source=commons.wikimedia.org&utm_campaign=imageinfo&utm_content="])
def test_rendering_or_original_is_chosen_by_size_and_type(
    thumb: str, mime: str, size: int, found: str, parameters: str
):
    url = f"https://u/commons/a/ab/X.jpg{parameters}{'original' if parameters else ''}"
    thumb = f"{thumb}{parameters}{'thumbnail' if parameters else ''}" if thumb else ""
    words = dict.fromkeys(("description", "date", "artist", "credit", "licence", "licence_url"), "")
    info = FileInfo(1, "File:X.jpg", "a" * 40, size, 100, 100, mime, "BITMAP", "", url, thumb, **words)
    assert _picture(info) == {"thumb": thumb, "file": url}.get(found, found)


def _picture(info: FileInfo) -> str:
    """Return the address, or the reason why there is none."""
    try:
        return detect.picture_url(info)
    except Unfit as error:
        return error.reason


def test_drawn_face_is_encoded_and_requests_a_model_run(sandbox: Sandbox, database: Database, tools: Tools):
    project, lease, _ = one(database, sandbox)
    (page_id,) = lease.page_ids
    with database.transaction() as db:
        box = Box(0.3, 0.2, 0.3, 0.4)
        face = faces.draw(db, project, page_id, 1, box, replaces=None, sha1=None)
    assert drawn_faces.next_in(tools) == 0
    assert drawn_faces.look(tools)
    (row,) = rows(database, "SELECT * FROM faces WHERE id = %s", face)
    assert row["state"] == "encoded"
    assert len(row["encoding"]) == 512
    assert (row["box_left"], row["box_width"], row["lease_token"]) == (0.3, 0.3, None)
    assert value(database, "SELECT COUNT(*) FROM face_chips WHERE face_id = %s", face) == 1
    assert value(database, "SELECT COUNT(*) FROM tasks WHERE kind = 'model' AND subject_id = %s", project) == 1
    assert not drawn_faces.look(tools)


def test_drawn_face_that_cannot_be_encoded_is_retried_or_fails(sandbox: Sandbox, database: Database, tools: Tools):
    project, lease, title = one(database, sandbox)
    (page_id,) = lease.page_ids
    with database.transaction() as db:
        faces.draw(db, project, page_id, 1, Box(0.3, 0.2, 0.3, 0.4), replaces=None, sha1=None)
    sandbox.world.faults.add({"kind": "unavailable", "match": {"path": "/w/images"}, "count": None})
    assert drawn_faces.look(replace(tools, wiki=impatient(tools)))
    assert value(database, "SELECT state FROM faces") == "waiting"
    assert drawn_faces.next_in(tools) == pytest.approx(
        drawn_faces.AGAIN, abs=2
    )  # no immediate retry, else it would loop
    assert not drawn_faces.look(tools)
    other(sandbox, "delete", title=title)
    with database.transaction() as db:
        db.execute("UPDATE faces SET lease_token = NULL")
    assert drawn_faces.look(tools)
    assert value(database, "SELECT state FROM faces") == "failed"


def impatient(tools: Tools) -> Client:
    """A client that does not retry after an error."""
    return Client(tools.wiki.endpoints, "test", tools.stop, media_hosts=tuple(tools.wiki.media_hosts), attempts=1)


def test_larger_rendering_is_fetched_for_small_faces():
    words = dict.fromkeys(("description", "date", "artist", "credit", "licence", "licence_url"), "")
    info = FileInfo(1, "File:X.jpg", "a" * 40, 1, 4000, 3000, "image/jpeg", "BITMAP", "", "u", "t", **words)
    assert drawn_faces.width_for(info, [Box(0, 0, 0.5, 0.5)]) == 960
    assert drawn_faces.width_for(info, [Box(0, 0, 0.5, 0.5), Box(0, 0, 0.1, 0.1)]) == 1920
    assert drawn_faces.width_for(info, [Box(0, 0, 0.01, 0.01)]) == 1920


def test_truncated_picture_is_an_error_of_that_file_only(sandbox: Sandbox, database: Database, tools: Tools):
    first, second, *_ = pictures_in(sandbox, person(sandbox).label)
    _, lease = lease_of(database, sandbox, [first, second])
    jobs = detect.look_up(lease, tools)
    for job in jobs:
        data = detect.fetch(job, tools)
        if job.info.title.endswith(first):
            with pytest.raises(ImageError) as caught:
                tools.pool.search(data[:200])
            detect.fail(lease, job.page_id, caught.value, tools)
        else:
            detect.keep(job, tools.pool.search(data), tools)
    stored = {row["title"]: row for row in rows(database, "SELECT * FROM files")}
    assert (stored[first]["state"], stored[first]["error"]) == ("error", "image")
    assert stored[first]["error_detail"]
    assert stored[second]["state"] == "searched"
