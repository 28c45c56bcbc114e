"""Who leaves or is made to leave is not written for any more, and always has a hand on what goes out under their name."""

import pytest

from tests.attacks.site import Project, Site
from tests.attacks.verdict import Succeeded, repelled


def queue(site: Site, project: Project, name: str) -> None:
    """Several edits of a co-owner's, on a wiki that takes its time."""
    for file in project.files:
        project.answer(name, file, "target")
    plan = project.plan(name)
    site.wiki_settings(latency=1.0)
    project.press_send(name, plan)
    assert project.open_edits() == len(project.files)


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="Queued edits go out under the name of somebody who is no co-owner any more."
)
@pytest.mark.parametrize("how", ["removed", "leaves", "demoted"])
def test_edits_go_out_in_the_name_of_a_former_co_owner(site: Site, how: str):
    project = site.project("Alice", 4)
    project.invite("Carol", "owner")
    queue(site, project, "Carol")
    if how == "removed":
        project.remove("Carol")
    elif how == "leaves":
        site.volunteer("Carol").submit(f"{project.url}/leave")
    else:
        site.volunteer("Alice").submit(f"{project.url}/members", name="Carol", role="labeller")
    before = len(project.written())
    site.wiki_settings(latency=0.0)
    project.wait_until_sent()
    repelled(len(project.written()) <= before + 1, f"{len(project.written())} edits were written, {before} before it")


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="The page of a batch is not found for its sender once they are no member."
)
def test_a_removed_co_owner_cannot_stop_what_goes_out_under_her_name(site: Site):
    project = site.project("Alice", 4)
    project.invite("Carol", "owner")
    queue(site, project, "Carol")
    project.remove("Carol")
    seen = site.volunteer("Carol").look(f"{project.url}/batches/{project.newest_batch()}")
    site.wiki_settings(latency=0.0)
    project.wait_until_sent()
    repelled(seen.status == 200 and seen.form("/stop") is not None, f"she got {seen.status}")


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="The batch of a former member can be undone by nobody but the owners left."
)
def test_a_removed_co_owner_cannot_undo_what_was_written_under_her_name(site: Site):
    project = site.project("Alice", 1)
    project.invite("Carol", "owner")
    project.answer("Carol", project.files[0], "target")
    project.send("Carol")
    project.remove("Carol")
    ask = site.volunteer("Carol").look(f"{project.url}/batches/{project.newest_batch()}/undo")
    form = ask.form("/undo")
    repelled(form is not None, f"she got {ask.status}")
    assert form is not None
    site.volunteer("Carol").press(form)
    project.wait_until_sent()
    repelled(not project.written(), "it stands")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="The tokens stay, and what is queued goes on.")
def test_edits_go_out_in_the_name_of_somebody_who_signed_out_everywhere(site: Site):
    project = site.project("Erika", 4)
    queue(site, project, "Erika")
    erika = site.people.pop("Erika")
    erika.submit("/auth/sign-out-everywhere")
    before = len(project.written())
    site.wiki_settings(latency=0.0)
    project.wait_until_sent()
    repelled(len(project.written()) <= before + 1, f"{len(project.written())} edits were written, {before} before it")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Signing out everywhere ends sessions here and nothing else.")
def test_tokens_are_kept_of_somebody_who_signed_out_everywhere(site: Site):
    person = site.new_browser("Frank")
    person.submit("/auth/sign-out-everywhere")
    kept = site.value(
        "SELECT COUNT(*) FROM users WHERE name = 'Frank' AND COALESCE(access_token, refresh_token) IS NOT NULL"
    )
    with site.sandbox.world.lock:
        alive = [grant for grant in site.sandbox.world.state.grants if grant.user == "Frank" and grant.alive]
    repelled(not kept and not alive, "whoever reads the database can still edit in that name")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="The project's name stands in the summary as it was typed.")
@pytest.mark.parametrize(
    "words",
    [
        "a]] [[User:Mallory|a friend]] [[d:Q1",
        "{{delete}} <!--",
        "x]] ([[:toolforge:editgroups/b/CB/0123456789a|details]])",
    ],
    ids=["link", "template", "another batch"],
)
def test_a_co_owner_words_the_summaries_of_somebody_elses_edits(site: Site, words: str):
    project = site.project("Alice", 1)
    project.invite("Carol", "owner")
    project.answer("Alice", project.files[0], "target")
    form = site.volunteer("Carol").look(f"{project.url}/settings").form("/settings")
    assert form is not None
    site.volunteer("Carol").press(form, ("label", words))
    project.send("Alice")
    repelled(*plain(site, project))


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="The person's name stands in the summary as Wikidata has it.")
def test_whoever_edits_wikidata_words_the_summaries(site: Site):
    item = site.next_item("a]] [[User:Mallory|a friend]] [[d:Q1")
    project = site.project(item=item, titles=site.titles(1))
    project.answer("Alice", project.files[0], "target")
    project.send("Alice")
    repelled(*plain(site, project))


def plain(site: Site, project: Project) -> tuple[bool, str]:
    """Whether the summary of the project's one edit holds no wikitext but the link to the item and to the batch; and it."""
    edits = [edit for edit in site.writes("Alice") if edit["title"] == f"File:{project.files[0].title}"]
    summary = edits[-1]["summary"]
    strange = [mark for mark in ("User:", "{{", "<!--") if mark in summary]
    return summary.count("[[") <= 2 and not strange, f"the summary: {summary}"
