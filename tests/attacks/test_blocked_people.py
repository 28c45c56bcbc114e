"""A person whom nobody may look for is neither written about, nor looked at, nor named, from the moment of the block."""

import pytest

from tests.attacks.site import ADMIN, Project, Site, until
from tests.attacks.verdict import Succeeded, repelled
from tests.attacks.volunteer import Refused, step


def block(site: Site, item: str) -> None:
    """An administrator blocks a person."""
    page = site.volunteer(ADMIN).submit("/admin/blocked", item=item, reason="asked for it")
    assert page.status == 200
    assert item in page.text()


def approved(site: Site, count: int = 2) -> Project:
    """A project of Alice's about somebody new, with every file approved."""
    project = site.project("Alice", count)
    for file in project.files:
        project.answer("Alice", file, "target")
    return project


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Trying again queues the failed edits of a blocked person.")
def test_failed_edits_about_a_blocked_person_are_tried_again(site: Site):
    project = approved(site)
    site.fault("abusefilter_disallowed", count=2)
    project.send("Alice")
    assert not project.written()
    batch = f"{project.url}/batches/{project.newest_batch()}"
    form = site.volunteer("Alice").look(batch).form("/retry")
    assert form is not None
    block(site, project.item)
    site.volunteer("Alice").press(form)
    project.wait_until_sent()
    repelled(not project.written(), "they were written after the block")


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="An edit that waits for the wiki is sent when the wait is over."
)
def test_an_edit_that_waits_for_the_wiki_is_written_after_the_block(site: Site):
    project = approved(site)
    site.fault("maxlag", count=1, match={"action": "wbeditentity"}, retry_after="4")
    project.press_send("Alice", project.plan("Alice"))
    until(lambda: site.truth()["faults"]["struck"].get("maxlag"), "the edit to be put off")
    block(site, project.item)
    before = len(project.written())
    project.wait_until_sent()
    assert before == 0
    repelled(not project.written(), "it was written after the block")


def test_edits_that_are_queued_are_written_after_the_block(site: Site):
    project = approved(site)
    plan = project.plan("Alice")
    site.wiki_settings(latency=0.4)
    project.press_send("Alice", plan)
    block(site, project.item)
    before = len(project.written())
    site.wiki_settings(latency=0.0)
    project.wait_until_sent()
    repelled(len(project.written()) <= before + 1, "they were written after the block")


def test_a_plan_about_a_blocked_person_is_sent(site: Site):
    project = approved(site)
    plan = project.plan("Alice")
    block(site, project.item)
    project.press_send("Alice", plan)
    project.wait_until_sent()
    repelled(not project.written(), "it was written after the block")


def test_a_project_about_a_blocked_person_is_created(site: Site):
    item = site.next_item()
    block(site, item)
    project = Project(site, "Alice", item)
    project.create(site.titles(2), "blocked")
    repelled(not project.id, "it was created")


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="Only the item that Wikidata answers with is compared to the list."
)
def test_a_blocked_person_is_looked_for_under_the_item_that_theirs_was_merged_into(site: Site):
    item, other = site.next_item(), site.next_item()
    block(site, item)
    site.elsewhere("merge_items", item=item, into=other)
    project = Project(site, "Alice", item)
    project.create(site.titles(2), "merged away")
    repelled(not project.id, "a project about the same person was created")


def test_a_person_is_looked_for_under_an_old_item_after_the_one_it_was_merged_into_is_blocked(site: Site):
    item, other = site.next_item(), site.next_item()
    site.elsewhere("merge_items", item=item, into=other)
    block(site, other)
    project = Project(site, "Alice", item)
    project.create(site.titles(2), "merged before")
    repelled(not project.id, "it was created under the old number")


def test_a_running_project_under_an_old_item_goes_on_after_the_block(site: Site):
    item, other = site.next_item(), site.next_item()
    project = site.project("Alice", 2, item=item)
    for file in project.files:
        project.answer("Alice", file, "target")
    site.elsewhere("merge_items", item=item, into=other)
    block(site, other)
    project.send("Alice")
    stated = [one for file in project.files for one in site.depicts(file.title) if one in {item, other}]
    repelled(not stated, "statements about the blocked person were written")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Only questions are deleted.")
def test_faces_of_a_blocked_person_are_kept(site: Site):
    item = site.next_item()
    project = site.project("Alice", item=item, titles=[site.upload(3), site.upload(3)])
    block(site, item)
    pages = [file.page for file in project.files]
    kept = {
        "encodings and chips": site.value(
            "SELECT COUNT(*) FROM faces f LEFT JOIN face_chips c ON c.face_id = f.id WHERE f.page_id IN (%s, %s)"
            " AND (f.encoding IS NOT NULL OR c.face_id IS NOT NULL)",
            *pages,
        ),
        "predictions": site.value("SELECT COUNT(*) FROM predictions WHERE project_id = %s", project.id),
        "questions": site.value("SELECT COUNT(*) FROM questions WHERE project_id = %s", project.id),
    }
    repelled(not any(kept.values()), f"kept: {kept}")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Everything that is only looked at stays open to the members.")
