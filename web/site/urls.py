"""Addresses: back into the site, and out to the wikis."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from flask import request, url_for

from store.detection.faces import Chip
from web.site.services import settings
from wiki import addresses

_NUMBER = 9_007_199_254_740_993  # no id is as large


def local_target(target: str | None, otherwise: str = "/") -> str:
    """`target` where it is a path of this site, else `otherwise`: nobody is sent elsewhere from here."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return otherwise
    if "\\" in target or any(ord(letter) < 32 or ord(letter) == 127 for letter in target):
        return otherwise
    return target


def _page(base: str, title: str) -> str:
    return f"{base}/{quote(title.replace(' ', '_'), safe=':/(),!*')}"


def file_page(title: str) -> str:
    """A file's page on Commons; `title` without "File:"."""
    return _page(settings().commons_pages, f"File:{title}")


def category_page(name: str) -> str:
    """A category's page on Commons; `name` without "Category:"."""
    return _page(settings().commons_pages, f"Category:{name}")


def user_page(name: str) -> str:
    """A user's page on Commons."""
    return _page(settings().commons_pages, f"User:{name}")


def item_page(item: str) -> str:
    """An item's page on Wikidata."""
    return _page(settings().wikidata_pages, item)


def diff_page(revision: int) -> str:
    """What a revision changed, on Commons."""
    return _page(settings().commons_pages, f"Special:Diff/{revision}")


def batch_page(hex_: str) -> str:
    """A batch of edits at EditGroups, by the number in its summaries."""
    return f"https://editgroups-commons.toolforge.org/b/CB/{hex_}/"


def page_url(page: int, query: Mapping[str, str]) -> str:
    """The address of another page of the list that is shown, with the same filters."""
    values: dict[str, Any] = {**(request.view_args or {}), **query, "page": page}
    return url_for(request.endpoint or "", **values)


def url_pattern(endpoint: str, name: str, **values: Any) -> Callable[[int], str]:
    """Addresses that differ in one number, the argument `name`: put together once instead of for every row of a page."""
    arguments: dict[str, Any] = {**values, name: _NUMBER}
    start, _, end = url_for(endpoint, **arguments).partition(str(_NUMBER))
    return lambda number: f"{start}{number}{end}"


def chip_url(project_id: int, of: Chip) -> str:
    """Return the address of a face's chip; another version has another address, so that browsers can keep it for long."""
    return url_for("pictures.chip", project_id=project_id, face_id=of.face_id, v=of.version)


def chip_urls(project_id: int) -> Callable[[Chip], str]:
    """The addresses of chips, as `chip` gives them."""
    of_face = url_pattern("pictures.chip", "face_id", project_id=project_id)
    return lambda chip: f"{of_face(chip.face_id)}?v={chip.version}"


def rendering(thumb_url: str, width: int) -> str:
    """The address of a smaller rendering than the 960 px one, for a small place; as it is where the file itself is smaller.

    `width`: one of those that Wikimedia renders (20, 40, 60, 120, 250, 330, 500); it refuses others.
    """
    return addresses.resized(thumb_url, width)
