"""What is written in somebody's name is what their page showed when they pressed the button."""

import pytest

from tests.attacks.pages import Form
from tests.attacks.site import Project, Site, until
from tests.attacks.verdict import Succeeded, repelled


def listed(project: Project, text: str) -> set[str]:
    """The titles of the project's files that a page names."""
    return {file.title for file in project.files if file.title in text}


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="Send sends whatever is approved at the click, not what the page showed."
)
@pytest.mark.parametrize("how", ["answers", "approves in bulk"])
def test_a_labeller_approves_more_after_the_owner_looked_at_the_plan(site: Site, how: str):
    project = site.project("Alice", 4)
    project.invite("Bob")
    project.answer("Alice", project.files[0], "target")
    plan = project.plan("Alice")
    assert listed(project, plan.text()) == {project.files[0].title}
    if how == "answers":
        for file in project.files[1:]:
            project.answer("Bob", file, "target")
    else:
        faces = [file.face for file in project.files[1:]]
        site.volunteer("Bob").post(f"{project.url}/review/approve", {"faces": faces})
    project.press_send("Alice", plan)
    project.wait_until_sent()
    assert project.files[0].title in project.written()
    repelled(project.written() == {project.files[0].title}, f"{len(project.written())} were sent, one was shown")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="The newest answer about a face wins, whoever gave it.")
def test_a_labeller_says_yes_to_a_face_that_the_owner_rejected(site: Site):
    project = site.project("Alice", 3)
    project.invite("Bob")
    project.answer("Alice", project.files[0], "other")
    project.answer("Alice", project.files[1], "target")
    project.answer("Bob", project.files[0], "target")
    project.send("Alice")
    assert project.files[1].title in project.written()
    repelled(project.files[0].title not in project.written(), "what the owner rejected was written in her name")


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="A yes of the owner's is not held back by a labeller's no before it."
)
def test_an_owner_sends_what_a_labeller_said_no_to_without_settling_it(site: Site):
    project = site.project("Alice", 3)
    project.invite("Bob")
    project.answer("Bob", project.files[0], "other")
    project.answer("Alice", project.files[0], "target")
    project.answer("Alice", project.files[1], "target")
    project.send("Alice")
    assert project.files[1].title in project.written()
    repelled(project.files[0].title not in project.written(), "it was written although two people disagree")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="The rank of an edit is the one that stands at the click.")
def test_a_labeller_raises_the_rank_after_the_owner_looked_at_the_plan(site: Site):
    project = site.project("Alice", 2)
    project.invite("Bob")
    project.answer("Alice", project.files[0], "target")
    plan = project.plan("Alice")
    site.volunteer("Bob").post(f"{project.url}/review/prominent", {"faces": [project.files[0].face], "on": 1})
    project.press_send("Alice", plan)
    project.wait_until_sent()
    (found,) = site.truth(project.files[0].title)["files"]
    ranks = {one["rank"] for one in found["statements"] if one["mainsnak"]["datavalue"]["value"]["id"] == project.item}
    repelled(ranks <= {"normal"}, "it was written with rank preferred")


def test_a_file_is_overwritten_after_the_owner_looked_at_the_plan(site: Site):
    titles = [site.upload(1), *site.titles(1)]
    project = site.project("Alice", titles=titles)
    for file in project.files:
        project.answer("Alice", file, "target")
    plan = project.plan("Alice")
    site.elsewhere("overwrite", title=titles[0], path=str(site.pictures.make(2)))
    project.press_send("Alice", plan)
    project.wait_until_sent()
    repelled(project.written() == {titles[1]}, "the statement was written about bytes that nobody approved")


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="The approval of the new version is sent by a page that showed the old one."
)
def test_a_file_is_overwritten_and_approved_anew_by_a_labeller_after_the_owner_looked_at_the_plan(site: Site):
    titles = [site.upload(1), *site.titles(1)]
    project = site.project("Alice", titles=titles)
    project.invite("Bob")
    for file in project.files:
        project.answer("Alice", file, "target")
    plan = project.plan("Alice")
    assert listed(project, plan.text()) == set(titles)
    site.elsewhere("overwrite", title=titles[0], path=str(site.pictures.make(1)))
    project.notice_changes()
    face = next(face for face in project.faces() if face["title"] == titles[0])
    answer = project.answer("Bob", project.file(titles[0], face["face"]), "target")
    assert answer["status"] == "saved"
    project.press_send("Alice", plan)
    project.wait_until_sent()
    repelled(titles[0] not in project.written(), "a version was written about that the page never showed")


def test_a_labeller_takes_a_row_back_after_the_owner_looked_at_the_plan(site: Site):
    project = site.project("Alice", 2)
    project.invite("Bob")
    for file in project.files:
        project.answer("Alice", file, "target")
    plan = project.plan("Alice")
    project.answer("Bob", project.files[0], "other")
    project.press_send("Alice", plan)
    project.wait_until_sent()
    repelled(project.written() == {project.files[1].title}, "a row was written that was rejected meanwhile")


def test_a_labeller_can_press_send(site: Site):
    project = site.project("Alice", 2)
    project.invite("Bob")
    project.answer("Bob", project.files[0], "target")
    plan = project.plan("Bob")
    repelled(plan.form("/send") is None, "the page offers it")
    answer = site.volunteer("Bob").submit(f"{project.url}/send")
    repelled(answer.status == 403 and not project.open_edits(), "it was sent")


