"""Walk a category tree and yield its files in batches; a walk can be stopped and resumed."""

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
_PAGE = 500  # members in one answer
_MOST_STEPS = 2_000  # answers of one walk


@dataclass(frozen=True)
class WalkState:
    """Progress of a walk, which can be stored and resumed.

    `queue`: categories still to be read (title, depth). `met`: the titles of all categories found so far. `more`: the
    continuation for the first category of the queue. `limit`: "files" or "categories" if that limit left something out.
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
    """Up to 500 files found for the first time, and the state to resume from once they are stored."""

    members: tuple[Member, ...]
    state: WalkState


def start(titles: Sequence[str]) -> WalkState:
    """Return the first state of a walk through these categories. Raises InvalidName."""
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
    """Yield the files breadth first, reading each category once (loops are common) and yielding each file once.

    `seen`: page ids that are already stored; they are not yielded again, and count towards `max_files`.
    Raises WikiError; the walk can be resumed from the last state.
    """
    known = set(seen)
    for _ in range(_MOST_STEPS):
        if state.done:
            return
        members, state = _step(client, state, depth, max_categories)
        fresh = [member for member in members if member.page_id not in known]
        left = max(0, max_files - len(known))
        if len(fresh) > left:
            state = replace(state, queue=(), limit="files")
        known.update(member.page_id for member in fresh[:left])
        yield Batch(tuple(fresh[:left]), state)
    raise GiveUp(Reason.INVALID_REQUEST, "endless-continue", f"{_MOST_STEPS} answers")


def _step(client: Client, state: WalkState, depth: int, max_categories: int) -> tuple[list[Member], WalkState]:
    """Send one request for members of the first category in the queue; return its files and the next state."""
    (title, level), rest = state.queue[0], state.queue[1:]
    params: Params = {"action": "query", "list": "categorymembers", "cmtitle": title, "cmlimit": _PAGE}
    kinds = "file|subcat" if level < depth else "file"
    answer = client.get({**params, "cmtype": kinds, "cmprop": "ids|title|type", **state.more})
    members = objects(answer.get("query"), "categorymembers")
    children = _new_categories(members, state.met) if level < depth else []
    left = max(0, max_categories - len(state.met))
    limit = "categories" if len(children) > left else state.limit
    met = (*state.met, *children[:left])
    more = inner(answer, "continue")
    first = ((title, level),) if more and more != state.more else ()
    queue = (*first, *rest, *((child, level + 1) for child in children[:left]))
    return files_among(members, title), WalkState(queue, met, more if first else {}, limit)


def _new_categories(members: Sequence[JsonObject], met: Sequence[str]) -> list[str]:
    titles = (text(member, "title") for member in members if number(member, "ns") == 14)
    return [title for title in dict.fromkeys(titles) if title and title not in met]
