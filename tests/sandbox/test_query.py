"""Read requests: paging, generators, loops, redirects, search and the query service."""

from typing import Any

import pytest
import requests

from sandbox.endpoints import sparql
from sandbox.server import Sandbox
from testing.waiting import PATIENCE
from tests.sandbox.clients import Client

MIXED = "Category:Photographs with Ada Lovelace"
ITEM = "Q6279"


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    """A client that is not signed in."""
    return Client(sandbox)


def _many(client: Client, number: int) -> str:
    """Create a category with this number of files."""
    title = client.members("Category:Joe Biden")[0]["title"]
    for index in range(number):
        given = {"title": f"Many {index:04}.jpg", "with": title, "categories": ["Category:Many"]}
        client.admin("edit", {"kind": "upload", **given})
    return "Category:Many"


def test_members_are_listed_in_pages_of_500_without_gaps(sandbox: Sandbox, client: Client) -> None:
    with sandbox.world.lock:  # They are created directly: 1,203 requests would only measure the connection.
        source = next(page for page in sandbox.world.state.pages.values() if page.versions)
        for index in range(1203):
            page = sandbox.world.add_page(f"File:Many {index:04}.jpg", categories=["Category:Many"])
            page.versions = source.versions
    rows: list[dict[str, Any]] = []
    sizes: list[int] = []
    more: dict[str, str] = {}
    while True:
        asked = {"list": "categorymembers", "cmtitle": "Category:Many", "cmlimit": "max", "cmtype": "file", **more}
        body = client.get(**asked)
        rows += body["query"]["categorymembers"]
        sizes.append(len(body["query"]["categorymembers"]))
        if "continue" not in body:
            break
        more = body["continue"]
    assert sizes == [500, 500, 203]
    assert [row["title"] for row in rows] == [f"File:Many {index:04}.jpg" for index in range(1203)]
    counted = client.get(prop="categoryinfo", titles="Category:Many")["query"]["pages"][0]
    assert counted["missing"] is True
    assert counted["categoryinfo"]["files"] == 1203


def test_generator_returns_50_thumbnails_per_response(client: Client) -> None:
    category = _many(client, 120)
    asked: dict[str, Any] = {"generator": "categorymembers", "gcmtitle": category, "gcmlimit": 500}
    asked |= {"prop": "imageinfo", "iiprop": "url|size", "iiurlwidth": 250}
    filled: list[set[int]] = []
    body = client.get(**asked)
    while True:
        assert len(body["query"]["pages"]) == 120, "the same pages come each time"
        filled.append({page["pageid"] for page in body["query"]["pages"] if "imageinfo" in page})
        if body.get("batchcomplete"):
            break
        assert body["continue"]["continue"] == "||"
        body = client.get(**asked, **body["continue"])
    assert [len(one) for one in filled] == [50, 50, 20]
    assert len(set.union(*filled)) == 120


def test_members_can_be_listed_since_a_time(client: Client) -> None:
    rows = client.members("Category:Joe Biden", cmprop="title|timestamp", cmsort="timestamp")
    times = [row["timestamp"] for row in rows]
    assert times == sorted(times)
    since = client.members("Category:Joe Biden", cmprop="title|timestamp", cmsort="timestamp", cmstart=times[3])
    assert since == rows[3:]
    newest = client.members(
        "Category:Joe Biden", cmprop="title|timestamp", cmsort="timestamp", cmdir="desc", cmend=times[3]
    )
    assert newest == rows[:2:-1]


def test_categories_contain_loops(client: Client) -> None:
    def below(title: str) -> list[str]:
        rows = client.members(title, cmtype="subcat")
        return [row["title"] for row in rows]

    album = f"{MIXED}, album"
    assert below(MIXED) == [album]
    assert below(album) == [MIXED]


def test_category_contains_files_that_are_no_photographs(client: Client) -> None:
    titles = {row["title"] for row in client.members(MIXED)}
    traps = {"Interview with Ada Lovelace.ogg", "Biography of Ada Lovelace.pdf", "Ada Lovelace old name.jpg"}
    assert {f"File:{name}" for name in traps | {"Ada Lovelace failed upload.jpg"}} <= titles
    asked = {"titles": "File:Interview with Ada Lovelace.ogg|File:Ada Lovelace failed upload.jpg"}
    pages = client.get(prop="imageinfo", iiprop="mime|mediatype|size", **asked)["query"]["pages"]
    assert pages[0]["imageinfo"][0]["mediatype"] == "AUDIO"
    assert pages[1] == pages[1] | {"imagerepository": ""}
    assert "missing" not in pages[1]


