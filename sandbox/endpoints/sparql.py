"""The query service, limited to queries for files that depict an item.

There is no SPARQL engine; the supported forms are recognised by regular expressions.
"""

import re
from dataclasses import dataclass

from sandbox.action_api.search import below_category
from sandbox.state import names
from sandbox.state.model import Json
from sandbox.state.statements import Ranks
from sandbox.state.world import World

ENTITY = "https://commons.wikimedia.org/entity/"
_PREFIXED = re.compile(r"\bwd:(Q\d+)\b|<https?://www\.wikidata\.org/entity/(Q\d+)>")
_BEST = re.compile(r"\bwdt:P180\b|prop/direct/P180>")
_EVERY = re.compile(r"\bps:P180\b|prop/statement/P180>")
_NOT_DEPRECATED = re.compile(
    r"(?:!=|\bMINUS\b|\bNOT\s+EXISTS\b)[^}]*(?:wikibase:|ontology#)DeprecatedRank\b", re.IGNORECASE
)


class BadQuery(Exception):
    """The query has an unsupported form; the real service answers 400 with a stack trace as plain text."""


@dataclass
class ParsedQuery:
    """A parsed query: files that depict one of `items` with a statement of the given ranks, further restricted.

    `files`: page ids, None for all. `category`: title, "" for any; `deep`: subcategories are included.
    """

    items: list[str]
    ranks: Ranks
    files: set[int] | None
    category: str
    deep: bool
    limit: int | None
    offset: int
    variables: list[str]
    count: bool


def read(text: str) -> ParsedQuery:
    """Parse a query. Raises BadQuery."""
    bare = re.sub(r"(?m)(^|\s)#[^\n]*", " ", text)
    selected = re.search(r"SELECT\s+(DISTINCT\s+|REDUCED\s+)?(.*?)(?:WHERE\s*)?\{", bare, re.IGNORECASE | re.DOTALL)
    if not selected or bare.count("{") != bare.count("}"):
        raise BadQuery("MalformedQueryException: the query is no SELECT that can be read")
    items = [one or two for one, two in _PREFIXED.findall(bare)]
    ranks = _ranks(bare)
    if ranks is None or not items:
        raise BadQuery("MalformedQueryException: only queries for P180 of an item are answered here")
    files = {int(number) for number in re.findall(r"(?:sdc:|commons\.wikimedia\.org/entity/)M(\d+)", bare)}
    category = re.search(r'"(Category:(?:[^"\\]|\\.)+)"', bare)
    limit = re.search(r"\bLIMIT\s+(\d+)", bare, re.IGNORECASE)
    offset = re.search(r"\bOFFSET\s+(\d+)", bare, re.IGNORECASE)
    return ParsedQuery(
        items=list(dict.fromkeys(items)),
        ranks=ranks,
        files=files or None,
        category=names.normalise(re.sub(r"\\(.)", r"\1", category[1])) or "" if category else "",
        deep=bool(category and re.search(r"deepcat|gcmtype.*subcat", bare)),
        limit=int(limit[1]) if limit else None,
        offset=int(offset[1]) if offset else 0,
        variables=re.findall(r"\?(\w+)", selected[2]) or ["file"],
        count=bool(re.search(r"COUNT\s*\(", selected[2], re.IGNORECASE)),
    )


def _ranks(query: str) -> Ranks | None:
    """Return the ranks that the query's predicates select, or None if it does not use P180.

    `wdt:` selects the statements of the best rank, `p:`/`ps:` those of all ranks.
    """
    if _BEST.search(query):
        return "best"
    if not _EVERY.search(query):
        return None
    return "not deprecated" if _NOT_DEPRECATED.search(query) else "all"


def answer(world: World, text: str) -> Json:
    """Return the results of a query as an application/sparql-results+json object. Raises BadQuery."""
    query = read(text)
    rows = _rows(world, query)
    if query.count:
        number = {"type": "literal", "datatype": "http://www.w3.org/2001/XMLSchema#integer", "value": str(len(rows))}
        name = query.variables[-1]
        return {"head": {"vars": [name]}, "results": {"bindings": [{name: number}]}}
    rows = rows[query.offset :][: query.limit]
    bindings = [_binding(query, number, item) for number, item in rows]
    return {"head": {"vars": query.variables}, "results": {"bindings": bindings}}


def _rows(world: World, query: ParsedQuery) -> list[tuple[int, str]]:
    rows = [(number, item) for item in query.items for number in world.depicting(item, query.ranks)]
    rows = [row for row in rows if world.state.pages[row[0]].namespace == 6]
    if query.files is not None:
        rows = [row for row in rows if row[0] in query.files]
    if query.category:
        within = below_category(world, query.category) if query.deep else {query.category}
        rows = [row for row in rows if within & set(world.state.pages[row[0]].categories)]
    return rows


def _binding(query: ParsedQuery, number: int, item: str) -> Json:
    """Return one result row; variables whose name suggests an item get the item, all others the file."""
    row: Json = {}
    for name in query.variables:
        about_item = re.search(r"item|depict|person|human|value", name, re.IGNORECASE)
        uri = (
            f"http://www.wikidata.org/entity/{item}"
            if about_item and len(query.variables) > 1
            else f"{ENTITY}M{number}"
        )
        row[name] = {"type": "uri", "value": uri}
    return row
