"""Files of Commons: their metadata, the URLs of their pictures, and the pages that titles lead to."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wiki import addresses
from wiki.answers import JsonObject, inner, number, objects, text
from wiki.client import Client, Value, batches
from wiki.names import InvalidName, file_title

_PROPERTIES = "url|size|sha1|mime|mediatype|timestamp|extmetadata"
_METADATA = "ImageDescription|DateTimeOriginal|Artist|Credit|LicenseShortName|LicenseUrl"
_TAG = re.compile(r"<(style|script)\b.*?</\1\s*>|<[^>]*>", re.I | re.S)
_SPACES = re.compile(r"\s+")
_MOST_BYTES = 2**40
_MOST_PIXELS = 10**6
_LONGEST_URL = 2_000  # characters; URLs of Commons have up to 1,200, and the column files.thumb_url holds 2,048


class Kind(StrEnum):
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    OTHER = "other"


class Why(StrEnum):
    DELETED = "deleted"  # the page does not exist (any more)
    REDIRECT = "redirect"  # the page redirects to another file; its own entity is not that file's
    NO_FILE = "no_file"  # the page exists, but has no file


@dataclass(frozen=True)
class FileInfo:
    """Current metadata of a file.

    `width`, `height`: pixels of the upright original; the size of the thumbnail is known only from the picture itself.
    `thumb_url`: empty if the wiki has no rendering. `description`, `artist`, `credit`, `licence`: plain text.
    """

    page_id: int
    title: str
    sha1: str
    size_bytes: int
    width: int
    height: int
    mime: str
    mediatype: str
    timestamp: str
    url: str
    thumb_url: str
    description: str
    date: str
    artist: str
    credit: str
    licence: str
    licence_url: str

    @property
    def kind(self) -> Kind:
        return kind_of(self.mime, self.mediatype)


@dataclass(frozen=True)
class MissingFile:
    page_id: int
    why: Why


@dataclass(frozen=True)
class PageRef:
    """The page that a title leads to, after redirects."""

    page_id: int
    title: str


def image_info(client: Client, page_ids: Sequence[int], width: int = 960) -> dict[int, FileInfo | MissingFile]:
    """Return every requested file by page id; `width`: of the rendering, a size of Wikimedia. Raises WikiError."""
    found: dict[int, FileInfo | MissingFile] = {}
    for ids in batches(list(dict.fromkeys(page_ids))):
        pages = described(client, ids, width)
        found |= {page_id: file_of(page_id, pages) for page_id in ids}
    return found


def described(client: Client, page_ids: Sequence[int], width: int = 960) -> dict[int, JsonObject]:
    """Return the raw JSON of at most 50 pages and their files, by page id. Raises WikiError."""
    return _pages(client, _request_params(width) | {"pageids": page_ids})


def file_of(page_id: int, pages: Mapping[int, JsonObject]) -> FileInfo | MissingFile:
    """Return the file of a page from the result of `described`."""
    return _file(page_id, pages.get(page_id, {}))


def resolve_titles(client: Client, titles: Sequence[str]) -> dict[str, PageRef | None]:
    """Return the file page each title leads to; None if there is none or the title is invalid. Raises WikiError."""
    wanted = {asked: _file_title_or_empty(asked) for asked in titles}
    found: dict[str, PageRef] = {}
    for names in batches([name for name in dict.fromkeys(wanted.values()) if name]):
        found |= _resolve(client, names)
    return {asked: found.get(name) for asked, name in wanted.items()}


def kind_of(mime: str, mediatype: str) -> Kind:
    """Return the kind of a file, by its MIME type where possible (the media type of DjVu is that of a bitmap)."""
    major = mime.partition("/")[0]
    if mime in ("application/pdf", "image/vnd.djvu") or mediatype in ("OFFICE", "TEXT"):
        return Kind.DOCUMENT
    if major == "image":
        return Kind.IMAGE
    if major == "video" or mediatype == "VIDEO":
        return Kind.VIDEO
    if major == "audio" or mediatype == "AUDIO" or mime == "application/ogg":
        return Kind.AUDIO
    return Kind.OTHER


def plain(markup: str, longest: int = 1_000) -> str:
    """Convert HTML to text: remove tags, decode entities, join white space."""
    return _SPACES.sub(" ", html.unescape(_TAG.sub(" ", markup))).strip()[:longest]


def _request_params(width: int) -> dict[str, Value]:
    return {
        "prop": "info|imageinfo",
        "inprop": "protection",
        "iiprop": _PROPERTIES,
        "iiurlwidth": width,
        "iiextmetadatafilter": _METADATA,
        "iilimit": 1,
    }


def _pages(client: Client, params: Mapping[str, Value]) -> dict[int, JsonObject]:
    """Return the pages of a query by id, merged from all its answers: one answer holds at most 50 thumbnails."""
    pages: dict[int, JsonObject] = {}
    for answer in client.query(params):
        for page in objects(answer.get("query"), "pages"):
            known = pages.setdefault(number(page, "pageid"), {})
            known.update(page)
    return pages


def _file(page_id: int, page: JsonObject) -> FileInfo | MissingFile:
    if page.get("redirect"):
        return MissingFile(page_id, Why.REDIRECT)
    if not page or page.get("missing"):
        return MissingFile(page_id, Why.DELETED)
    info = next(iter(objects(page, "imageinfo")), None)
    if info is None or not text(info, "sha1") or info.get("filemissing"):
        return MissingFile(page_id, Why.NO_FILE)
    return _file_info(page_id, text(page, "title"), info)


def _file_info(page_id: int, title: str, info: JsonObject) -> FileInfo:
    about = inner(info, "extmetadata")
    metadata = {key: plain(text(inner(about, key), "value")) for key in _METADATA.split("|")}
    url = _url(info, "url")
    return FileInfo(
        page_id=page_id,
        title=title,
        sha1=text(info, "sha1", 40),
        size_bytes=number(info, "size", _MOST_BYTES),
        width=number(info, "width", _MOST_PIXELS),
        height=number(info, "height", _MOST_PIXELS),
        mime=text(info, "mime", 100),
        mediatype=text(info, "mediatype", 20),
        timestamp=text(info, "timestamp", 20),
        url=url,
        thumb_url=_thumb_url(_url(info, "thumburl"), url),
        description=metadata["ImageDescription"],
        date=metadata["DateTimeOriginal"],
        artist=metadata["Artist"],
        credit=metadata["Credit"],
        licence=metadata["LicenseShortName"],
        licence_url=metadata["LicenseUrl"],
    )


def _url(info: JsonObject, key: str) -> str:
    """Return the URL at `key`, or an empty text if it is too long: a truncated URL leads nowhere."""
    url = text(info, key)
    return url if len(url) <= _LONGEST_URL else ""


def _thumb_url(url: str, original: str) -> str:
    """Return the URL if it leads to a rendering; for other formats the wiki gives an icon, with status 200."""
    return url if addresses.renders(url, original) else ""


def _resolve(client: Client, names: Sequence[str]) -> dict[str, PageRef]:
    steps: dict[str, str] = {}
    pages: dict[str, PageRef] = {}
    for answer in client.query({"prop": "info", "titles": names, "redirects": True}):
        query = inner(answer, "query")
        for step in (*objects(query, "normalized"), *objects(query, "redirects")):
            steps[text(step, "from")] = text(step, "to")
        for page in objects(query, "pages"):
            if (page_id := number(page, "pageid")) and number(page, "ns") == 6:
                pages[text(page, "title")] = PageRef(page_id, text(page, "title"))
    return {name: pages[end] for name in names if (end := _last_step(name, steps)) in pages}


def _last_step(name: str, steps: Mapping[str, str]) -> str:
    for _ in range(len(steps)):
        name = steps.get(name, name)
    return name


def _file_title_or_empty(asked: str) -> str:
    try:
        return file_title(asked)
    except InvalidName:
        return ""