def test_redirect_has_the_file_of_its_target_and_its_own_id(client: Client) -> None:
    title = "File:Ada Lovelace old name.jpg"
    asked = {"titles": title, "prop": "imageinfo|info", "iiprop": "sha1|url"}
    trap = client.get(**asked)["query"]["pages"][0]
    resolved = client.get(**asked, redirects=1)["query"]
    target = resolved["pages"][0]
    assert trap["title"] == title
    assert trap["redirect"] is True
    assert trap["imageinfo"] == target["imageinfo"]
    assert trap["pageid"] != target["pageid"]
    assert resolved["redirects"] == [{"from": title, "to": target["title"]}]


def test_more_than_50_titles_and_invalid_numbers_are_refused(client: Client) -> None:
    many = "|".join(f"File:{number}.jpg" for number in range(51))
    assert client.get(titles=many, prop="info")["error"]["code"] == "toomanyvalues"
    assert client.get(list="categorymembers", cmtitle=MIXED, cmlimit="x")["error"]["code"] == "badinteger"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (f"haswbstatement:P180={ITEM}", 3),
        (f'haswbstatement:P180={ITEM} incategory:"Joe Biden"', 3),
        (f'haswbstatement:P180={ITEM} incategory:"Ada Lovelace"', 0),
        (f'-haswbstatement:P180={ITEM} incategory:"Joe Biden"', 5),
        (f'haswbstatement:P180={ITEM}|P180=Q1 incategory:"Joe Biden"', 3),
        ('deepcategory:"Joe Biden" biden', 8),
        ("haswbstatement:P180=Q1", 0),
        ("haswbstatement:P180", 6),
        ('filetype:audio incategory:"Photographs with Joe Biden"', 1),
        ("nobody ever wrote this", 0),
    ],
)
def test_search_supports_the_keywords_of_commons(client: Client, words: str, found: int) -> None:
    body = client.get(list="search", srsearch=words, srnamespace=6)
    assert body["query"]["searchinfo"]["totalhits"] == found
    assert len(body["query"]["search"]) == min(found, 10)


def test_search_continues_by_offset(client: Client) -> None:
    asked = {"list": "search", "srsearch": 'incategory:"Ada Lovelace"', "srnamespace": 6, "srlimit": 5}
    first = client.get(**asked)
    rest = client.get(**asked, **first["continue"])
    assert first["continue"] == {"sroffset": 5, "continue": "-||"}
    assert len({row["pageid"] for row in first["query"]["search"] + rest["query"]["search"]}) == 10


QUERY = "SELECT ?file WHERE { ?file wdt:P180 wd:Q6279 . }"


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        (QUERY, 3),
        (QUERY + " LIMIT 2", 2),
        (QUERY + " LIMIT 5 OFFSET 2", 1),
        ("SELECT ?file WHERE { ?file wdt:P180 <http://www.wikidata.org/entity/Q6279> }", 3),
        ("SELECT ?file ?item WHERE { VALUES ?item { wd:Q6279 wd:Q76 } ?file wdt:P180 ?item }", 3),
        ('SELECT ?file { ?file wdt:P180 wd:Q6279 . SERVICE wikibase:mwapi { bd:x "Category:Joe Biden" } }', 3),
        ('SELECT ?file { ?file wdt:P180 wd:Q6279 . SERVICE wikibase:mwapi { bd:x "Category:Nobody" } }', 0),
        ("SELECT (COUNT(?file) AS ?n) WHERE { ?file p:P180/ps:P180 wd:Q6279 }", 1),
    ],
)
def test_query_service_answers_the_depicts_query(client: Client, query: str, rows: int) -> None:
    answer = requests.post(f"{client.base}/sparql", data={"query": query, "format": "json"}, timeout=PATIENCE)
    assert answer.headers["Content-Type"].startswith("application/sparql-results+json")
    bindings = answer.json()["results"]["bindings"]
    assert len(bindings) == rows
    if rows and "COUNT" not in query:
        assert bindings[0]["file"]["value"].startswith(f"{sparql.ENTITY}M")


