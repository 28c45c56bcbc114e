"""Who somebody is follows from what cannot be taken over by others: central ids, keys, bytes."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from testing import servers
from tests.attacks.site import Project, Site, until, web_command
from tests.attacks.verdict import Succeeded, repelled
from tests.attacks.volunteer import Volunteer


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="An administrator is known by name in production too.")
def test_a_newcomer_takes_the_name_of_an_administrator_who_was_renamed(site: Site, tmp_path: Path):
    """A site in production that names its administrator. It may as well refuse to start with such a setting."""
    port = servers.free_port()
    settings = replace(
        site.settings,
        production=True,
        proxies=1,
        admins=("Renata",),
        oauth_redirect_uri=f"https://127.0.0.1:{port}/auth/callback",
    )
    site.elsewhere("block", user="Renata")  # the wiki makes the account
    site.elsewhere("unblock", user="Renata")
    site.elsewhere("rename_user", user="Renata", to="Renata the Elder")
    command = [*web_command(port), "--workers", "1"]
    process = servers.Process(command, servers.environment(settings), tmp_path / "web.log")
    try:
        servers.wait_for_http(f"http://127.0.0.1:{port}/health", process)
    except AssertionError:
        assert "WIKIVISAGE_ADMINS" in process.output(), process.output()
        return
    try:
        newcomer = behind_https(site, port, "Renata")
        repelled(newcomer.look("/admin").status == 403, "the newcomer sees the administrators' page")
    finally:
        process.stop()


class Front(HTTPAdapter):
    """A proxy with https before the site, as the browser sees it: what is asked of it goes on over http."""

    def send(self, request: requests.PreparedRequest, *given: Any, **more: Any) -> requests.Response:
        address = str(request.url)
        request.url = address.replace("https://", "http://", 1)
        request.headers["X-Forwarded-Proto"] = "https"
        answer = super().send(request, *given, **more)
        request.url = answer.url = address
        return answer


def behind_https(site: Site, port: int, name: str) -> Volunteer:
    """Somebody's browser at a site in production."""
    person = Volunteer(name, f"https://127.0.0.1:{port}", site.sandbox.base)
    person.browser.mount(person.address, Front())
    person.browser.headers["Referer"] = f"{person.address}/"
    return person.sign_in()


def starts(site: Site, **changed: str) -> tuple[bool, str]:
    """Whether the web application can be made with these settings changed, and what it said."""
    command = [sys.executable, "-c", "import app; app.app"]
    env = servers.environment(site.settings) | changed
    done = subprocess.run(command, cwd=servers.ROOT, env=env, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stderr


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Any text is taken as the key that signs sessions.")
@pytest.mark.parametrize("key", ["x", "secret", "0123456789abcdef0123456789abcde"])
def test_the_key_that_signs_sessions_can_be_guessed(site: Site, key: str):
    assert starts(site)[0]
    started, said = starts(site, FLASK_SECRET_KEY=key)
    repelled(not started and "FLASK_SECRET_KEY" in said, "the site starts with it")


def test_the_site_starts_without_a_key(site: Site):
    started, said = starts(site, FLASK_SECRET_KEY="")
    repelled(not started and "FLASK_SECRET_KEY" in said, "sessions could be made by anybody")


def access_token(site: Site, name: str) -> str:
    """The newest token that the wiki gave for somebody."""
    with site.sandbox.world.lock:
        grants = [grant for grant in site.sandbox.world.state.grants if grant.user == name and grant.alive]
    return grants[-1].access


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="A token that is not sealed is taken although there is a key.")
def test_a_token_is_put_into_the_database_by_hand(site: Site):
    project = to_be_sent_by(site, "Klara")
    plain = b"p1:" + access_token(site, "Klara").encode()
    site.execute("UPDATE users SET access_token = %s WHERE name = 'Klara'", plain)
    project.send("Klara")
    repelled(not site.writes("Klara"), "it was used")


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
def test_a_token_of_somebody_else_is_put_into_a_row(site: Site, sealed: bool):
    name, victim = ("Laura", "Walter") if sealed else ("Martha", "Victor")
    project = to_be_sent_by(site, name)
    site.new_browser(victim)
    token = site.value("SELECT access_token FROM users WHERE name = %s", victim)
    if not sealed:
        token = b"p1:" + access_token(site, victim).encode()
    site.execute("UPDATE users SET access_token = %s WHERE name = %s", token, name)
    project.send(name)
    repelled(not site.writes(victim), f"edits went out in the name of {victim}")


def to_be_sent_by(site: Site, name: str) -> Project:
    project = site.project(name, 1)
    project.answer(name, project.files[0], "target")
    return project


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="A file whose bytes were never seen can be approved.")
def test_a_file_that_could_not_be_read_is_approved_and_overwritten(site: Site, tmp_path: Path):
    unreadable = tmp_path / "unreadable.jpg"
    unreadable.write_bytes(b"\xff\xd8\xff\xe0 this is no photograph")
    title = site.upload(path=unreadable)
    project = site.project(titles=[title, *site.titles(1)])
    page = site.value("SELECT page_id FROM files WHERE title = %s", title)
    site.execute("UPDATE files SET sha1 = NULL WHERE page_id = %s", page)
    alice = site.volunteer("Alice")
    listed = alice.look(f"{project.url}/files?kind=errors")
    for form in listed.forms():
        if ("page", str(page)) in form.fields:
            alice.press(form, ("answer", "shown"))
    alice.submit(f"{project.url}/files", page=str(page), answer="shown", step="00000000-0000-4000-8000-0000000000aa")
    site.elsewhere("overwrite", title=title, path=str(site.pictures.blank()))
    plan = project.plan("Alice")
    if plan.form("/send") is not None:
        project.press_send("Alice", plan)
        project.wait_until_sent()
    repelled(project.item not in site.depicts(title), "the statement was written about bytes that nobody saw")


def test_a_form_names_another_project_than_its_address(site: Site):
    """Faces, batches and files of somebody else's project are not there for those who are no members."""
    project = site.project("Alice", 1)
    project.answer("Alice", project.files[0], "target")
    project.send("Alice")
    batch, face = project.newest_batch(), project.files[0].face
    own = site.project("Bob", item=site.next_item(), titles=[site.upload(2)])
    bob = site.volunteer("Bob")
    answers = [
        bob.look(f"{own.url}/batches/{batch}"),
        bob.submit(f"{own.url}/batches/{batch}/stop"),
        bob.look(f"/chip/{own.id}/{face}.jpg"),
        bob.look(f"{own.url}/review/faces/{face}"),
        bob.look(project.url),
    ]
    repelled({answer.status for answer in answers} == {404}, f"{[answer.status for answer in answers]}")
    assert until(project.written)
