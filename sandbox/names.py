"""Titles, file names and URLs as MediaWiki writes them."""

import hashlib
import re
from urllib.parse import quote

NAMESPACES = {"file": 6, "image": 6, "category": 14, "user": 2, "item": 120}
PREFIXES = {6: "File:", 14: "Category:", 2: "User:", 120: "Item:"}
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
    return f"{hash_folders(key)}/{quote(key, safe='!*,:;@$')}"


def thumb_path(key: str, width: int) -> str:
    """The path of a rendering below /w/images/thumb. Renderings of other formats get another suffix, as on Commons."""
    encoded = quote(key, safe="!*,:;@$")
    return f"{hash_folders(key)}/{encoded}/{thumb_name(encoded, width)}"


def thumb_name(encoded: str, width: int) -> str:
    """The last part of a rendering's URL."""
    lower = encoded.lower()
    if lower.endswith((".tif", ".tiff")):
        return f"lossy-page1-{width}px-{encoded}.jpg"
    if lower.endswith(".pdf"):
        return f"page1-{width}px-{encoded}.jpg"
    return f"{width}px-{encoded}" + (".png" if lower.endswith((".webp", ".svg")) else "")


def page_path(title: str) -> str:
    """The path of a page below /wiki, percent-encoded."""
    return quote(title.replace(" ", "_"), safe="!*(),:;@$/")
