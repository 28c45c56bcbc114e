"""Find files with the search of Commons, or from PagePile lists."""

from collections.abc import Iterator
from dataclasses import dataclass

import requests

from wiki.answers import inner, number, objects, text
from wiki.client import Client, Params
from wiki.errors import GiveUp, Reason
from wiki.meaning import meaning_of_status
from wiki.names import bare_title, category_title

MOST_HITS = 10_000  # CirrusSearch returns no more
_PAGE = 500


@dataclass(frozen=True)
class Hit:
    page_id: int
    title: str


@dataclass(frozen=True)
class PagePile:
    """A list of pages. `wiki` is a database name (commonswiki); titles carry their namespace."""

    wiki: str
    titles: tuple[str, ...]


def haswbstatement(item: str, property_id: str = "P180") -> str:
    """Return the query term for files with this statement."""
    return f"haswbstatement:{property_id}={item}"


def incategory(title: str) -> str:
    """Return the query term for files directly in the category. Raises InvalidName."""
    return f"incategory:{_quoted(title)}"


def search(client: Client, query: str, limit: int = MOST_HITS) -> Iterator[list[Hit]]:
    """Yield matching files, up to 500 at a time, at most `limit` or 10,000 in all. Raises WikiError."""
    left = min(limit, MOST_HITS)
    params: Params = {"list": "search", "srsearch": query, "srnamespace": 6, "srlimit": min(_PAGE, left), "srprop": ""}
    for answer in client.query({**params, "srinfo": "totalhits"}):
        found = objects(answer.get("query"), "search")
        hits = [Hit(page_id, text(hit, "title")) for hit in found if (page_id := number(hit, "pageid"))]
        yield hits[:left]
        left -= len(hits)
        if left <= 0 or not found or number(inner(answer, "continue"), "sroffset") >= MOST_HITS:
            return


def count(client: Client, query: str) -> int:
    """Return the number of matching files. Raises WikiError."""
    params: Params = {"action": "query", "list": "search", "srsearch": query, "srnamespace": 6, "srlimit": 1}
    answer = client.get({**params, "srinfo": "totalhits", "srprop": ""})
    return number(inner(answer, "query", "searchinfo"), "totalhits")


def pagepile(client: Client, pile: int) -> PagePile:
    """Return the pages of a PagePile. Raises GiveUp `missing` where there is no such pile, WikiError."""
    params = {"id": str(pile), "action": "get_data", "doit": "1", "format": "json"}
    request = requests.Request("GET", client.endpoints.pagepile, params=params)
    answer = client.patiently(lambda: client.exchange(request))
    if answer.status != 200:
        raise meaning_of_status(answer)
    # PagePile prints its errors as plain text, with status 200.
    content = answer.json_object() or {}
    pages = content.get("pages")
    if not isinstance(pages, list) or not text(content, "wiki"):
        raise GiveUp(Reason.MISSING, "no-such-pile", str(pile))
    titles = (title.replace("_", " ") for title in pages if isinstance(title, str))
    return PagePile(text(content, "wiki", 50), tuple(dict.fromkeys(titles)))


def _quoted(title: str) -> str:
    return '"' + bare_title(category_title(title)).replace("\\", "\\\\").replace('"', '\\"') + '"'
