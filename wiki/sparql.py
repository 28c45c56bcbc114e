"""Find files that depict an item with the SPARQL query service, or with the search if the service does not answer."""

from dataclasses import dataclass
from typing import Literal

import requests

from wiki.answers import Answer, inner, objects, text
from wiki.client import Client
from wiki.errors import EndpointRefuses, Reason, Wait
from wiki.meaning import meaning_of_status
from wiki.names import InvalidName, category_title, is_item, page_id_of
from wiki.search import haswbstatement, incategory, search

MOST_FILES = 1_000
_SECONDS = 65.0  # the service itself ends a query after 60
_PREFIXES = """\
PREFIX wd: <http://www.wikidata.org/entity/>
PREFIX p: <http://www.wikidata.org/prop/>
PREFIX ps: <http://www.wikidata.org/prop/statement/>
PREFIX wikibase: <http://wikiba.se/ontology#>
"""
# Not `wdt:`, which hides the statements of normal rank of a file where another one is preferred.
_DEPICTS = """\
  ?statement ps:P180 wd:{item} ; wikibase:rank ?rank .
  FILTER (?rank != wikibase:DeprecatedRank)
  ?file p:P180 ?statement .
"""
_WITHIN = """\
  SERVICE <http://wikiba.se/ontology#mwapi> {{
    <http://www.bigdata.com/rdf#serviceParam> <http://wikiba.se/ontology#api> "Generator" ;
      <http://wikiba.se/ontology#endpoint> "commons.wikimedia.org" ;
      <https://www.mediawiki.org/ontology#API/generator> "categorymembers" ;
      <https://www.mediawiki.org/ontology#API/gcmtitle> {title} ;
      <https://www.mediawiki.org/ontology#API/gcmtype> "file" ;
      <https://www.mediawiki.org/ontology#API/gcmlimit> "max" .
    ?page <http://wikiba.se/ontology#apiOutput> "@pageid" .
  }}
  BIND (URI(CONCAT("https://commons.wikimedia.org/entity/M", ?page)) AS ?file)
"""


@dataclass(frozen=True)
class Depicting:
    """Page ids of files that state the item, and the service that returned them."""

    page_ids: tuple[int, ...]
    source: Literal["sparql", "search"]


def depicting(client: Client, item: str, category: str | None = None, limit: int = MOST_FILES) -> Depicting:
    """Return files that depict the item, from the query service or, if that fails, the search. Raises WikiError."""
    try:
        return Depicting(tuple(files_depicting(client, item, category, limit)), "sparql")
    except (EndpointRefuses, Wait):
        return Depicting(tuple(files_depicting_by_search(client, item, category, limit)), "search")


def files_depicting(client: Client, item: str, category: str | None = None, limit: int = MOST_FILES) -> list[int]:
    """Return page ids, each once, from the query service; it is asked once, because queries are expensive.

    Raises EndpointRefuses (it requires a login, or rejects the query), Wait, InvalidName.
    """
    query = _query(item, category, limit)
    request = requests.Request(
        "POST",
        client.endpoints.sparql,
        data={"query": query, "format": "json"},
        headers={"Accept": "application/sparql-results+json"},
    )
    answer = client.exchange(request, seconds=_SECONDS)
    rows = objects(inner(_result(answer), "results"), "bindings")
    found = (page_id_of(text(inner(row, "file"), "value")) for row in rows)
    return list(dict.fromkeys(page_id for page_id in found if page_id))[:limit]


def files_depicting_by_search(
    client: Client, item: str, category: str | None = None, limit: int = MOST_FILES
) -> list[int]:
    """Return page ids from the search: some minutes behind the edits, and including deprecated statements.

    Raises InvalidName, WikiError.
    """
    if not is_item(item):
        raise InvalidName(item)
    words = [haswbstatement(item), *([incategory(category)] if category else [])]
    found = [hit.page_id for hits in search(client, " ".join(words), limit) for hit in hits]
    return list(dict.fromkeys(found))[:limit]


def _query(item: str, category: str | None, limit: int) -> str:
    if not is_item(item):
        raise InvalidName(item)
    within = _WITHIN.format(title=_literal(category_title(category))) if category else ""
    return f"{_PREFIXES}SELECT DISTINCT ?file WHERE {{\n{within}{_DEPICTS.format(item=item)}}} LIMIT {int(limit)}"


def _literal(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _result(answer: Answer) -> dict[str, object]:
    content = answer.json_object()
    if answer.status == 200 and content is not None and isinstance(inner(content, "results").get("bindings"), list):
        return content
    error = meaning_of_status(answer)
    if isinstance(error, Wait) and error.reason is not Reason.NOT_JSON:
        raise error
    raise EndpointRefuses(Reason.LOGIN_WANTED, error.code, error.text)
