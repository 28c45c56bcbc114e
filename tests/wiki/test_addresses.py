"""Tests for parsing URLs of Wikimedia: renderings of files, other widths, hosts, PagePile numbers."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recordings import recording
from tests.wiki import fakes
from tests.wiki.replay import answered, replaying
from wiki import addresses, commons
from wiki.addresses import Picture
from wiki.commons import FileInfo

UPLOAD, THUMB = "https://upload.wikimedia.org/wikipedia/commons", "https://thumb.wikimedia.org/wikipedia/commons/thumb"
ORIGINAL = "?utm_source=commons.wikimedia.org&utm_campaign=imageinfo&utm_content=original"
SCALED = ORIGINAL.replace("original", "thumbnail")
UNSCALED = ORIGINAL.replace("original", "thumbnail_unscaled")
ICON = "https://commons.wikimedia.org/w/resources/assets/file-type-icons/fileicon.png"

# URLs of a file and of its rendering, as imageinfo returns them.
SAME_FILE = [
    # Without parameters and on one host, as before 2026.
    (f"{UPLOAD}/a/ab/Name.jpg", f"{UPLOAD}/thumb/a/ab/Name.jpg/960px-Name.jpg"),
    (f"{UPLOAD}/a/ab/Name.jpg", f"{UPLOAD}/a/ab/Name.jpg"),
    # With parameters that differ, and a separate host for renderings.
    (f"{UPLOAD}/a/ab/Name.jpg{ORIGINAL}", f"{UPLOAD}/thumb/a/ab/Name.jpg/960px-Name.jpg{SCALED}"),
    (f"{UPLOAD}/a/ab/Name.jpg{ORIGINAL}", f"{THUMB}/a/ab/Name.jpg/960px-Name.jpg{SCALED}"),
    (f"{UPLOAD}/a/ab/Name.jpg{ORIGINAL}", f"{UPLOAD}/a/ab/Name.jpg{UNSCALED}"),
    (f"{UPLOAD}/a/ab/Name.jpg?20150406124530", f"{UPLOAD}/a/ab/Name.jpg#f"),
    # One name, encoded in several ways.
    (f"{UPLOAD}/6/67/Coast_Cafe%2C_Worthing.jpg", f"{THUMB}/6/67/Coast_Cafe%2c_Worthing.jpg/960px-Coast_Cafe,_Worthing.jpg"),
    (f"{UPLOAD}/2/2f/Mex-Kor_(1)_(cropped).jpg", f"{THUMB}/2/2f/Mex-Kor_%281%29_%28cropped%29.jpg/960px-x.jpg{SCALED}"),
    (f"{UPLOAD}/a/a2/Jos%C3%A9.jpeg{ORIGINAL}", f"{THUMB}/a/a2/José.jpeg/960px-José.jpeg"),
    (f"{UPLOAD}/a/a2/Jose%CC%81.jpeg", f"{THUMB}/a/a2/Jos%C3%A9.jpeg/960px-Jos%C3%A9.jpeg"),
    (f"{UPLOAD}/1/16/Who%3F_100%25_%2B_more.jpg{ORIGINAL}", f"{THUMB}/1/16/Who%3f_100%25_+_more.jpg/960px-Who.jpg{SCALED}"),
    # Other formats, pages, languages, qualities, long names.
    (f"{UPLOAD}/b/bc/Diagram.svg{ORIGINAL}", f"{THUMB}/b/bc/Diagram.svg/960px-Diagram.svg.png{SCALED}"),
    (f"{UPLOAD}/b/bc/Map.svg", f"{THUMB}/b/bc/Map.svg/langzh-hans-960px-Map.svg.png{SCALED}"),
    (f"{UPLOAD}/6/6d/Scan.tiff{ORIGINAL}", f"{THUMB}/6/6d/Scan.tiff/lossy-page1-960px-Scan.tiff.jpg{SCALED}"),
    (f"{UPLOAD}/6/6d/Book.pdf{ORIGINAL}", f"{THUMB}/6/6d/Book.pdf/page1-960px-Book.pdf.jpg{SCALED}"),
    (f"{UPLOAD}/6/6d/A.xcf{ORIGINAL}", f"{THUMB}/6/6d/A.xcf/960px-A.xcf.png{SCALED}"),
    (f"{UPLOAD}/5/52/2017-10-04_21_22_22.jpg", f"{THUMB}/5/52/2017-10-04_21_22_22.jpg/960px-thumbnail.jpg{SCALED}"),
    (f"{UPLOAD}/5/52/A_b.tif", f"{THUMB}/5/52/A_b.tif/lossy-page1-960px-thumbnail.tif.jpg{SCALED}"),
    # Names that look like those of a rendering or an icon.
    (f"{UPLOAD}/a/ab/960px-A.jpg{ORIGINAL}", f"{THUMB}/a/ab/960px-A.jpg/960px-960px-A.jpg{SCALED}"),
    (f"{UPLOAD}/a/ab/fileicon.png", f"{THUMB}/a/ab/fileicon.png/960px-fileicon.png{SCALED}"),
    # Other wikis: the beta cluster and a local one.
    ("https://upload.wikimedia.beta.wmcloud.org/wikipedia/commons/a/ab/N.jpg",
     "//upload.wikimedia.beta.wmcloud.org/wikipedia/commons/thumb/a/ab/N.jpg/960px-N.jpg"),
    ("http://127.0.0.1:8181/w/images/a/ab/N.jpg", f"http://127.0.0.1:8181/w/images/thumb/a/ab/N.jpg/960px-N.jpg{SCALED}"),
]  # fmt: skip

OTHER_URLS = [
    "",
    "http://[::1",
    ICON,
    ICON + SCALED,
    ICON + "?name=a/ab/Name.jpg",
    ICON + "#/a/ab/Name.jpg",
    f"{THUMB}/a/ab/Other.jpg/960px-Other.jpg{SCALED}",
    f"{THUMB}/b/bc/Name.jpg/960px-Name.jpg{SCALED}",
    f"{UPLOAD}/a/ab/Name.jpg.png",
    f"{UPLOAD}/a/ab/Name.jpg%2F960px-Name.jpg",
    f"{THUMB}/a/ab/Name.jpg/icon.png",
]


@pytest.mark.parametrize(("file", "rendering"), SAME_FILE)
def test_renders_recognises_the_file_and_its_renderings(file: str, rendering: str):
    assert addresses.renders(rendering, file)


@pytest.mark.parametrize("address", OTHER_URLS)
def test_renders_rejects_other_urls(address: str):
    assert not addresses.renders(address, f"{UPLOAD}/a/ab/Name.jpg{ORIGINAL}")


@pytest.mark.parametrize(("file", "rendering"), SAME_FILE)
def test_resized_changes_only_the_width(file: str, rendering: str):
    small = addresses.resized(rendering, 330)
    shown = addresses.picture(rendering)
    assert shown is not None
    if shown.width is None:
        assert small == rendering
        return
    folder, _, name = rendering.rpartition("/")
    assert small == f"{folder}/{name.replace('960px-', '330px-', 1)}"
    assert addresses.picture(small) == Picture(shown.folders, shown.name, 330)
    assert addresses.renders(small, file)


@pytest.mark.parametrize("width", [960, 1280])
def test_resized_never_widens_a_rendering(width: int):
    assert (
        addresses.resized(f"{THUMB}/a/ab/N.jpg/500px-N.jpg{SCALED}", width) == f"{THUMB}/a/ab/N.jpg/500px-N.jpg{SCALED}"
    )


@given(st.text(min_size=1, max_size=60).filter(lambda name: "/" not in name), st.sampled_from(["", SCALED, "?7", "#x"]))
def test_renders_and_resized_accept_any_name_of_a_file(name: str, query: str):
    encoded = quote(name, safe="")
    file, rendering = f"{UPLOAD}/a/ab/{encoded}{ORIGINAL}", f"{THUMB}/a/ab/{encoded}/960px-{encoded}{query}"
    assert addresses.renders(rendering, file)
    assert addresses.resized(rendering, 250) == f"{THUMB}/a/ab/{encoded}/250px-{encoded}{query}"


@given(st.text(), st.sampled_from(["", "https://", "//", f"{UPLOAD}/a/ab/", "https://pagepile.toolforge.org/?id="]))
def test_any_text_is_parsed_without_an_exception(text: str, before: str):
    address = before + text
    assert isinstance(addresses.netloc(address) + addresses.pile_number(address) + addresses.last_segment(address), str)
    assert addresses.renders(address, address) == (addresses.picture(address) is not None)
    assert addresses.titles(address, ["", address]) is not None
    assert addresses.resized(address, 60) is not None


@pytest.mark.parametrize("width", ["%39%36%30px-N.jpg", "1234567px-N.jpg", "960px-", "px-N.jpg"])
def test_resized_leaves_malformed_names_unchanged(width: str):
    address = f"{THUMB}/a/ab/N.jpg/{width}"
    assert addresses.resized(address, 330) == address


def imageinfo(url: str, thumb: str) -> FileInfo:
    """Return a file with these URLs, as read from an answer of the API."""
    info = {"sha1": "a" * 40, "mime": "image/jpeg", "mediatype": "BITMAP", "size": 9, "url": url, "thumburl": thumb}
    page = {"pageid": 1, "ns": 6, "title": "File:1", "imageinfo": [info]}
    with replaying(answered({"query": {"pages": [page]}})) as wiki:
        found = commons.image_info(fakes.client(wiki.url), [1])[1]
    assert isinstance(found, FileInfo)
    return found


@pytest.mark.parametrize(("file", "rendering"), SAME_FILE)
def test_file_info_contains_the_urls_of_the_api(file: str, rendering: str):
    found = imageinfo(file, rendering)
    assert (found.url, found.thumb_url) == (file, rendering)


@pytest.mark.parametrize("parameters", [("", ""), (ORIGINAL, SCALED)])
@pytest.mark.parametrize(
    ("case", "rendered"),
    [
        ("imageinfo_thumb640_large_landscape", True),
        ("imageinfo_thumb640_exif_rotated", True),
        ("imageinfo_thumb640_smaller_than_requested", True),
        ("imageinfo_thumb640_svg", True),
        ("imageinfo_special_characters", True),
        ("imageinfo_thumb640_tiff", False),
    ],
)
def test_recorded_answers_are_read_with_and_without_parameters(case: str, rendered: bool, parameters: tuple[str, str]):
    """The recorded URLs have no parameters."""
    pages = recording(case)["response"]["body"]["query"]["pages"]
    given = [one | {"imageinfo": [_with_parameters(info, *parameters) for info in one["imageinfo"]]} for one in pages]
    with replaying(answered({"query": {"pages": given}})) as wiki:
        found = commons.image_info(fakes.client(wiki.url), [one["pageid"] for one in given])
    for one in given:
        file, info = found[one["pageid"]], one["imageinfo"][0]
        assert isinstance(file, FileInfo)
        assert (file.url, file.thumb_url) == (info["url"], info["thumburl"] if rendered else "")


def _with_parameters(info: dict[str, Any], original: str, scaled: str) -> dict[str, Any]:
    """Add the parameters, and a SHA-1, which not all recordings requested."""
    return {"sha1": "a" * 40} | info | {"url": info["url"] + original, "thumburl": info["thumburl"] + scaled}


@pytest.mark.parametrize("icon", [ICON, ICON + SCALED])
def test_thumb_url_is_empty_for_an_icon_with_or_without_parameters(icon: str):
    assert imageinfo(f"{UPLOAD}/6/6d/Scan.tiff{ORIGINAL}", icon).thumb_url == ""


def test_longest_urls_are_kept_and_longer_ones_dropped():
    longest = quote("日" * 78 + "aa.jpg", safe="")  # 240 bytes, the most that MediaWiki allows
    url = f"{UPLOAD}/a/ab/{longest}{ORIGINAL}"
    thumb = (
        f"{THUMB}/a/ab/{longest}/lossy-page1-960px-{'%E6%97%A5' * 53}.jpg{SCALED}"  # it contains 160 bytes of the name
    )
    assert (imageinfo(url, thumb).url, imageinfo(url, thumb).thumb_url) == (url, thumb)
    assert imageinfo(url + "x" * 2_000, thumb).url == ""


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://upload.wikimedia.org/a.jpg?x", "upload.wikimedia.org"),
        ("https://UPLOAD.wikimedia.org:443/a.jpg", "upload.wikimedia.org"),
        ("//thumb.wikimedia.org/a", "thumb.wikimedia.org"),
        ("http://127.0.0.1:8181/a", "127.0.0.1:8181"),
        ("https://upload.wikimedia.org@elsewhere.example/a", ""),
        ("https://user:secret@upload.wikimedia.org/a", ""),
        ("https://upload.wikimedia.org:port/a", ""),
        ("https://[::1", ""),
        ("/w/images/a.jpg", ""),
        ("", ""),
    ],
)
def test_netloc_returns_the_host_and_a_port_that_is_not_the_default(address: str, host: str):
    assert addresses.netloc(address) == host


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("12345", "12345"),
        (" 12345 ", "12345"),
        ("https://pagepile.toolforge.org/api.php?id=12345&action=get_data&doit&format=json", "12345"),
        ("https://tools.wmflabs.org/pagepile/api.php?action=get_data&id=12345#x", "12345"),
        ("http://127.0.0.1:8181/pagepile?id=7", "7"),
        ("https://petscan.wmcloud.org/?id=12345", ""),
        ("https://pagepile.toolforge.org/", ""),
        ("https://pagepile.toolforge.org/api.php?id=१२", ""),
        ("12 345", ""),
        ("", ""),
    ],
)
def test_pile_number_is_parsed_from_digits_or_a_url(typed: str, number: str):
    assert addresses.pile_number(typed) == number
