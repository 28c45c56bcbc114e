"""Recorded responses of a real MediaWiki, a wiki like the recorded one, and the comparison of their structures."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from PIL import Image

from sandbox.state import names
from sandbox.state.model import Consumer, Entity, Item, Page, Revision, State, User, Version
from sandbox.state.statements import item_snak, new_guid, statement
from tests import recordings

CATEGORY = "Category:Portraits at Testival 2026"
STAMP = "2026-11-22T10:34:39Z"
MISSING_ITEMS = {"Q999999998", "Q999999990", "Q999999999"}


@dataclass(frozen=True)
class Recording:
    """One request and its response."""

    case: str
    at: str
    method: str
    path: str
    params: dict[str, str]
    status: int
    headers: dict[str, str]
    body: Any
    location: str
    bare_url: bool
    """Whether the parameters stood in the URL."""

    @property
    def header(self) -> str:
        """Return the MediaWiki-API-Error header, or ""."""
        return self.headers.get("MediaWiki-API-Error", "")


@cache
def all_recordings() -> tuple[Recording, ...]:
    """Return every case of the first recorded wiki whose request was recorded, in the order of recording."""
    found = [_read(case) for case in sorted(recordings.cases()) if "/" not in case]
    return tuple(sorted((one for one in found if one), key=lambda one: one.at))


def recording(case: str) -> Recording:
    """Return the case with this name."""
    return next(one for one in all_recordings() if one.case == case)


def _read(case: str) -> Recording | None:
    given = recordings.recording(case)
    if "request" not in given:
        return None
    asked, answered = given["request"], given["response"]
    parts = urlsplit(asked["url"])
    params = {name: str(value) for name, value in (asked.get("params") or {}).items()}
    inside = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Recording(
        case=case,
        at=given["recorded_at"],
        method=asked["method"],
        path=parts.path,
        params=params or inside,
        status=answered["status"],
        headers=answered["headers"],
        body=answered.get("body"),
        location=answered["headers"].get("Location", ""),
        bare_url=not params,
    )


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object inside a JSON value."""
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from walk(one)


def error_codes(body: Any) -> list[str]:
    """Return the codes of a response in either error format; codes hidden by the recorder come from the class's name."""
    if not isinstance(body, dict):
        return []
    if "errors" in body:
        return [error["code"] for error in body["errors"]]
    error = body.get("error")
    if not isinstance(error, dict):
        return [error] if error else []
    hidden = error["code"] == "REDACTED" and "errorclass" in error
    return [f"internal_api_error_{error['errorclass']}" if hidden else error["code"]]


