"""The sandbox's JSON admin interface: faults, edits by other users, the whole state for checks, and reset."""

import copy
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from sandbox import other_people
from sandbox.endpoints.media import world
from sandbox.faults.on_demand import POINTS, BadFault
from sandbox.state import names
from sandbox.state.model import Json, Page, State
from sandbox.state.people import known
from sandbox.state.statements import depicted
from sandbox.state.world import Counts

bp = Blueprint("admin", __name__, url_prefix="/sandbox")


def _refused(text: str, status: int = 400) -> tuple[Response, int]:
    return jsonify({"error": text}), status


@bp.get("/faults")
def faults() -> Response:
    """Return the pending faults, how often each kind was triggered, and all kinds."""
    return jsonify(world().faults.as_json() | {"kinds": POINTS})


@bp.post("/faults")
def change_faults() -> Response | tuple[Response, int]:
    """Clear or add faults: {"clear": true | "KIND"} and/or {"add": [FAULT, ...]}, or a single FAULT."""
    given = request.get_json()
    if not isinstance(given, dict):
        return _refused("An object is expected.")
    if "clear" in given:
        world().faults.clear(given["clear"] if isinstance(given["clear"], str) else "")
    added = given.get("add", [given] if "kind" in given else [])
    try:
        made = [asdict(world().faults.add(fault)) for fault in added]
    except (BadFault, TypeError) as error:
        return _refused(str(error))
    return jsonify({"added": made})


@bp.post("/edit")
def edit() -> Response | tuple[Response, int]:
    """Perform an action of another user: {"kind": KIND, ...}; see `other_people.KINDS`."""
    given = request.get_json()
    if not isinstance(given, dict) or given.get("kind") not in other_people.KINDS:
        return _refused(f"kind must be one of {', '.join(other_people.KINDS)}")
    try:
        with world().lock:
            return jsonify(other_people.KINDS[given["kind"]](world(), given) or {})
    except other_people.Impossible as error:
        return _refused(str(error), 404)
    except KeyError as error:
        return _refused(f"missing: {error.args[0]}")


@bp.get("/state")
def state() -> Response:
    """Return files, statements, edits, items, users and counts; `?title=` for one file only, `?files=0` for none."""
    with world().lock:
        return jsonify(_state(request.args.get("title", ""), files=request.args.get("files") != "0"))


def _state(title: str, *, files: bool) -> Json:
    here = world()
    pages = [page for page in here.state.pages.values() if page.namespace == 6] if files else []
    if title:
        wanted = names.normalise(title if ":" in title else f"File:{title}")
        pages = [page for page in here.state.pages.values() if page.title == wanted]
    return {
        "files": [_file(page) for page in pages],
        "categories": {name: len(members) for name, members in sorted(here.members.items())},
        "items": {number: item.entity.labels.get("en", "") for number, item in here.state.items.items()},
        "people": _people(),
        "users": {name: asdict(user) for name, user in here.state.users.items()},
        "edits": [asdict(edit) for edit in here.state.edits],
        "counts": {name: dict(counter) for name, counter in vars(here.counts).items()},
        "settings": asdict(here.settings),
        "faults": here.faults.as_json(),
    }


def _people() -> dict[str, str]:
    folders = {folder for page in world().state.pages.values() for folder in page.people}
    return {folder: known(folder).item for folder in sorted(folders)}


def _file(page: Page) -> Json:
    entity = page.last.entity
    return {
        "id": page.id,
        "title": page.title,
        "entity": f"M{page.id}",
        "people": page.people,
        "categories": sorted(page.categories),
        "redirect": page.redirect,
        "deleted": page.deleted,
        "has_file": bool(page.versions),
        "protection": page.protection,
        "lastrevid": page.last.id,
        "variant": page.versions[-1].recipe if page.versions else "",
        "depicts": depicted(entity),
        "statements": entity.all() if entity else [],
        "revisions": len(page.revisions),
    }


@bp.post("/settings")
def settings() -> Response | tuple[Response, int]:
    """Change settings of the running sandbox; the body maps field names of `Settings` to values."""
    given = request.get_json()
    known = asdict(world().settings)
    if not isinstance(given, dict) or set(given) - set(known):
        return _refused(f"There are {', '.join(known)}.")
    for name, value in given.items():
        if not isinstance(value, type(known[name])) and not (isinstance(known[name], float) and isinstance(value, int)):
            return _refused(f"{name} must be a {type(known[name]).__name__}")
        setattr(world().settings, name, value)
    return jsonify(asdict(world().settings))


@bp.post("/reset")
def reset() -> Response:
    """Restore the initial pages, items, users, edits, faults, counts and settings.

    With {"keep_tokens": true} users and their OAuth tokens are kept.
    """
    begin: Callable[[], State] = current_app.extensions["begin"]
    given: Any = request.get_json(silent=True) or {}
    here = world()
    with here.lock:
        fresh = copy.deepcopy(begin())
        if given.get("keep_tokens"):
            fresh.grants, fresh.users = here.state.grants, {**fresh.users, **here.state.users}
        here.use(fresh)
        here.faults.clear()
        here.faults.struck.clear()
        here.counts = Counts()
        here.settings = replace(here.first_settings)
    return jsonify({})
