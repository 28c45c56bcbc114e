"""Originals, renderings at Wikimedia's widths, and the redirects to them."""

import io
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask.testing import FlaskClient
from PIL import Image

from sandbox import check
from sandbox.app import create_app
from sandbox.server import Sandbox
from sandbox.state import names
from sandbox.state.pictures import STEPS, Pictures
from sandbox.state.world import World
from testing.waiting import PATIENCE
from tests.sandbox.clients import Client
from tests.sandbox.recordings import all_recordings, recording, wiki


def _sizes(client: Client, width: int) -> dict[str, dict[str, object]]:
    """Return imageinfo of Joe Biden's files: odd ones are 1600 px wide, even ones 400 px."""
    titles = "|".join(row["title"] for row in client.members("Category:Joe Biden")[:2])
    asked = {"titles": titles, "prop": "imageinfo", "iiprop": "url|size|sha1|mime", "iiurlwidth": width}
    pages = client.get(**asked)["query"]["pages"]
    return {page["title"]: page["imageinfo"][0] for page in pages}


def test_requested_width_is_reported_but_the_next_standard_width_is_delivered(sandbox: Sandbox) -> None:
    small, large = _sizes(Client(sandbox), 640).values()
    assert (large["thumbwidth"], large["thumbheight"]) == (640, 480)
    assert "/960px-" in str(large["thumburl"])
    delivered = Image.open(io.BytesIO(requests.get(str(large["thumburl"]), timeout=PATIENCE).content))
    assert delivered.size == (960, 720)
    assert urlsplit(str(small["thumburl"])).path == urlsplit(str(small["url"])).path
    assert small["thumbwidth"] == 400


