"""Originals, renderings at Wikimedia's widths, and the redirects that lead to them."""

import io
from pathlib import Path

import pytest
import requests
from flask.testing import FlaskClient
from PIL import Image

from sandbox.app import create_app
from sandbox.pictures import STEPS, Pictures
from sandbox.server import Sandbox
from sandbox.world import World
from tests.sandbox.clients import Client
from tests.sandbox.recordings import all_recordings, needs_recordings, recording, wiki


def _sizes(client: Client, width: int) -> dict[str, dict[str, object]]:
    """imageinfo of Joe Biden's files: odd ones are 1600 wide, even ones 400."""
    titles = "|".join(row["title"] for row in client.members("Category:Joe Biden")[:2])
    asked = {"titles": titles, "prop": "imageinfo", "iiprop": "url|size|sha1|mime", "iiurlwidth": width}
    pages = client.get(**asked)["query"]["pages"]
    return {page["title"]: page["imageinfo"][0] for page in pages}


def test_a_width_between_steps_is_claimed_but_the_next_step_is_delivered(sandbox: Sandbox) -> None:
    small, large = _sizes(Client(sandbox), 640).values()
    assert (large["thumbwidth"], large["thumbheight"]) == (640, 480)
    assert "/960px-" in str(large["thumburl"])
    delivered = Image.open(io.BytesIO(requests.get(str(large["thumburl"]), timeout=10).content))
    assert delivered.size == (960, 720)
    assert small["thumburl"] == small["url"]
    assert small["thumbwidth"] == 400


def test_renderings_are_counted_by_title(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    title, found = list(_sizes(client, 250).items())[1]
    for _ in range(2):
        assert requests.get(str(found["thumburl"]), timeout=10).status_code == 200
    odd = str(found["thumburl"]).replace("250px", "200px")
    assert requests.get(odd, timeout=10).status_code == 200
    counts = client.admin("state?files=0")["counts"]
    assert counts["thumbnails"] == {title: 3}
    assert counts["odd_widths"] == {f"200px {title}": 1}


@pytest.mark.parametrize(("change", "status"), [("px-|5000px-", 400), ("joe|nobody", 404)])
def test_what_cannot_be_rendered_is_a_page(sandbox: Sandbox, change: str, status: int) -> None:
    url = str(list(_sizes(Client(sandbox), 250).values())[1]["thumburl"])
    old, new = change.split("|")
    asked = url.replace("250px-", new) if old == "px-" else url.replace("Joe", "Nobody")
    answer = requests.get(asked, timeout=10)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")


def test_file_path_takes_two_hops_and_follows_file_redirects(sandbox: Sandbox) -> None:
    answer = requests.get(f"{sandbox.base}/wiki/Special:FilePath/Joe Biden old name.jpg?width=250", timeout=10)
    assert [hop.status_code for hop in answer.history] == [302, 301]
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/jpeg"


@pytest.mark.parametrize("name", ["Never existed.jpg", "Joe Biden deleted.jpg", "Joe Biden failed upload.jpg"])
def test_file_path_of_what_is_no_file_is_404_after_a_hop(sandbox: Sandbox, name: str) -> None:
    answer = requests.get(f"{sandbox.base}/wiki/Special:FilePath/{name}", timeout=10)
    assert [hop.status_code for hop in answer.history] == [302]
    assert answer.status_code == 404


@pytest.fixture(scope="module")
def recorded_wiki(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A wiki with files of the recorded sizes."""
    folder: Path = tmp_path_factory.mktemp("recorded")
    state = wiki(folder)
    return create_app(World(state, Pictures(folder)), lambda: state).test_client()


def _step_cases() -> list[str]:
    return [one.case for one in all_recordings() if one.case.startswith("thumbsteps_") and "iiurl" in one.case]


@needs_recordings
@pytest.mark.parametrize("case", _step_cases())
def test_claimed_sizes_and_widths_are_the_recorded_ones(recorded_wiki: FlaskClient, case: str) -> None:
    recorded = recording(case)
    answer = recorded_wiki.get("/w/api.php", query_string=recorded.params).get_json()
    mine, theirs = (body["query"]["pages"][0]["imageinfo"][0] for body in (answer, recorded.body))
    for key in ("width", "height", "thumbwidth", "thumbheight"):
        assert mine[key] == theirs[key], key
    base = "http://127.0.0.1:8181"
    assert mine["thumburl"].removeprefix("http://localhost") == theirs["thumburl"].removeprefix(base)
    assert mine["url"].removeprefix("http://localhost") == theirs["url"].removeprefix(base)
    urls = [
        {scale: url.partition("/w/")[2] for scale, url in one.get("responsiveUrls", {}).items()}
        for one in (mine, theirs)
    ]
    assert urls[0] == urls[1]


def _address_cases() -> list[str]:
    """TIFF and GIF are rendered as on Commons, and the moved files have another history here."""
    found = [one.case for one in all_recordings() if one.case.startswith(("filepath_", "thumb_"))]
    return [case for case in found if not any(word in case for word in ("tiff", "gif", "moved"))]


@needs_recordings
@pytest.mark.parametrize("case", _address_cases())
def test_media_addresses_lead_where_the_recorded_ones_led(recorded_wiki: FlaskClient, case: str) -> None:
    recorded = recording(case)
    follow = recorded.status not in (301, 302)
    answer = recorded_wiki.get(recorded.path, query_string=recorded.params, follow_redirects=follow)
    answer.close()
    assert answer.status_code == recorded.status
    assert answer.headers["Content-Type"].split(";")[0] == recorded.headers["Content-Type"].split(";")[0]
    if not follow:
        assert recorded.location.endswith(answer.headers["Location"])


def test_every_step_gives_a_picture_of_that_width(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    for step in [step for step in STEPS if step < 1600]:
        found = list(_sizes(client, step).values())[1]
        picture = Image.open(io.BytesIO(requests.get(str(found["thumburl"]), timeout=10).content))
        assert picture.width == step
