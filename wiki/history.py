"""The revisions of a page since a known one: whether an edit of ours was stored although its answer never came."""

from wiki.answers import number, objects, text
from wiki.client import Client, Params

_LARGEST_REVISION = 2**63


def written_since(client: Client, page_id: int, base_revision: int, user: str, batch: str) -> int:
    """The newest revision after `base_revision` (0: of all) by `user` whose summary carries the batch's hex; 0: none.

    Asked where a statement of ours is not there although its request may have been served: it may have been stored and
    then removed by a human, and must not be brought back. Raises WikiError.
    """
    params: Params = {
        "prop": "revisions",
        "pageids": [page_id],
        "rvprop": "ids|user|comment",
        "rvlimit": 50,
    }
    if base_revision:
        params["rvendid"] = base_revision + 1
    for answer in client.query(params):
        for page in objects(answer.get("query"), "pages"):
            for revision in objects(page, "revisions"):
                written = number(revision, "revid", _LARGEST_REVISION)
                ours = text(revision, "user") == user and f"/{batch}|" in text(revision, "comment")
                if written > base_revision and ours:
                    return written
        return 0  # the newest fifty are enough: it was minutes ago, or since the last backup
    return 0