def to_remove(project: Project) -> Form:
    """The form of the page of statements that could be removed, once the worker has read all of them."""
    read = "SELECT COUNT(*) FROM project_files WHERE project_id = %s AND stated"
    until(lambda: project.site.value(read, project.id) == len(project.files), "the statements to be read")
    page = project.site.volunteer("Alice").look(f"{project.url}/removals")
    form = page.form("/removals")
    assert form is not None, page.text()
    return form


def test_a_statement_is_confirmed_after_the_owner_looked_at_what_to_remove(site: Site):
    titles = site.titles(2)
    item = site.next_item()
    for title in titles:
        site.elsewhere("add_statement", title=title, value=item)
    project = site.project("Alice", item=item, titles=titles)
    project.invite("Bob")
    for file in project.files:
        project.answer("Alice", file, "other")
    form = to_remove(project)
    pages = [(name, value) for name, value in form.boxes if name == "pages"]
    assert len(pages) == 2
    project.answer("Bob", project.files[0], "target")
    site.volunteer("Alice").press(form, *pages)
    project.wait_until_sent()
    repelled(project.written() == {titles[0]}, "a statement was removed that somebody confirmed meanwhile")


def test_a_statement_gets_a_qualifier_after_the_owner_looked_at_what_to_remove(site: Site):
    (title,) = site.titles(1)
    item = site.next_item()
    site.elsewhere("add_statement", title=title, value=item)
    project = site.project("Alice", item=item, titles=[title])
    project.answer("Alice", project.files[0], "other")
    form = to_remove(project)
    site.elsewhere("change_statement", title=title, value=item, qualifiers={"P2677": "pct:1,1,9,9"})
    site.volunteer("Alice").press(form, *(box for box in form.boxes if box[0] == "pages"))
    project.wait_until_sent()
    repelled(project.written() == {title}, "the work of somebody else went with it")


def test_a_statement_is_changed_by_others_before_the_batch_is_undone(site: Site):
    project = site.project("Alice", 2)
    for file in project.files:
        project.answer("Alice", file, "target")
    project.send("Alice")
    ask = site.volunteer("Alice").look(f"{project.url}/batches/{project.newest_batch()}/undo")
    form = ask.form("/undo")
    assert form is not None
    title = project.files[0].title
    site.elsewhere("change_statement", title=title, value=project.item, qualifiers={"P2677": "pct:1,1,9,9"})
    site.volunteer("Alice").press(form)
    project.wait_until_sent()
    repelled(project.written() == {title}, "the work of somebody else was undone too")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Undo takes back all that the batch has written at the click.")
def test_more_of_a_batch_is_undone_than_the_page_counted(site: Site):
    project = site.project("Alice", 3)
    for file in project.files:
        project.answer("Alice", file, "target")
    plan = project.plan("Alice")
    done = "SELECT COUNT(*) FROM edits WHERE project_id = %s AND state = 'done'"
    site.wiki_settings(latency=0.8)
    project.press_send("Alice", plan)
    until(lambda: site.value(done, project.id), "the first edit")
    ask = site.volunteer("Alice").look(f"{project.url}/batches/{project.newest_batch()}/undo")
    shown = site.value(done, project.id)
    site.wiki_settings(latency=0.0)
    form = ask.form("/undo")
    assert form is not None
    project.wait_until_sent()
    assert shown < len(project.files)
    assert len(project.written()) == len(project.files)
    site.volunteer("Alice").press(form)
    project.wait_until_sent()
    repelled(len(project.written()) >= len(project.files) - shown, f"all were undone, the page counted {shown}")


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="Positions are added to every statement without one at the click."
)
def test_positions_are_added_to_statements_that_came_after_the_page_was_shown(site: Site):
    project = site.project("Alice", 2)
    project.invite("Carol", "owner")
    project.answer("Alice", project.files[0], "target")
    project.send("Alice")
    write_positions(project, True)
    form = project.plan("Alice").form("/send/positions")
    assert form is not None
    write_positions(project, False)
    project.answer("Carol", project.files[1], "target")
    project.send("Carol")
    write_positions(project, True)
    site.volunteer("Alice").press(form)
    project.wait_until_sent()
    (found,) = site.truth(project.files[1].title)["files"]
    changed = [one for one in found["statements"] if one.get("qualifiers")]
    repelled(not changed, "a statement of Carol's was changed in Alice's name")


def write_positions(project: Project, on: bool) -> None:
    """The owner ticks in the settings that positions are to be written, or does not."""
    alice = project.site.volunteer("Alice")
    form = alice.look(f"{project.url}/settings").form("/settings")
    assert form is not None
    fields = [field for field in form.fields if field[0] != "position"]
    alice.press(Form(form.action, fields, form.boxes), *([("position", "1")] if on else []))


def test_a_failed_edit_is_tried_again_after_somebody_said_no(site: Site):
    project = site.project("Alice", 2)
    project.invite("Bob")
    project.answer("Alice", project.files[0], "target")
    site.fault("abusefilter_disallowed", count=1)
    project.send("Alice")
    batch = f"{project.url}/batches/{project.newest_batch()}"
    form = site.volunteer("Alice").look(batch).form("/retry")
    assert form is not None
    project.answer("Bob", project.files[0], "other")
    site.volunteer("Alice").press(form)
    project.wait_until_sent()
    repelled(not project.written(), "it was written although it is not approved any more")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Whoever is invited is a member at once.")
def test_somebody_is_made_a_member_without_having_said_yes(site: Site):
    project = site.project("Alice", 1)
    site.volunteer("Dora")
    site.volunteer("Alice").submit(f"{project.url}/members", name="Dora", role="owner")
    repelled(site.volunteer("Dora").look(project.url).status != 200, "the project is open to who did not ask for it")
