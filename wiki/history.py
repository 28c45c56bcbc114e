"""Page history: find out whether an edit was stored although its answer was lost."""

from wiki.answers import number, objects, text
from wiki.client import Client, Params

_LARGEST_REVISION = 2**63


def written_since(client: Client, page_id: int, base_revision: int, user: str, batch: str) -> int:
    """Return the newest revision after `base_revision` (0: any) by `user` whose summary has the batch's id, else 0.

    Needed when a statement is missing although its request may have succeeded: it may have been stored and then removed
    by a human, and must not be written again. Raises WikiError.
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
        return 0  # The newest fifty suffice: the edit was made minutes ago, or since the last backup.
    return 0
