"""What a list of things was asked to do: chosen ids, filter, order and page, from an address, a form or JSON."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import request

from store.labelling.review import SHOWS, SORTS, Show, Sort
from web.labelling.answer_forms import number
from web.site.errors import BadInput
from web.site.text import gettext

MOST_CHOSEN = 1000
# Where a human has spoken, what they said last comes first; elsewhere what the model is surest of.
_FIRST_SORT: dict[Show, Sort] = {"approved": "newest", "confirmed": "newest", "rejected": "newest", "drawn": "newest"}


@dataclass(frozen=True)
class View:
    """Which part of the faces is looked at; `page` counts from 1."""

    show: Show
    sort: Sort
    page: int

    def query(self) -> dict[str, Any]:
        """Its part of an address."""
        return {"show": self.show, "sort": self.sort, "page": self.page}


def view() -> View:
    """The address's `show`, `sort` and `page`; what is not known gives the first of each."""
    show = shown(request.args.get("show"))
    sort = next((sort for sort in SORTS if sort == request.args.get("sort")), _FIRST_SORT.get(show, "certainty"))
    page = request.args.get("page", 1, type=int)
    return View(show, sort, min(max(1, page), 1_000_000))


def shown(name: str | None) -> Show:
    """The filter of that name, or the first."""
    return next((show for show in SHOWS if show == name), "matches")


def body() -> dict[str, Any]:
    """What was sent, as JSON or as a form. Raises BadInput."""
    if not request.is_json:
        return {**request.form.to_dict(), **{name: request.form.getlist(name) for name in ("faces", "edits", "pages")}}
    sent = request.get_json(silent=True)
    if not isinstance(sent, dict):
        raise BadInput(gettext("The request was not understood."))
    return sent


def ids(sent: Any) -> list[int]:
    """Ids in a list, or in texts with commas, each once. Raises BadInput where one is none, or too many are given."""
    listed = sent if isinstance(sent, list) else [] if sent is None else [sent]
    parts = [part for item in listed for part in (item.split(",") if isinstance(item, str) else [item])]
    found = list(dict.fromkeys(number(part.strip() if isinstance(part, str) else part) for part in parts if part != ""))
    if len(found) > MOST_CHOSEN:
        raise BadInput(gettext("At most %(most)d can be chosen at once.", most=MOST_CHOSEN))
    return found


def some(sent: Any) -> list[int]:
    """As `ids`, at least one. Raises BadInput."""
    found = ids(sent)
    if not found:
        raise BadInput(gettext("Nothing is chosen. Go back, choose at least one, and try again."))
    return found


def switch(sent: Any) -> bool:
    """Whether a field says yes."""
    return sent in (1, True, "1", "true", "on")


def moment(sent: Any) -> datetime | None:
    """When the page was made, as it says itself; None where it does not."""
    try:
        return datetime.fromisoformat(str(sent)) if sent else None
    except ValueError:
        return None
