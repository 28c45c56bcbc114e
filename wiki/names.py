"""Names and ids as Wikimedia writes them: items, titles, entities, statements, boxes and batches. Pure."""

import re
import unicodedata
from collections.abc import Collection
from urllib.parse import quote
from uuid import UUID

from wiki import addresses

_ITEM = re.compile(r"Q[1-9][0-9]{0,9}")
_ITEM_PREFIX = re.compile(r"^(?:d|wikidata):", re.I)
_ITEM_PAGE = re.compile(r"(?:Special:Entity(?:Page|Data)/)?([^/.]+)(?:\.\w+)?", re.I)
_WIKIDATA = ("https://www.wikidata.org", "https://www.wikidata.beta.wmcloud.org")
_INVISIBLE = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_SPACES = re.compile(r"[ _\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_ILLEGAL = re.compile(r"[#<>\[\]{}|\x00-\x1f\x7f\ufffd]|%[0-9A-Fa-f]{2}|~~~|&[A-Za-z0-9#]+;")
_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")
_REGION = re.compile(r"pct:(\d+(?:\.\d+)?),(\d+(?:\.\d+)?),(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)")
_NAMESPACES = {"File": ("file", "image"), "Category": ("category",)}
_LONGEST_TITLE_BYTES = 255

Box = tuple[float, float, float, float]  # x, y, width, height in fractions of the upright picture, 0..1


class InvalidName(ValueError):
    """What somebody typed is no item id or title; the text repeats it."""


def is_item(name: str) -> bool:
    return bool(_ITEM.fullmatch(name))


def item_id(typed: str, sites: Collection[str] = ()) -> str:
    """`Q42` from "q42", " Q42 ", "d:Q42", or an address of Wikidata or of one of `sites`. Raises InvalidName."""
    name = _INVISIBLE.sub("", typed).strip()
    if addresses.is_address(name):
        pages = map(_ITEM_PAGE.fullmatch, addresses.titles(name, (*_WIKIDATA, *sites)))
        name = next((page[1] for page in pages if page and is_item(page[1].upper())), "")
    name = _ITEM_PREFIX.sub("", name).partition("#")[0].partition("?")[0].strip().upper()
    if not is_item(name):
        raise InvalidName(typed)
    return name


def file_title(typed: str, sites: Collection[str] = ()) -> str:
    """`File:Ada Lovelace.jpg` from a title with or without namespace, blanks or underscores. Raises InvalidName.

    `sites`: addresses of wikis whose links to the file, its page or a rendering are understood too.
    """
    return _title(_linked(typed, "File", sites), "File")


def category_title(typed: str, sites: Collection[str] = ()) -> str:
    """`Category:Ada Lovelace`, as `file_title`."""
    return _title(_linked(typed, "Category", sites), "Category")


def bare_title(title: str) -> str:
    """The title without its namespace; cut where no wiki has a longer one, since that is what we keep room for."""
    bare = title.partition(":")[2] if title.partition(":")[0] in _NAMESPACES else title
    return bare[:_LONGEST_TITLE_BYTES]


def _linked(typed: str, namespace: str, sites: Collection[str]) -> str:
    """The title in a link, which must be of the namespace; what is no link stays as it is."""
    link = _INVISIBLE.sub("", typed).strip()
    if not sites or not addresses.is_address(link):
        return typed
    for title in addresses.titles(link, sites):
        if title.partition(":")[0].strip().lower() in _NAMESPACES[namespace]:
            return title
    raise InvalidName(typed)


def _title(typed: str, namespace: str) -> str:
    name = _SPACES.sub(" ", _INVISIBLE.sub("", unicodedata.normalize("NFC", typed))).strip().lstrip(":").strip()
    prefix, colon, rest = name.partition(":")
    if colon and prefix.strip().lower() in _NAMESPACES[namespace]:
        name = rest.strip()
    if not name or _ILLEGAL.search(name) or _DOTS.search(name) or len(name.encode()) > _LONGEST_TITLE_BYTES:
        raise InvalidName(typed)
    return f"{namespace}:{_upper_first(name)}"


def _upper_first(name: str) -> str:
    # MediaWiki leaves letters alone whose capital is two letters (ß).
    upper = name[0].upper()
    return (upper if len(upper) == 1 else name[0]) + name[1:]


def entity_id(page_id: int) -> str:
    """`M123`, the MediaInfo entity of a file page."""
    if page_id <= 0:
        raise InvalidName(str(page_id))
    return f"M{page_id}"


def page_id_of(entity: str) -> int:
    """123 of `M123` (also at the end of an entity's address); 0 when it is none."""
    name = addresses.last_segment(entity)
    return int(name[1:]) if re.fullmatch(r"M[1-9][0-9]{0,9}", name) else 0


def statement_id(page_id: int, uuid: UUID) -> str:
    """A statement's GUID, `M123$UUID` in capitals, as the wiki itself writes it."""
    return f"{entity_id(page_id)}${str(uuid).upper()}"


def region(box: Box) -> str:
    """P2677 "relative position within image" as the IIIF Image API writes it: `pct:x,y,w,h`, two decimals.

    The box is kept inside the picture and at least 0.01 % wide and high. Raises InvalidName when it lies outside.
    """
    x, y, width, height = box
    left, top = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    right, bottom = min(max(x + width, 0.0), 1.0), min(max(y + height, 0.0), 1.0)
    if not (right > left and bottom > top):
        raise InvalidName(str(box))
    parts = (left, top, max(right - left, 1e-4), max(bottom - top, 1e-4))
    return "pct:" + ",".join(f"{part * 100:.2f}".rstrip("0").rstrip(".") for part in parts)


def box_of(value: str) -> Box | None:
    """The box that a P2677 value in percent tells; None for pixels, "full" or anything else."""
    match = _REGION.fullmatch(value.strip())
    if not match:
        return None
    x, y, width, height = (float(part) / 100 for part in match.groups())
    return (x, y, width, height) if x + width <= 1.0001 and y + height <= 1.0001 else None


def batch_link(batch: str) -> str:
    """The link for the edit summary by which EditGroups groups (and can undo) the edits of a batch."""
    return f"([[:toolforge:editgroups-commons/b/CB/{batch}|details]])"


def page_url(base: str, title: str) -> str:
    """The address of a file or category page; `base` ends before the title."""
    return f"{base.rstrip('/')}/{quote(title.replace(' ', '_'), safe=':/,;@()!*~')}"
