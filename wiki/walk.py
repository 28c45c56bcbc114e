"""Walking a category tree for its files, in batches, so that the walk can be stopped and taken up again."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from wiki.answers import JsonObject, inner, number, objects, text
from wiki.categories import Member, files_among
from wiki.client import Client, Params
from wiki.errors import GiveUp, Reason
from wiki.names import category_title

MAX_FILES = 9_000
MAX_CATEGORIES = 200
_PAGE = 500
_MOST_STEPS = 2_000


@dataclass(frozen=True)
class WalkState:
    """Where a walk stands: what is still to be read (title, depth), what was met, and how far the first one was read.

    `limit`: "files" or "categories" when that limit left something out.
    """

    queue: tuple[tuple[str, int], ...]
    met: tuple[str, ...]
    more: JsonObject
    limit: str = ""

    @property
    def done(self) -> bool:
        return not self.queue

    def to_json(self) -> str:
        return json.dumps([self.queue, self.met, self.more, self.limit], ensure_ascii=False)

    @classmethod
    def from_json(cls, written: str) -> "WalkState":
        queue, met, more, limit = json.loads(written)
        return cls(tuple((title, depth) for title, depth in queue), tuple(met), more, limit)


@dataclass(frozen=True)
class Batch:
    """Up to 500 files met for the first time, and the state to go on from once they are kept."""

    members: tuple[Member, ...]
    state: WalkState


def start(titles: Sequence[str]) -> WalkState:
    """A walk from these categories. Raises InvalidName."""
    roots = tuple(dict.fromkeys(category_title(title) for title in titles))
    return WalkState(tuple((root, 0) for root in roots), roots, {})


def walk(
    client: Client,
    state: WalkState,
    depth: int,
    *,
    seen: Iterable[int] = (),
    max_files: int = MAX_FILES,
    max_categories: int = MAX_CATEGORIES,
) -> Iterator[Batch]:
    """Breadth first, each category and file once (loops are common). Raises WikiError; go on later from the last state.

    `seen`: page ids that are kept already; they are not given again, and count towards `max_files`.
    """
    known = set(seen)
    for _ in range(_MOST_STEPS):
        if state.done:
            return
        members, state = _step(client, state, depth, max_categories)
        fresh = [member for member in members if member.page_id not in known]
        room = max(0, max_files - len(known))
        if len(fresh) > room:
            state = replace(state, queue=(), limit="files")
        known.update(member.page_id for member in fresh[:room])
        yield Batch(tuple(fresh[:room]), state)
    raise GiveUp(Reason.INVALID_REQUEST, "endless-continue", f"{_MOST_STEPS} answers")


def _step(client: Client, state: WalkState, depth: int, max_categories: int) -> tuple[list[Member], WalkState]:
    """One request: members of the first category of the queue."""
    (title, level), rest = state.queue[0], state.queue[1:]
    params: Params = {"action": "query", "list": "categorymembers", "cmtitle": title, "cmlimit": _PAGE}
    kinds = "file|subcat" if level < depth else "file"
    answer = client.get({**params, "cmtype": kinds, "cmprop": "ids|title|type", **state.more})
    members = objects(answer.get("query"), "categorymembers")
    children = _new_categories(members, state.met) if level < depth else []
    room = max(0, max_categories - len(state.met))
    limit = "categories" if len(children) > room else state.limit
    met = (*state.met, *children[:room])
    more = inner(answer, "continue")
    first = ((title, level),) if more and more != state.more else ()
    queue = (*first, *rest, *((child, level + 1) for child in children[:room]))
    return files_among(members, title), WalkState(queue, met, more if first else {}, limit)


def _new_categories(members: Sequence[JsonObject], met: Sequence[str]) -> list[str]:
    titles = (text(member, "title") for member in members if number(member, "ns") == 14)
    return [title for title in dict.fromkeys(titles) if title and title not in met]
