"""Resolve merged or deleted Wikidata items."""

from collections.abc import Sequence

from wiki.answers import inner, text
from wiki.client import Client, Params, batches
from wiki.names import is_item


def resolve(client: Client, items: Sequence[str]) -> dict[str, str | None]:
    """Return each item's current id: its own, the one it was merged into, or None if deleted. Raises WikiError."""
    found: dict[str, str | None] = {}
    for ids in batches([item for item in dict.fromkeys(items) if is_item(item)]):
        params: Params = {"action": "wbgetentities", "ids": ids, "props": "info"}
        answer = client.get(params, client.endpoints.wikidata_api)
        for item in ids:
            entity = inner(answer, "entities", item)
            current = text(entity, "id")
            found[item] = current if is_item(current) and "missing" not in entity else None
    return found
