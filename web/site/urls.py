"""URLs of this site and of pages on the wikis."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from flask import request, url_for

from store.detection.faces import Chip
from web.site.services import settings
from wiki import addresses

_PLACEHOLDER = 9_007_199_254_740_993  # larger than any id


def local_target(target: str | None, otherwise: str = "/") -> str:
    """Return `target` if it is a path of this site, else `otherwise`; prevents redirects to other sites."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return otherwise
    if "\\" in target or any(ord(letter) < 32 or ord(letter) == 127 for letter in target):
        return otherwise
    return target


def _page(base: str, title: str) -> str:
    return f"{base}/{quote(title.replace(' ', '_'), safe=':/(),!*')}"


def file_page(title: str) -> str:
    """Return the URL of a file's page on Commons; `title` is without "File:"."""
    return _page(settings().commons_pages, f"File:{title}")


def category_page(name: str) -> str:
    """Return the URL of a category on Commons; `name` is without "Category:"."""
    return _page(settings().commons_pages, f"Category:{name}")


def user_page(name: str) -> str:
    """Return the URL of a user's page on Commons."""
    return _page(settings().commons_pages, f"User:{name}")


def item_page(item: str) -> str:
    """Return the URL of an item's page on Wikidata."""
    return _page(settings().wikidata_pages, item)


def diff_page(revision: int) -> str:
    """Return the URL of a revision's diff on Commons."""
    return _page(settings().commons_pages, f"Special:Diff/{revision}")


def batch_page(hex_: str) -> str:
    """Return the URL of a batch of edits in EditGroups; `hex_` is the batch number in the edit summaries."""
    return f"https://editgroups-commons.toolforge.org/b/CB/{hex_}/"


def page_url(page: int, query: Mapping[str, str]) -> str:
    """Return the URL of another page of the current list, with the same filters (`query`)."""
    values: dict[str, Any] = {**(request.view_args or {}), **query, "page": page}
    return url_for(request.endpoint or "", **values)


def url_pattern(endpoint: str, name: str, **values: Any) -> Callable[[int], str]:
    """Return a function that inserts a number, the argument `name`, into an otherwise fixed URL.

    It is faster than `url_for` for every row of a page.
    """
    arguments: dict[str, Any] = {**values, name: _PLACEHOLDER}
    start, _, end = url_for(endpoint, **arguments).partition(str(_PLACEHOLDER))
    return lambda number: f"{start}{number}{end}"


def chip_url(project_id: int, of: Chip) -> str:
    """Return the URL of a face's chip. Each version of a chip has its own URL, so browsers can cache it for long."""
    return url_for("pictures.chip", project_id=project_id, face_id=of.face_id, v=of.version)


def chip_urls(project_id: int) -> Callable[[Chip], str]:
    """Return a function that returns the same URLs as `chip`, but faster for many chips."""
    of_face = url_pattern("pictures.chip", "face_id", project_id=project_id)
    return lambda chip: f"{of_face(chip.face_id)}?v={chip.version}"


def rendering(thumb_url: str, width: int) -> str:
    """Return the URL of a smaller rendering than the 960 px one at `thumb_url`, which is returned if it is not wider.

    `width`: pixels, one of those that Wikimedia renders (20, 40, 60, 120, 250, 330, 500); it refuses others.
    """
    return addresses.resized(thumb_url, width)
