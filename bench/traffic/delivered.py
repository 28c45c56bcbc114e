"""Check that different filters of a list page return different entries.

A filter whose name the page does not know would be silently ignored, and timed as if it worked.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

# Endpoint of a list page -> regular expression for the part of the response that identifies an entry.
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
    """Return the entries of a page in order, or None if the endpoint is not a list."""
    pattern = ENTRIES.get(endpoint)
    return None if pattern is None else tuple(match.group() for match in re.finditer(pattern, text))


def faults(listed: Iterable[tuple[str, str, tuple[str, ...] | None]]) -> dict[str, str]:
    """Return URL -> description for the lists that are wrong; `listed`: endpoint, URL and entries of each page.

    A list is wrong if it is empty or equal to that of another URL of the same endpoint.
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
