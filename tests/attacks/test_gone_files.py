"""What is gone on Commons is gone here: neither a face's encoding nor its picture outlives the bytes it was found in."""

import pytest

from tests.attacks.site import File, Project, Site
from tests.attacks.verdict import Succeeded, repelled


def kept(site: Site, project: Project, file: File) -> str:
    """What is still there of a face, in words."""
    encoding = site.value("SELECT COUNT(*) FROM faces WHERE id = %s AND encoding IS NOT NULL", file.face)
    chip = site.value("SELECT COUNT(*) FROM face_chips WHERE face_id = %s", file.face)
    status, _ = site.volunteer("Alice").bytes_of(f"/chip/{project.id}/{file.face}.jpg")
    found = {"encoding": encoding, "chip": chip, "served": status == 200}
    return ", ".join(name for name, there in found.items() if there)


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Of a deleted file only the state changes.")
@pytest.mark.parametrize("answered", [False, True], ids=["unanswered", "answered"])
def test_a_face_stays_after_its_photograph_was_deleted(site: Site, answered: bool):
    titles = [site.upload(1), site.upload(1)]
    project = site.project("Alice", titles=titles)
    if answered:
        project.answer("Alice", project.files[0], "target")
    file = project.files[0]
    site.elsewhere("delete", title=titles[0])
    project.notice_changes()
    assert site.value("SELECT state FROM files WHERE page_id = %s", file.page) == "gone"
    left = kept(site, project, file)
    repelled(not left, f"left: {left}")


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="The chip of a face that somebody answered about is kept for ever."
)
def test_a_face_stays_after_its_photograph_was_overwritten(site: Site):
    titles = [site.upload(1), site.upload(1)]
    project = site.project("Alice", titles=titles)
    file = project.files[0]
    project.answer("Alice", file, "other")
    site.elsewhere("overwrite", title=titles[0], path=str(site.pictures.blank()))
    project.notice_changes()
    assert site.value("SELECT sha1 FROM files WHERE page_id = %s", file.page) != site.value(
        "SELECT sha1 FROM faces WHERE id = %s", file.face
    )
    left = kept(site, project, file)
    repelled(not left, f"left: {left}")


def test_a_face_that_nobody_answered_about_stays_after_its_photograph_was_overwritten(site: Site):
    titles = [site.upload(1), site.upload(1)]
    project = site.project("Alice", titles=titles)
    file = project.files[0]
    site.elsewhere("overwrite", title=titles[0], path=str(site.pictures.blank()))
    project.notice_changes()
    left = kept(site, project, file)
    repelled(not left, f"left: {left}")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Completing a project changes its state and nothing else.")
def test_faces_of_bystanders_stay_after_the_project_is_completed(site: Site):
    project = site.project("Alice", titles=[site.upload(number) for number in range(3)])
    site.volunteer("Alice").submit(f"{project.url}/status", status="completed")
    assert site.value("SELECT status FROM projects WHERE id = %s", project.id) == "completed"
    left = [kept(site, project, file) for file in project.files]
    repelled(not any(left), f"left of faces about which nobody said anything: {left}")
