"""Addresses on Wikimedia, parsed: pictures and renderings of them, pages and their titles. Pure.

Since 2026 the media addresses of the API carry parameters such as `utm_source` (Phabricator T414338), renderings have
a host of their own, and one name can be percent-encoded in several ways. Compare what these functions return, never two
addresses as text, and send an address with the parameters that it came with.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

_ADDRESS = re.compile(r"\s*(?:https?:)?//", re.I)
_PORTS = {"http": 80, "https": 443}
# Prefixes of the width say page, language or quality: "lossy-page1-960px-Scan.tif.jpg". The shortest one counts, because
# the name of a file may look like that of a rendering.
_RENDERING = re.compile(r"((?:[^/]*?-)??)([0-9]{1,5})(px-.+)", re.DOTALL)
_MOBILE_AND_WWW = {"m", "www"}
_PAGE_PATHS = ("/wiki/", "/w/index.php/", "/entity/")
_FILE_PAGES = ("Special:FilePath/", "Special:Redirect/file/")
_VIEWER = "/media/"  # the media viewer names the file in the fragment: #/media/File:Name.jpg


@dataclass(frozen=True)
class Picture:
    """A file of a wiki, or a rendering of it.

    `folders`: the two that a hash of the name gives ("a", "ab"). `name`: as in the file's title, with blanks.
    `width`: of the rendering in pixels; None for the original.
    """

    folders: tuple[str, str]
    name: str
    width: int | None


def is_address(typed: str) -> bool:
    """Whether a text is an address instead of a name."""
    return bool(_ADDRESS.match(typed))


def netloc(address: str) -> str:
    """Host, and port where it is not the usual one; empty for what is no address, or names a user."""
    parts = _split(address)
    if parts is None or not parts.hostname or "@" in parts.netloc:
        return ""
    return parts.hostname if parts.port in (None, _PORTS.get(parts.scheme)) else f"{parts.hostname}:{parts.port}"


def picture(address: str) -> Picture | None:
    """The file or rendering at an address; None where it is neither, such as the icon of a file type.

    MediaWiki has files at ".../a/ab/NAME" and renderings at ".../a/ab/NAME/960px-NAME" or, of a long name,
    ".../a/ab/NAME/960px-thumbnail.jpg".
    """
    segments = _segments(address)
    if _are_folders(segments[-3:-1]):
        return Picture((segments[-3], segments[-2]), _name(segments[-1]), None)
    rendering = _RENDERING.fullmatch(segments[-1]) if _are_folders(segments[-4:-2]) else None
    return Picture((segments[-4], segments[-3]), _name(segments[-2]), int(rendering[2])) if rendering else None


def renders(address: str, original: str) -> bool:
    """Whether an address leads to a rendering of the file at another, or to that file itself."""
    shown, file = picture(address), picture(original)
    return shown is not None and file is not None and (shown.folders, shown.name) == (file.folders, file.name)


def resized(address: str, width: int) -> str:
    """The address of a narrower rendering of the same file; unchanged where it is no rendering, or is not wider.

    `width`: pixels, one of those that Wikimedia renders (20, 40, 60, 120, 250, 330, 500, 960); it refuses others.
    """
    shown = picture(address)
    if shown is None or shown.width is None or shown.width <= width:
        return address
    parts = urlsplit(address)
    folder, _, name = parts.path.rpartition("/")
    encoded = _RENDERING.fullmatch(name)
    return urlunsplit(parts._replace(path=f"{folder}/{encoded[1]}{width}{encoded[3]}")) if encoded else address


def titles(address: str, sites: Collection[str]) -> list[str]:
    """The titles that an address names: of the file in the media viewer, then of the page or file; none of other sites.

    `sites`: any addresses of the sites that count. A mobile site counts as its main one.
    """
    parts, site = _split(address), _site(address)
    if parts is None or not site or site not in map(_site, sites):
        return []
    viewed = [unquote(parts.fragment.removeprefix(_VIEWER))] if parts.fragment.startswith(_VIEWER) else []
    shown = picture(address)
    return [*viewed, *(_page(parts) or ([f"File:{shown.name}"] if shown else []))]


def _page(parts: SplitResult) -> list[str]:
    """The title in `?title=`, where a plus is a blank, or in the path, where it is a plus."""
    named = parse_qs(parts.query).get("title", [])
    for path in _PAGE_PATHS:
        if parts.path.startswith(path):
            named.append(unquote(parts.path.removeprefix(path)))
    return [_of_file(page) for page in named[:1]]


def pile_number(typed: str) -> str:
    """The number of a PagePile, typed or in an address of the tool; empty where there is none."""
    number = typed.strip()
    if is_address(number):
        parts = _split(number)
        of_tool = parts is not None and "pagepile" in f"{parts.hostname}{parts.path}".lower()
        number = parse_qs(parts.query).get("id", [""])[0] if parts is not None and of_tool else ""
    return number if number.isascii() and number.isdigit() else ""


def last_segment(address: str) -> str:
    """What stands last in the path of an address, or the text itself where it has no slash."""
    return _segments(address)[-1]


def _of_file(page: str) -> str:
    """A special page that leads to a file counts as that file's page."""
    name = page.replace("_", " ")
    for prefix in _FILE_PAGES:
        if name.startswith(prefix):
            bare = name.removeprefix(prefix)
            return bare if bare.lower().startswith("file:") else f"File:{bare}"
    return page


def _split(address: str) -> SplitResult | None:
    """The parts of an address; None where it cannot be one."""
    text = address.strip()
    try:
        parts = urlsplit(f"https:{text}" if text.startswith("//") else text)
        parts.port  # noqa: B018  (reading it raises ValueError where it is no number)
    except ValueError:
        return None
    return parts


def _segments(address: str) -> Sequence[str]:
    """The parts of the path, decoded one by one: an encoded slash does not separate."""
    parts = _split(address)
    return [unquote(segment) for segment in parts.path.split("/")] if parts else [""]


def _are_folders(segments: Sequence[str]) -> bool:
    return len(segments) == 2 and bool(re.fullmatch(r"([0-9a-f])/\1[0-9a-f]", "/".join(segments)))


def _name(segment: str) -> str:
    return unicodedata.normalize("NFC", segment).replace("_", " ")


def _site(address: str) -> str:
    labels = netloc(address if is_address(address) else f"//{address}").split(".")
    return ".".join(label for label in labels if label not in _MOBILE_AND_WWW)