def shape(value: Any) -> Any:
    """Return the structure of a JSON value: keys and types. Ids as keys are unified; objects of a list are merged."""
    if isinstance(value, dict):
        inner = [(_key(key), shape(one)) for key, one in value.items()]
        return {key: _together([one for name, one in inner if name == key]) for key, _ in inner}
    if isinstance(value, list):
        return [_together([shape(one) for one in value])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _key(key: str) -> str:
    return "ID" if re.fullmatch(r"-?\d+|[MQPmq]\d+", key) else key


def _together(shapes: list[Any]) -> Any:
    if all(isinstance(one, dict) for one in shapes):
        keys = dict.fromkeys(key for one in shapes for key in one)
        return {key: _together([one[key] for one in shapes if key in one]) for key in keys}
    kinds = list(dict.fromkeys(json.dumps(one, sort_keys=True) for one in shapes if one not in ([], {})))
    return json.loads(kinds[0]) if len(kinds) == 1 else (sorted(kinds) if kinds else shapes[0])


def pictures(folder: Path) -> dict[tuple[int, int, str], Path]:
    """Return pictures of the recorded sizes, by width, height and MIME type."""
    made: dict[tuple[int, int, str], Path] = {}
    suffixes = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif"}
    for info in _image_infos().values():
        key = (info["width"], info["height"], info.get("mime", "image/jpeg"))
        if key[2] in suffixes and key not in made:
            made[key] = folder / f"{key[0]}x{key[1]}.{suffixes[key[2]]}"
            Image.new("RGB", key[:2], "#6699cc").save(made[key])
    rotated = Image.new("RGB", (900, 600), "#cc9966")
    exif = Image.Exif()
    exif[0x0112] = 6
    made[600, 900, "rotated"] = folder / "rotated.jpg"
    rotated.save(made[600, 900, "rotated"], exif=exif)
    return made


@cache
def _image_infos() -> dict[str, dict[str, Any]]:
    """Return width, height and type of the files, by title."""
    found: dict[str, dict[str, Any]] = {}
    for one in all_recordings():
        for page in walk(one.body):
            if isinstance(page.get("imageinfo"), list) and page["imageinfo"] and "width" in page["imageinfo"][0]:
                found.setdefault(page["title"], {}).update(page["imageinfo"][0])
    return found


@cache
def _known_pages() -> dict[int, str]:
    """Return the title by page id; for moved files the newest title."""
    found: dict[int, str] = {}
    for one in all_recordings():
        for page in walk(one.body):
            number, title = page.get("pageid"), page.get("title")
            if isinstance(number, int) and isinstance(title, str) and page.get("ns") in (0, 6, 14):
                found[number] = title
        entities = re.findall(r"[Mm](\d+)", one.params.get("id", "") + one.params.get("entity", ""))
        for number in map(int, entities):
            if number < 700:
                found.setdefault(number, f"File:Unnamed {number}.jpg")
    return found


def wiki(folder: Path) -> State:
    """Return a wiki like the recorded one: the same pages, ids and categories, without statements."""
    made, state = pictures(folder), State(next_page=700, next_revision=900)
    for number, name in enumerate(["Admin", "Bob", "Alice", "Bobbot", "Newbie", "Blocked"], 1):
        state.users[name] = User(number, name, "2026-11-22T10:32:40Z")
    state.users["Bobbot"].groups.append("bot")
    redirects = {652: "File:Testival 2026 portrait renamed.jpg", 654: "File:Testival 2026 portrait 0001.jpg"}
    for number, title in _known_pages().items():
        page = Page(number, title, names.namespace_of(title), redirect=redirects.get(number))
        page.revisions.append(Revision(number, 0, "Admin", STAMP, "upload", text="Portrait at Testival 2026."))
        if page.namespace == 6 and number not in (652, 653, 654):
            page.versions.append(Version(str(_picture(made, title)), STAMP, "Admin"))
        state.pages[number] = page
    state.pages[141] = Page(
        141, "File:Testival 2026 portrait 0557.jpg", 6, list(state.pages[88].revisions), deleted=True
    )
    _categorise(state)
    _items(state)
    state.consumers = {"client": Consumer("client", "secret"), "basic": Consumer("basic", "secret", grants=["basic"])}
    return state


def _picture(made: dict[tuple[int, int, str], Path], title: str) -> Path:
    info = _image_infos().get(title, {})
    if title == "File:Exif rotated.jpg":
        return made[600, 900, "rotated"]
    return made.get((info.get("width", 0), info.get("height", 0), info.get("mime", "image/jpeg"))) or next(
        iter(made.values())
    )


def _categorise(state: State) -> None:
    for one in all_recordings():
        title = names.normalise(one.params.get("cmtitle", "")) or CATEGORY
        rows = (one.body or {}).get("query", {}).get("categorymembers", []) if isinstance(one.body, dict) else []
        for row in rows:
            if row["pageid"] in state.pages:
                state.pages[row["pageid"]].categories[title] = row.get("timestamp", STAMP)


def _items(state: State) -> None:
    text = " ".join(json.dumps(one.params) for one in all_recordings())
    for number, item in zip(
        itertools.count(5000), sorted(set(re.findall(r"Q[1-9]\d*", text)) - MISSING_ITEMS), strict=False
    ):
        label = "Tony Blair" if item == "Q9545" else f"item {item}"
        human = [statement(new_guid(item), item_snak("P31", "Q5"))]
        state.items[item] = Item(item, number, Entity({"en": label}, {"en": "an item"}, {"P31": human}), 1, STAMP)