def test_renderings_are_counted_by_title(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    title, found = list(_sizes(client, 250).items())[1]
    for _ in range(2):
        assert requests.get(str(found["thumburl"]), timeout=PATIENCE).status_code == 200
    odd = str(found["thumburl"]).replace("250px", "200px")
    assert requests.get(odd, timeout=PATIENCE).status_code == 200
    counts = client.admin("state?files=0")["counts"]
    assert counts["thumbnails"] == {title: 3}
    assert counts["odd_widths"] == {f"200px {title}": 1}


@pytest.mark.parametrize(("change", "status"), [("px-|5000px-", 400), ("joe|nobody", 404)])
def test_file_that_cannot_be_rendered_gets_an_error_page(sandbox: Sandbox, change: str, status: int) -> None:
    url = str(list(_sizes(Client(sandbox), 250).values())[1]["thumburl"])
    old, new = change.split("|")
    asked = url.replace("250px-", new) if old == "px-" else url.replace("Joe", "Nobody")
    answer = requests.get(asked, timeout=PATIENCE)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")


def test_file_path_needs_two_redirects_and_follows_file_redirects(sandbox: Sandbox) -> None:
    answer = requests.get(f"{sandbox.base}/wiki/Special:FilePath/Joe Biden old name.jpg?width=250", timeout=PATIENCE)
    assert [hop.status_code for hop in answer.history] == [302, 301]
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/jpeg"


@pytest.mark.parametrize("name", ["Never existed.jpg", "Joe Biden deleted.jpg", "Joe Biden failed upload.jpg"])
def test_file_path_of_a_missing_file_is_404_after_a_redirect(sandbox: Sandbox, name: str) -> None:
    answer = requests.get(f"{sandbox.base}/wiki/Special:FilePath/{name}", timeout=PATIENCE)
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


@pytest.mark.parametrize("case", _step_cases())
def test_reported_sizes_and_widths_equal_the_recorded_ones(recorded_wiki: FlaskClient, case: str) -> None:
    recorded = recording(case)
    answer = recorded_wiki.get("/w/api.php", query_string=recorded.params).get_json()
    mine, theirs = (body["query"]["pages"][0]["imageinfo"][0] for body in (answer, recorded.body))
    for key in ("width", "height", "thumbwidth", "thumbheight"):
        assert mine[key] == theirs[key], key
    for key in ("thumburl", "url"):
        assert urlsplit(mine[key]).path == urlsplit(theirs[key]).path
    urls = [
        {scale: urlsplit(url).path for scale, url in one.get("responsiveUrls", {}).items()} for one in (mine, theirs)
    ]
    assert urls[0] == urls[1]


def test_media_addresses_have_the_same_parameters_as_on_commons(sandbox: Sandbox) -> None:
    small, large = _sizes(Client(sandbox), 640).values()
    expected = {
        "original": [small["url"], large["url"]],
        "thumbnail_unscaled": [small["thumburl"]],
        "thumbnail": [large["thumburl"], *cast(dict[str, str], large["responsiveUrls"]).values()],
    }
    for content, urls in expected.items():
        for url in urls:
            asked = parse_qs(urlsplit(str(url)).query)
            given = {"utm_source": ["commons.wikimedia.org"], "utm_campaign": ["imageinfo"], "utm_content": [content]}
            assert asked == given
            assert requests.get(str(url), timeout=10).headers["Content-Type"] == "image/jpeg"


def test_icon_of_a_format_without_renderings_has_parameters(sandbox: Sandbox) -> None:
    asked = {"titles": "File:Biography of Joe Biden.pdf", "prop": "imageinfo", "iiprop": "url", "iiurlwidth": 960}
    (found,) = Client(sandbox).get(**asked)["query"]["pages"][0]["imageinfo"]
    parts = urlsplit(found["thumburl"])
    assert parts.path.startswith("/w/resources/assets/file-type-icons/")
    assert parse_qs(parts.query)["utm_campaign"] == ["imageinfo"]
    assert requests.get(found["thumburl"], timeout=10).headers["Content-Type"] == "image/png"


def test_downloads_of_originals_with_a_rendering_are_counted_separately(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    (small_title, small), (large_title, large) = _sizes(client, 960).items()
    before = client.admin("state?files=0")
    for url in (small["url"], small["thumburl"], large["thumburl"], large["thumburl"]):
        requests.get(str(url), timeout=10)
    between = client.admin("state?files=0")
    requests.get(str(large["url"]), timeout=10)
    after = client.admin("state?files=0")
    assert after["counts"]["originals"] == {small_title: 2, large_title: 1}
    assert after["counts"]["avoidable_originals"] == {large_title: 1}
    good, bad = check.fetching(before, between), check.fetching(between, after)
    assert (list(good.figures.values()), good.faults) == ([2, 2, 0], [])
    assert list(bad.figures.values()) == [0, 1, 1]
    assert [large_title in fault for fault in bad.faults] == [True]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("O'Brien_(2026).jpg", "c/c2/O%27Brien_%282026%29.jpg/960px-O%27Brien_%282026%29.jpg"),
        (
            "Who_is_it?_Zoë_&_“Łukasz”,_100%_+_more.jpg",
            "1/16/Who_is_it%3F_Zo%C3%AB_%26_%E2%80%9C%C5%81ukasz%E2%80%9D%2C_100%25_%2B_more.jpg"
            "/960px-Who_is_it%3F_Zo%C3%AB_%26_%E2%80%9C%C5%81ukasz%E2%80%9D%2C_100%25_%2B_more.jpg",
        ),
    ],
)
def test_names_of_renderings_equal_those_of_mediawiki(key: str, path: str) -> None:
    """The expected names are taken from the recordings."""
    assert names.thumb_path(key, 960) == path


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (f"{'x' * 156}.jpg", f"960px-{'x' * 156}.jpg"),
        (f"{'x' * 157}.jpg", "960px-thumbnail.jpg"),
        (f"{'é' * 79}.jpg", "960px-thumbnail.jpg"),
        (f"{'x' * 157}.svg", "960px-thumbnail.svg.png"),
        (f"{'x' * 157}.tif", "lossy-page1-960px-thumbnail.tif.jpg"),
        ("Scan.TIFF", "lossy-page1-960px-Scan.TIFF.jpg"),
    ],
)
def test_long_file_names_are_replaced_in_names_of_renderings(key: str, name: str) -> None:
    assert names.thumb_name(key, 960) == name


def _address_cases() -> list[str]:
    """TIFF and GIF are rendered as on Commons, and the moved files have a different history here."""
    found = [one.case for one in all_recordings() if one.case.startswith(("filepath_", "thumb_"))]
    return [case for case in found if not any(word in case for word in ("tiff", "gif", "moved"))]


@pytest.mark.parametrize("case", _address_cases())
def test_media_addresses_redirect_as_recorded(recorded_wiki: FlaskClient, case: str) -> None:
    recorded = recording(case)
    follow = recorded.status not in (301, 302)
    answer = recorded_wiki.get(recorded.path, query_string=recorded.params, follow_redirects=follow)
    answer.close()
    assert answer.status_code == recorded.status
    assert answer.headers["Content-Type"].split(";")[0] == recorded.headers["Content-Type"].split(";")[0]
    if not follow:
        assert recorded.location.endswith(answer.headers["Location"])


def test_every_standard_width_gives_a_picture_of_that_width(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    for step in [step for step in STEPS if step < 1600]:
        found = list(_sizes(client, step).values())[1]
        picture = Image.open(io.BytesIO(requests.get(str(found["thumburl"]), timeout=PATIENCE).content))
        assert picture.width == step
