"""Files of Commons: what they are, where their pictures are, and which page a title means."""

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
_LONGEST_URL = 2_000  # characters; the longest that Commons makes have 1,200, and files.thumb_url holds 2,048


class Kind(StrEnum):
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    OTHER = "other"


class Why(StrEnum):
    DELETED = "deleted"  # there is no such page, or no longer
    REDIRECT = "redirect"  # the page leads to another file; its own entity is not that file's
    NO_FILE = "no_file"  # a page without a file


@dataclass(frozen=True)
class FileInfo:
    """A file as it is now. `width`, `height`: pixels of the original, upright; of the thumbnail measure the picture itself.

    `thumb_url` is empty where the wiki has no rendering. `description`, `artist`, `credit`, `licence` are plain text.
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
    """The page that a title leads to, redirects followed."""

    page_id: int
    title: str


def image_info(client: Client, page_ids: Sequence[int], width: int = 960) -> dict[int, FileInfo | MissingFile]:
    """Every file asked for, by page id; `width`: of the rendering, one of Wikimedia's steps. Raises WikiError."""
    found: dict[int, FileInfo | MissingFile] = {}
    for ids in batches(list(dict.fromkeys(page_ids))):
        pages = described(client, ids, width)
        found |= {page_id: file_of(page_id, pages) for page_id in ids}
    return found


def described(client: Client, page_ids: Sequence[int], width: int = 960) -> dict[int, JsonObject]:
    """What the wiki says of at most 50 pages and their files, as it says it, by page id. Raises WikiError."""
    return _pages(client, _questions(width) | {"pageids": page_ids})


def file_of(page_id: int, pages: Mapping[int, JsonObject]) -> FileInfo | MissingFile:
    """The file of a page that was asked for with `described`."""
    return _file(page_id, pages.get(page_id, {}))


def resolve_titles(client: Client, titles: Sequence[str]) -> dict[str, PageRef | None]:
    """The file page each title leads to; None where there is none, or the title cannot be one. Raises WikiError."""
    wanted = {asked: _file_title(asked) for asked in titles}
    found: dict[str, PageRef] = {}
    for names in batches([name for name in dict.fromkeys(wanted.values()) if name]):
        found |= _resolve(client, names)
    return {asked: found.get(name) for asked, name in wanted.items()}


def kind_of(mime: str, mediatype: str) -> Kind:
    """Of what sort a file is; the MIME type decides where it can (DjVu calls itself a bitmap)."""
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
    """HTML as text: tags dropped, entities decoded, white space joined."""
    return _SPACES.sub(" ", html.unescape(_TAG.sub(" ", markup))).strip()[:longest]


def _questions(width: int) -> dict[str, Value]:
    return {
        "prop": "info|imageinfo",
        "inprop": "protection",
        "iiprop": _PROPERTIES,
        "iiurlwidth": width,
        "iiextmetadatafilter": _METADATA,
        "iilimit": 1,
    }


def _pages(client: Client, params: Mapping[str, Value]) -> dict[int, JsonObject]:
    """The pages of a query by id, put together from all its answers: one answer holds at most 50 thumbnails."""
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
    said = {key: plain(text(inner(about, key), "value")) for key in _METADATA.split("|")}
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
        description=said["ImageDescription"],
        date=said["DateTimeOriginal"],
        artist=said["Artist"],
        credit=said["Credit"],
        licence=said["LicenseShortName"],
        licence_url=said["LicenseUrl"],
    )


def _url(info: JsonObject, key: str) -> str:
    """An address, whole or not at all."""
    url = text(info, key)
    return url if len(url) <= _LONGEST_URL else ""


def _thumb_url(url: str, original: str) -> str:
    """Where a format cannot be rendered the wiki gives an icon of the file type, with status 200."""
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
    return {name: pages[end] for name in names if (end := _end(name, steps)) in pages}


def _end(name: str, steps: Mapping[str, str]) -> str:
    for _ in range(len(steps)):
        name = steps.get(name, name)
    return name


def _file_title(asked: str) -> str:
    try:
        return file_title(asked)
    except InvalidName:
        return ""
