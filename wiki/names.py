"""Parse and format names and ids of Wikimedia: items, titles, entities, statements, boxes, batches. Pure functions."""

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

Box = tuple[float, float, float, float]  # x, y, width, height as fractions (0..1) of the upright picture


class InvalidName(ValueError):
    """The input is not a valid id, title or box; the exception's text repeats it."""


def is_item(name: str) -> bool:
    return bool(_ITEM.fullmatch(name))


def item_id(typed: str, sites: Collection[str] = ()) -> str:
    """Parse an item id: `Q42` from "q42", " Q42 ", "d:Q42", or a URL of Wikidata or of `sites`. Raises InvalidName."""
    name = _INVISIBLE.sub("", typed).strip()
    if addresses.is_address(name):
        pages = map(_ITEM_PAGE.fullmatch, addresses.titles(name, (*_WIKIDATA, *sites)))
        name = next((page[1] for page in pages if page and is_item(page[1].upper())), "")
    name = _ITEM_PREFIX.sub("", name).partition("#")[0].partition("?")[0].strip().upper()
    if not is_item(name):
        raise InvalidName(typed)
    return name


def file_title(typed: str, sites: Collection[str] = ()) -> str:
    """Return `File:Ada Lovelace.jpg` from a title with or without namespace, spaces or underscores. Raises InvalidName.

    `sites`: URLs of wikis; links there to the file, its page or a rendering are accepted too.
    """
    return _normalized_title(_title_in_link(typed, "File", sites), "File")


def category_title(typed: str, sites: Collection[str] = ()) -> str:
    """Return `Category:Ada Lovelace`, with the same arguments and errors as `file_title`."""
    return _normalized_title(_title_in_link(typed, "Category", sites), "Category")


def bare_title(title: str) -> str:
    """Return the title without its namespace, cut to the length that wikis allow and database columns hold."""
    bare = title.partition(":")[2] if title.partition(":")[0] in _NAMESPACES else title
    return bare[:_LONGEST_TITLE_BYTES]


def _title_in_link(typed: str, namespace: str, sites: Collection[str]) -> str:
    """Return the title in a link, or text that is no link unchanged. Raises InvalidName if the namespace is another."""
    link = _INVISIBLE.sub("", typed).strip()
    if not sites or not addresses.is_address(link):
        return typed
    for title in addresses.titles(link, sites):
        if title.partition(":")[0].strip().lower() in _NAMESPACES[namespace]:
            return title
    raise InvalidName(typed)


def _normalized_title(typed: str, namespace: str) -> str:
    name = _SPACES.sub(" ", _INVISIBLE.sub("", unicodedata.normalize("NFC", typed))).strip().lstrip(":").strip()
    prefix, colon, rest = name.partition(":")
    if colon and prefix.strip().lower() in _NAMESPACES[namespace]:
        name = rest.strip()
    if not name or _ILLEGAL.search(name) or _DOTS.search(name) or len(name.encode()) > _LONGEST_TITLE_BYTES:
        raise InvalidName(typed)
    return f"{namespace}:{_upper_first(name)}"


def _upper_first(name: str) -> str:
    # MediaWiki does not capitalise a letter whose capital consists of two (ß).
    upper = name[0].upper()
    return (upper if len(upper) == 1 else name[0]) + name[1:]


def entity_id(page_id: int) -> str:
    """Return `M123`, the id of a file page's MediaInfo entity. Raises InvalidName if `page_id` is not positive."""
    if page_id <= 0:
        raise InvalidName(str(page_id))
    return f"M{page_id}"


def page_id_of(entity: str) -> int:
    """Return 123 from `M123` or an entity's URL that ends in it; 0 if the text is neither."""
    name = addresses.last_segment(entity)
    return int(name[1:]) if re.fullmatch(r"M[1-9][0-9]{0,9}", name) else 0


def statement_id(page_id: int, uuid: UUID) -> str:
    """Return a statement's GUID, `M123$UUID` in capitals, as the wiki writes it."""
    return f"{entity_id(page_id)}${str(uuid).upper()}"


def region(box: Box) -> str:
    """Format a box for P2677 "relative position within image": `pct:x,y,w,h` of the IIIF Image API, two decimals.

    The box is clipped to the picture and at least 0.01 % wide and high. Raises InvalidName if it lies outside.
    """
    x, y, width, height = box
    left, top = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    right, bottom = min(max(x + width, 0.0), 1.0), min(max(y + height, 0.0), 1.0)
    if not (right > left and bottom > top):
        raise InvalidName(str(box))
    parts = (left, top, max(right - left, 1e-4), max(bottom - top, 1e-4))
    return "pct:" + ",".join(f"{part * 100:.2f}".rstrip("0").rstrip(".") for part in parts)


def box_of(value: str) -> Box | None:
    """Parse a P2677 value in percent; return None for pixels, "full" or anything else."""
    match = _REGION.fullmatch(value.strip())
    if not match:
        return None
    x, y, width, height = (float(part) / 100 for part in match.groups())
    return (x, y, width, height) if x + width <= 1.0001 and y + height <= 1.0001 else None


def batch_link(batch: str) -> str:
    """Return the link in edit summaries by which EditGroups groups (and can undo) the edits of a batch."""
    return f"([[:toolforge:editgroups-commons/b/CB/{batch}|details]])"


def page_url(base: str, title: str) -> str:
    """Return the URL of a file or category page; `base` ends before the title."""
    return f"{base.rstrip('/')}/{quote(title.replace(' ', '_'), safe=':/,;@()!*~')}"