def test_query_service_distinguishes_ranks(client: Client) -> None:
    free = [row["title"] for row in client.admin("state")["files"] if row["has_file"] and not row["depicts"]][:3]
    for title, rank in zip(free, ("normal", "preferred", "deprecated"), strict=True):
        client.admin("edit", {"kind": "add_statement", "title": title, "value": "Q76", "rank": rank})
    client.admin("edit", {"kind": "add_statement", "title": free[0], "value": "Q5", "rank": "preferred"})
    before = len(_bindings(client, "?file wdt:P180 wd:Q6279 ."))
    statement = "?s ps:P180 wd:Q76 . ?file p:P180 ?s ."
    rank = "?s wikibase:rank ?rank . FILTER(?rank != wikibase:DeprecatedRank)"
    without = "MINUS { ?s wikibase:rank <http://wikiba.se/ontology#DeprecatedRank> }"
    best = _bindings(client, "?file wdt:P180 wd:Q76 .")
    every = _bindings(client, statement)
    assert len(every) - len(best) == 2
    assert len(every) - len(_bindings(client, statement + rank)) == 1
    assert len(every) - len(_bindings(client, statement + without)) == 1
    assert len(_bindings(client, "?file p:P180/ps:P180 wd:Q6279 .")) == before


def _bindings(client: Client, pattern: str) -> list[object]:
    query = f"SELECT ?file WHERE {{ {pattern} }}"
    answer = requests.post(f"{client.base}/sparql", data={"query": query, "format": "json"}, timeout=5)
    found: list[object] = answer.json()["results"]["bindings"]
    return found


def test_query_service_refuses_unknown_queries_and_can_require_a_login(client: Client) -> None:
    for query in ("SELECT nonsense", "SELECT ?x WHERE { ?x wdt:P31 wd:Q5 }", "ASK { }"):
        assert requests.get(f"{client.base}/sparql", params={"query": query}, timeout=PATIENCE).status_code == 400
    client.admin("settings", {"sparql": "login"})
    answer = requests.get(f"{client.base}/sparql", params={"query": QUERY}, timeout=PATIENCE)
    assert [hop.status_code for hop in answer.history] == [302]
    assert answer.headers["Content-Type"].startswith("text/html")


def test_items_can_be_read_and_searched(client: Client) -> None:
    wanted = {"action": "wbgetentities", "ids": "Q6279|Q146|Q1", "props": "labels|claims", "languages": "en"}
    found = client.ask("GET", site="/wikidata", **wanted).json()["entities"]
    claims = found["Q6279"]["claims"]
    assert claims["P31"][0]["mainsnak"]["datavalue"]["value"]["id"] == "Q5"
    assert set(claims) == {"P31", "P373", "P18", "P569"}
    assert "P31" not in found["Q146"]["claims"]
    assert found["Q1"] == {"id": "Q1", "missing": ""}
    hits = client.ask("GET", site="/wikidata", action="wbsearchentities", search="joe", language="en").json()["search"]
    assert [hit["id"] for hit in hits] == ["Q6279"]


def test_pagepile_lists_a_category_by_its_page_id(client: Client) -> None:
    page = client.get(titles=MIXED)["query"]["pages"][0]["pageid"]
    body = requests.get(f"{client.base}/pagepile", params={"id": page, "format": "json"}, timeout=PATIENCE).json()
    assert body["wiki"] == "commonswiki"
    assert len(body["pages"]) == len(client.members(MIXED))
    nothing = requests.get(f"{client.base}/pagepile", params={"id": 1}, timeout=PATIENCE)
    assert (nothing.status_code, nothing.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")


def test_wiki_can_be_viewed_in_a_browser(client: Client) -> None:
    row = client.members("Category:Joe Biden")[1]
    for path, words in {
        "": "Category:Joe Biden",
        "Category:Joe_Biden": "depicts",
        row["title"]: "Structured data",
        ITEM: "president",
    }.items():
        answer = requests.get(f"{client.base}/wiki/{path}", timeout=PATIENCE)
        assert answer.status_code == 200
        assert words in answer.text
    assert requests.get(f"{client.base}/wiki/Nothing", timeout=PATIENCE).status_code == 404
