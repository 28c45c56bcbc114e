"""Parse URLs of Wikimedia wikis: pictures and their renderings, pages and their titles. Pure functions.

Since 2026 the media URLs of the API carry parameters such as `utm_source` (Phabricator T414338), renderings have a host
of their own, and one name can be percent-encoded in several ways. Compare what these functions return, never two URLs
as text, and request a URL with the parameters that it came with.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

_ADDRESS = re.compile(r"\s*(?:https?:)?//", re.I)
_PORTS = {"http": 80, "https": 443}
# Prefixes of the width give page, language or quality: "lossy-page1-960px-Scan.tif.jpg". The shortest prefix is used,
# because the name of a file may look like that of a rendering.
_RENDERING = re.compile(r"((?:[^/]*?-)??)([0-9]{1,5})(px-.+)", re.DOTALL)
_MOBILE_AND_WWW = {"m", "www"}
_PAGE_PATHS = ("/wiki/", "/w/index.php/", "/entity/")
_FILE_PAGES = ("Special:FilePath/", "Special:Redirect/file/")
_VIEWER = "/media/"  # the media viewer names the file in the fragment: #/media/File:Name.jpg


@dataclass(frozen=True)
class Picture:
    """A file of a wiki, or a rendering of it.

    `folders`: two, from a hash of the name ("a", "ab"). `name`: as in the file's title, with spaces.
    `width`: of the rendering in pixels; None for the original.
    """

    folders: tuple[str, str]
    name: str
    width: int | None


def is_address(typed: str) -> bool:
    """Return whether a text is a URL instead of a name."""
    return bool(_ADDRESS.match(typed))


def netloc(address: str) -> str:
    """Return host, and port if it is not the default; empty for text that is no URL and for URLs with a user name."""
    parts = _split(address)
    if parts is None or not parts.hostname or "@" in parts.netloc:
        return ""
    return parts.hostname if parts.port in (None, _PORTS.get(parts.scheme)) else f"{parts.hostname}:{parts.port}"


def picture(address: str) -> Picture | None:
    """Return the file or rendering at a URL; None if it is neither, such as the icon of a file type.

    MediaWiki stores files at ".../a/ab/NAME" and renderings at ".../a/ab/NAME/960px-NAME" or, of a long name,
    ".../a/ab/NAME/960px-thumbnail.jpg".
    """
    segments = _segments(address)
    if _are_folders(segments[-3:-1]):
        return Picture((segments[-3], segments[-2]), _name(segments[-1]), None)
    rendering = _RENDERING.fullmatch(segments[-1]) if _are_folders(segments[-4:-2]) else None
    return Picture((segments[-4], segments[-3]), _name(segments[-2]), int(rendering[2])) if rendering else None


def renders(address: str, original: str) -> bool:
    """Return whether `address` is the URL of the file at `original` or of a rendering of it."""
    shown, file = picture(address), picture(original)
    return shown is not None and file is not None and (shown.folders, shown.name) == (file.folders, file.name)


def resized(address: str, width: int) -> str:
    """Return the URL of a narrower rendering of the file; unchanged if `address` is no rendering or is not wider.

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
    """Return the titles in a URL: the file in the media viewer, then the page or file; none for other sites.

    `sites`: any URLs of the accepted sites. A mobile site counts as its main one.
    """
    parts, site = _split(address), _site(address)
    if parts is None or not site or site not in map(_site, sites):
        return []
    viewed = [unquote(parts.fragment.removeprefix(_VIEWER))] if parts.fragment.startswith(_VIEWER) else []
    shown = picture(address)
    return [*viewed, *(_page(parts) or ([f"File:{shown.name}"] if shown else []))]


def _page(parts: SplitResult) -> list[str]:
    """Return the title in `?title=`, where a plus is a space, or in the path, where it is a plus."""
    named = parse_qs(parts.query).get("title", [])
    for path in _PAGE_PATHS:
        if parts.path.startswith(path):
            named.append(unquote(parts.path.removeprefix(path)))
    return [_file_page(page) for page in named[:1]]


def pile_number(typed: str) -> str:
    """Return the number of a PagePile, from digits or a URL of the tool; empty if there is none."""
    number = typed.strip()
    if is_address(number):
        parts = _split(number)
        of_tool = parts is not None and "pagepile" in f"{parts.hostname}{parts.path}".lower()
        number = parse_qs(parts.query).get("id", [""])[0] if parts is not None and of_tool else ""
    return number if number.isascii() and number.isdigit() else ""


def last_segment(address: str) -> str:
    """Return the last segment of a URL's path, or the text itself if it has no slash."""
    return _segments(address)[-1]


def _file_page(page: str) -> str:
    """Return the file page to which a special page leads; any other title unchanged."""
    name = page.replace("_", " ")
    for prefix in _FILE_PAGES:
        if name.startswith(prefix):
            bare = name.removeprefix(prefix)
            return bare if bare.lower().startswith("file:") else f"File:{bare}"
    return page


def _split(address: str) -> SplitResult | None:
    """Return the parts of a URL; None if it is invalid."""
    text = address.strip()
    try:
        parts = urlsplit(f"https:{text}" if text.startswith("//") else text)
        parts.port  # noqa: B018  (reading it raises ValueError if it is not a number)
    except ValueError:
        return None
    return parts


def _segments(address: str) -> Sequence[str]:
    """Return the segments of the path, decoded one by one: an encoded slash does not separate them."""
    parts = _split(address)
    return [unquote(segment) for segment in parts.path.split("/")] if parts else [""]


def _are_folders(segments: Sequence[str]) -> bool:
    return len(segments) == 2 and bool(re.fullmatch(r"([0-9a-f])/\1[0-9a-f]", "/".join(segments)))


def _name(segment: str) -> str:
    return unicodedata.normalize("NFC", segment).replace("_", " ")


def _site(address: str) -> str:
    labels = netloc(address if is_address(address) else f"//{address}").split(".")
    return ".".join(label for label in labels if label not in _MOBILE_AND_WWW)
