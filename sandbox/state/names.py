"""Titles, file names and URLs as MediaWiki writes them."""

import hashlib
import re
from pathlib import Path
from urllib.parse import quote

NAMESPACES = {"file": 6, "image": 6, "category": 14, "user": 2, "item": 120}
PREFIXES = {6: "File:", 14: "Category:", 2: "User:", 120: "Item:"}
LONGEST_NAME_IN_THUMB = 160
"""Bytes: the file name in the name of a rendering is "thumbnail" where it is longer (abbrvThreshold of Wikimedia)."""

_ILLEGAL = re.compile(r"[#<>\[\]|{}\x00-\x1f]")


def normalise(title: str) -> str | None:
    """The canonical form of a title ("image:a_b.jpg" -> "File:A b.jpg"), or None when no page can have it."""
    text = re.sub(r"[ _]+", " ", title).strip()
    prefix, colon, rest = text.partition(":")
    namespace = NAMESPACES.get(prefix.strip().lower(), 0) if colon else 0
    bare = rest.strip() if namespace else text
    if not bare or _ILLEGAL.search(bare):
        return None
    return PREFIXES.get(namespace, "") + bare[0].upper() + bare[1:]


def namespace_of(title: str) -> int:
    """The number of the namespace of a canonical title."""
    prefix, colon, _ = title.partition(":")
    return NAMESPACES.get(prefix.lower(), 0) if colon else 0


def bare(title: str) -> str:
    """A canonical title without its namespace."""
    return title.partition(":")[2] if namespace_of(title) else title


def db_key(title: str) -> str:
    """A canonical title without namespace, blanks as underscores."""
    return bare(title).replace(" ", "_")


def hash_folders(key: str) -> str:
    """The two folders in which MediaWiki keeps a file: "a/ab"."""
    digest = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[0]}/{digest[:2]}"


def file_path(key: str) -> str:
    """The path of an original below /w/images, percent-encoded as MediaWiki does it."""
    return f"{hash_folders(key)}/{quote(key, safe='')}"


def thumb_path(key: str, width: int) -> str:
    """The path of a rendering below /w/images/thumb, percent-encoded."""
    return f"{file_path(key)}/{quote(thumb_name(key, width), safe='')}"


def thumb_name(key: str, width: int) -> str:
    """The name of a rendering. Those of other formats get another suffix, and long names are replaced, as on Commons."""
    suffix = Path(key).suffix.lower()
    name = key if len(key.encode()) <= LONGEST_NAME_IN_THUMB else f"thumbnail{Path(key).suffix}"
    if suffix in (".tif", ".tiff"):
        return f"lossy-page1-{width}px-{name}.jpg"
    if suffix == ".pdf":
        return f"page1-{width}px-{name}.jpg"
    return f"{width}px-{name}" + (".png" if suffix in (".webp", ".svg") else "")


def provenance(content: str) -> str:
    """The query string that Commons appends to the media URLs of imageinfo since 2026 (Phabricator T414338).

    `content`: "original", "thumbnail", or "thumbnail_unscaled" where the original stands in for a rendering.
    """
    return f"?utm_source=commons.wikimedia.org&utm_campaign=imageinfo&utm_content={content}"


def page_path(title: str) -> str:
    """The path of a page below /wiki, percent-encoded."""
    return quote(title.replace(" ", "_"), safe="!*(),:;@$/")