@pytest.mark.parametrize("what", ["chip", "review", "face", "list", "questions", "plan"])
def test_faces_of_a_blocked_person_are_looked_at(site: Site, what: str, blocked_project: Project):
    project = blocked_project
    file = project.files[0]
    path = {
        "chip": f"/chip/{project.id}/{file.face}.jpg",
        "review": f"{project.url}/review?show=rejected",
        "face": f"{project.url}/review/faces/{file.face}",
        "list": f"{project.url}/review.json?after=0",
        "questions": f"{project.url}/classify?file={file.page}&face={file.face}",
        "plan": f"{project.url}/send",
    }[what]
    page = site.volunteer("Alice").look(path)
    shown = page.status == 200 and (what == "chip" or "/chip/" in page.html or file.title in page.html)
    repelled(not shown, "it was shown after the block")


@pytest.fixture(scope="module")
def blocked_project(running: Site) -> Project:
    """Alice's project with answers of each kind, blocked since."""
    project = running.project("Alice", 3)
    project.answer("Alice", project.files[0], "other")
    project.answer("Alice", project.files[1], "target")
    block(running, project.item)
    return project


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Members are invited as to any other project.")
def test_more_people_are_invited_to_look_at_a_blocked_person(site: Site, blocked_project: Project):
    site.volunteer("Grace")
    site.volunteer("Alice").submit(f"{blocked_project.url}/members", name="Grace", role="labeller")
    members = site.value("SELECT COUNT(*) FROM project_members WHERE project_id = %s", blocked_project.id)
    repelled(members == 1, "somebody new was let in")


def test_answers_about_a_blocked_person_are_taken(site: Site, blocked_project: Project):
    before = site.value("SELECT COUNT(*) FROM answers WHERE project_id = %s", blocked_project.id)
    file = blocked_project.files[2]
    with pytest.raises(Refused) as refused:
        blocked_project.answer("Alice", file, "target")
    assert refused.value.status in {403, 404, 410, 451}
    repelled(
        site.value("SELECT COUNT(*) FROM answers WHERE project_id = %s", blocked_project.id) == before, "it was saved"
    )


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Who somebody else is may be anybody.")
def test_a_blocked_person_is_named_in_another_project(site: Site, blocked_project: Project):
    project = site.project("Alice", 2)
    body = {"steps": [step(project.files[0].page, project.files[0].face, "other", other_item=blocked_project.item)]}
    site.volunteer("Alice").try_post(f"{project.url}/answers", body, 400, 403, 409, 422)
    named = site.value("SELECT COUNT(*) FROM answers WHERE other_item = %s", blocked_project.item)
    repelled(not named, "the face is kept under the blocked person's item")


def test_what_was_written_about_a_blocked_person_cannot_be_undone(site: Site):
    project = approved(site)
    project.send("Alice")
    assert len(project.written()) == len(project.files)
    block(site, project.item)
    form = site.volunteer("Alice").look(f"{project.url}/batches/{project.newest_batch()}/undo").form("/undo")
    assert form is not None
    site.volunteer("Alice").press(form)
    project.wait_until_sent()
    repelled(not project.written(), "the statements stand")


def test_a_project_about_a_blocked_person_cannot_be_deleted(site: Site):
    project = site.project("Alice", 1)
    block(site, project.item)
    site.volunteer("Alice").submit(f"{project.url}/delete", confirm=project.item)
    gone = "SELECT COUNT(*) FROM projects WHERE id = %s AND status <> 'deleted'"
    repelled(not site.value(gone, project.id), "it stays")


def test_an_owner_resumes_a_project_about_a_blocked_person(site: Site):
    project = site.project("Alice", 1)
    block(site, project.item)
    site.volunteer("Alice").submit(f"{project.url}/status", status="active")
    repelled(site.value("SELECT status FROM projects WHERE id = %s", project.id) == "paused", "it goes on")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="A person without a date of birth is taken for an adult.")
def test_a_person_of_unknown_age_is_looked_for_without_a_question(site: Site):
    site.elsewhere("make_item", item="Q777777", label="Somebody Young")
    project = Project(site, "Alice", "Q777777")
    project.create(site.titles(1), "age unknown")
    repelled(not project.id, "nobody was asked whether this is an adult")


def test_a_depicted_person_finds_no_way_to_object(site: Site):
    text = site.stranger().look("/privacy").text()
    repelled("To object" in text and site.settings.contact in text, "the page does not say how, or to whom")
