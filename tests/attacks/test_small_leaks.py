"""What strangers learn, addresses that break, and what is shipped."""

import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from testing import servers
from tests.attacks import processes
from tests.attacks.site import ADMIN, Site, until
from tests.attacks.verdict import Succeeded, repelled


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="The page tells everybody what each worker is doing, with numbers."
)
def test_a_stranger_reads_at_health_which_projects_are_worked_at(site: Site):
    project = site.project("Alice", 1)
    site.execute("UPDATE workers SET doing = %s", f"model {project.id}, search 7 of project {project.id}")
    page = site.stranger().browser.get(f"{site.address}/health", headers={"Accept": "text/html"}, timeout=30)
    assert page.status_code == 200
    repelled(f"model {project.id}" not in page.text, "it names the project")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="The metrics are offered on every address of the machine.")
def test_metrics_are_read_from_another_machine(site: Site, tmp_path: Path):
    port = servers.free_port()
    worker = servers.worker(replace(site.settings, metrics_port=port), "measured", tmp_path)
    try:
        until(lambda: answers_at("127.0.0.1", port), "the metrics")
        listening = {one.address for one in processes.connections(worker.pid) if one.listens and one.port == port}
    finally:
        worker.stop()
    assert listening
    repelled(listening <= {"127.0.0.1", "::1"}, f"it listens on {', '.join(listening)}")


def answers_at(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="A number that no column holds is passed on to the database.")
@pytest.mark.parametrize("number", ["99999999999999999999", "9223372036854775807"])
def test_an_absurd_page_number_breaks_the_dashboard(site: Site, number: str):
    page = site.volunteer("Alice").look(f"/projects?page={number}")
    repelled(page.status < 500, f"{page.status}")


@pytest.mark.parametrize(
    "path",
    [
        "{project}/review?page=99999999999999999999",
        "{project}/send?page=99999999999999999999",
        "{project}/audit?page=99999999999999999999",
        "{project}/files?after=99999999999999999999",
        "{project}/review.json?after=99999999999999999999,1",
        "{project}/questions.json?have=99999999999999999999",
        "{project}/steps.json?before=99999999999999999999",
        "/projects/99999999999999999999",
        "{project}/batches/99999999999999999999",
        "/chip/99999999999999999999/1.jpg",
    ],
)
def test_an_absurd_number_breaks_a_page(site: Site, path: str):
    project = site.private_project()
    page = site.volunteer("Alice").look(path.format(project=project.url))
    repelled(page.status < 500, f"{page.status}")


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="Only the first nine digits are compared with the largest number."
)
def test_leading_zeros_break_the_settings(site: Site):
    project = site.private_project()
    form = site.volunteer("Alice").look(f"{project.url}/settings").form("/settings")
    assert form is not None
    page = site.volunteer("Alice").press(form, ("confirmed", "0000000011111111"))
    repelled(page.status < 500, f"{page.status}")


def test_an_old_history_number_breaks_the_history(site: Site):
    project = site.private_project()
    page = site.volunteer("Alice").look(f"{project.url}/history?before=99999999999999999999")
    repelled(page.status < 500, f"{page.status}")


def test_a_volunteer_opens_the_administrators_page(site: Site):
    assert site.volunteer(ADMIN).look("/admin").status == 200
    repelled(site.volunteer("Alice").look("/admin").status == 403, "it opened")
    answer = site.volunteer("Alice").submit("/admin/blocked", item="Q1", reason="")
    repelled(answer.status == 403, "a person was blocked by anybody")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="The stand-in for Wikimedia is copied into the image.")
def test_the_image_holds_the_sandbox():
    ignored = (servers.ROOT / ".dockerignore").read_text().split()
    repelled("sandbox" in ignored, "whoever gets into a container can start a wiki that signs anybody in")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="The base image is named by a tag that may be moved.")
def test_the_base_image_is_exchanged():
    bases = re.findall(r"^FROM (\S+)", (servers.ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert bases
    repelled(all("@sha256:" in base for base in bases), f"{bases}")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Actions are named by tags that may be moved.")
def test_an_action_of_continuous_integration_is_exchanged():
    texts = [path.read_text() for path in (servers.ROOT / ".github" / "workflows").glob("*.yml")]
    used = [name for text in texts for name in re.findall(r"uses: (\S+)", text)]
    assert used
    repelled(all(re.search(r"@[0-9a-f]{40}$", name) for name in used), f"{used}")
