"""Titles, file names and URL paths in MediaWiki's form."""

import hashlib
import re
from pathlib import Path
from urllib.parse import quote

NAMESPACES = {"file": 6, "image": 6, "category": 14, "user": 2, "item": 120}
PREFIXES = {6: "File:", 14: "Category:", 2: "User:", 120: "Item:"}
LONGEST_NAME_IN_THUMB = 160
"""Bytes; a longer file name is replaced by "thumbnail" in the names of renderings (Wikimedia's abbrvThreshold)."""

_ILLEGAL = re.compile(r"[#<>\[\]|{}\x00-\x1f]")


def normalise(title: str) -> str | None:
    """Return the canonical form of a title ("image:a_b.jpg" -> "File:A b.jpg"), or None if it is invalid."""
    text = re.sub(r"[ _]+", " ", title).strip()
    prefix, colon, rest = text.partition(":")
    namespace = NAMESPACES.get(prefix.strip().lower(), 0) if colon else 0
    bare = rest.strip() if namespace else text
    if not bare or _ILLEGAL.search(bare):
        return None
    return PREFIXES.get(namespace, "") + bare[0].upper() + bare[1:]


def namespace_of(title: str) -> int:
    """Return the namespace number of a canonical title."""
    prefix, colon, _ = title.partition(":")
    return NAMESPACES.get(prefix.lower(), 0) if colon else 0


def bare(title: str) -> str:
    """Return a canonical title without its namespace."""
    return title.partition(":")[2] if namespace_of(title) else title


def db_key(title: str) -> str:
    """Return a canonical title without its namespace and with underscores for blanks."""
    return bare(title).replace(" ", "_")


def hash_folders(key: str) -> str:
    """Return the path of the two folders in which MediaWiki keeps a file, for example "a/ab"."""
    digest = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[0]}/{digest[:2]}"


def file_path(key: str) -> str:
    """Return the path of an original below /w/images, percent-encoded as in MediaWiki."""
    return f"{hash_folders(key)}/{quote(key, safe='')}"


def thumb_path(key: str, width: int) -> str:
    """Return the path of a rendering below /w/images/thumb, percent-encoded."""
    return f"{file_path(key)}/{quote(thumb_name(key, width), safe='')}"


def thumb_name(key: str, width: int) -> str:
    """Return the file name of a rendering of that width (pixels).

    As on Commons, formats that are rendered as another one get its suffix, and long names are replaced.
    """
    suffix = Path(key).suffix.lower()
    name = key if len(key.encode()) <= LONGEST_NAME_IN_THUMB else f"thumbnail{Path(key).suffix}"
    if suffix in (".tif", ".tiff"):
        return f"lossy-page1-{width}px-{name}.jpg"
    if suffix == ".pdf":
        return f"page1-{width}px-{name}.jpg"
    return f"{width}px-{name}" + (".png" if suffix in (".webp", ".svg") else "")


def provenance(content: str) -> str:
    """Return the query string that Commons appends to the media URLs of imageinfo since 2026 (Phabricator T414338).

    `content`: "original", "thumbnail", or "thumbnail_unscaled" if the original takes the place of a rendering.
    """
    return f"?utm_source=commons.wikimedia.org&utm_campaign=imageinfo&utm_content={content}"


def page_path(title: str) -> str:
    """Return the path of a page below /wiki, percent-encoded."""
    return quote(title.replace(" ", "_"), safe="!*(),:;@$/")
