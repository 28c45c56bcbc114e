"""What a page of a list really listed: an address that asks for something else has to give something else.

A filter whose name the page does not know would be ignored without a word, and timed as if it worked.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

# What stands for an entry, where a page lists some: endpoint -> the part of its text that names one.
_FILE = r'File:[^"\\]+'
ENTRIES = {
    "batches.page": _FILE,
    "batches.listed": _FILE,
    "classify.page": r'"page": ?\d+',
    "classify.questions": r'"page": ?\d+',
    "classify.steps": r'"step": ?"[^"]+"',
    "dashboard.index": r'<h2><a href="[^"]+"',
    "files.page": r'data-page="\d+"',
    "leaderboard.index": r"<tr\b",
    "publishing.doubted": _FILE,
    "publishing.history": r"/batches/\d+",
    "publishing.page": _FILE,
    "publishing.removals": _FILE,
    "review.grid": r'data-face=\\"\d+',
    "review.listed": r'"face": ?\d+',
    "review.page": r'data-face="\d+"',
}


def entries(endpoint: str, text: str) -> tuple[str, ...] | None:
    """What the page listed, in its order; None where it is no list."""
    pattern = ENTRIES.get(endpoint)
    return None if pattern is None else tuple(match.group() for match in re.finditer(pattern, text))


def faults(listed: Iterable[tuple[str, str, tuple[str, ...] | None]]) -> dict[str, str]:
    """Address -> what is wrong with what it delivered, given endpoint, address and entries of each.

    A list is empty, or it is the same as that of another address of its endpoint: what was asked for was not looked at.
    """
    found: dict[str, str] = {}
    first: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
    for endpoint, path, names in listed:
        if names is None:
            continue
        if not names:
            found[path] = "lists nothing"
        elif names in first[endpoint]:
            found[path] = f"lists the same as {first[endpoint][names]}"
        else:
            first[endpoint][names] = path
    return found
