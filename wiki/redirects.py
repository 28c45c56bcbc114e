"""Where items of Wikidata lead: an item that was merged into another one leads there."""

from collections.abc import Sequence

from wiki.answers import inner, text
from wiki.client import Client, Params, batches
from wiki.names import is_item


def resolve(client: Client, items: Sequence[str]) -> dict[str, str | None]:
    """Each item and the one it is today: itself, what it was merged into, or None where it was deleted. Raises WikiError."""
    found: dict[str, str | None] = {}
    for ids in batches([item for item in dict.fromkeys(items) if is_item(item)]):
        params: Params = {"action": "wbgetentities", "ids": ids, "props": "info"}
        answer = client.get(params, client.endpoints.wikidata_api)
        for item in ids:
            entity = inner(answer, "entities", item)
            today = text(entity, "id")
            found[item] = today if is_item(today) and "missing" not in entity else None
    return found
