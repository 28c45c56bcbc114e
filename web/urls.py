"""Addresses: back into the site, and out to the wikis."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask import request, url_for

from web.services import settings

# Of a rendering as the wiki gives it: .../thumb/a/ab/Name.jpg/960px-Name.jpg, or with page1- or lossy-page1- before the width.
_RENDERED = re.compile(r"/((?:lossy-)?(?:page\d+-)?)960px-(?=[^/]*$)")


def local(target: str | None, otherwise: str = "/") -> str:
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


def rendering(thumb_url: str, width: int) -> str:
    """The address of a smaller rendering than the 960 px one, for a small place; as it is where the file itself is smaller.

    `width`: one of those that Wikimedia renders (20, 40, 60, 120, 250, 330, 500); it refuses others.
    """
    return _RENDERED.sub(rf"/\g<1>{width}px-", thumb_url)
