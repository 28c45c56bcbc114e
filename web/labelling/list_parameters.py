"""Parsing of filter, sort, page and selection parameters from the URL, a form or JSON."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import request

from store.labelling.review import SHOWS, SORTS, Show, Sort
from web.labelling.answer_forms import parse_id
from web.site.errors import BadInput
from web.site.text import gettext

MOST_SELECTED = 1000
# Faces that humans answered about or approved are sorted by that time, all others by the model's certainty.
_FIRST_SORT: dict[Show, Sort] = {"approved": "newest", "confirmed": "newest", "rejected": "newest", "drawn": "newest"}


@dataclass(frozen=True)
class View:
    """Filter, order and page of the review; `page` counts from 1."""

    show: Show
    sort: Sort
    page: int

    def query(self) -> dict[str, Any]:
        """Return the query parameters of this view."""
        return {"show": self.show, "sort": self.sort, "page": self.page}


def parse_view() -> View:
    """Parse `show`, `sort` and `page` from the URL; unknown values are replaced by the default of each."""
    show = parse_filter(request.args.get("show"))
    sort = next((sort for sort in SORTS if sort == request.args.get("sort")), _FIRST_SORT.get(show, "certainty"))
    page = request.args.get("page", 1, type=int)
    return View(show, sort, min(max(1, page), 1_000_000))


def parse_filter(name: str | None) -> Show:
    """Return the filter of that name, or the default filter."""
    return next((show for show in SHOWS if show == name), "matches")


def parse_body() -> dict[str, Any]:
    """Return the request's JSON object or its form fields as a dictionary. Raises BadInput."""
    if not request.is_json:
        return {**request.form.to_dict(), **{name: request.form.getlist(name) for name in ("faces", "edits", "pages")}}
    fields = request.get_json(silent=True)
    if not isinstance(fields, dict):
        raise BadInput(gettext("The request was not understood."))
    return fields


def parse_selection(value: Any) -> list[int]:
    """Parse distinct ids from a list or from strings separated by commas. Raises BadInput for a bad id or too many."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    parts = [part for item in values for part in (item.split(",") if isinstance(item, str) else [item])]
    selected = list(
        dict.fromkeys(parse_id(part.strip() if isinstance(part, str) else part) for part in parts if part != "")
    )
    if len(selected) > MOST_SELECTED:
        raise BadInput(gettext("At most %(most)d can be chosen at once.", most=MOST_SELECTED))
    return selected


def parse_nonempty_selection(value: Any) -> list[int]:
    """Parse ids as `parse_selection` does, and require at least one. Raises BadInput."""
    selected = parse_selection(value)
    if not selected:
        raise BadInput(gettext("Nothing is chosen. Go back, choose at least one, and try again."))
    return selected


def parse_boolean(value: Any) -> bool:
    """Parse a boolean field."""
    return value in (1, True, "1", "true", "on")


def parse_time(value: Any) -> datetime | None:
    """Parse the time at which the page was rendered, as reported by the page; None if it is missing or malformed."""
    try:
        return datetime.fromisoformat(str(value)) if value else None
    except ValueError:
        return None
