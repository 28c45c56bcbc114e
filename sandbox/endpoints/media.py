"""Endpoints for originals and renderings of files, and the redirects that lead to them."""

import mimetypes
import re
from pathlib import Path
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, current_app, redirect, request, send_file
from werkzeug.wrappers import Response as AnyResponse

from sandbox.action_api.props import archive_name
from sandbox.state import names
from sandbox.state.model import Page, Version
from sandbox.state.pictures import STEPS, rendering
from sandbox.state.world import World

bp = Blueprint("media", __name__)
SEARCHED_WIDTH = 960
"""Width in pixels of the rendering that clients should request instead of a larger original."""
_THUMB = re.compile(r"(?:lossy-page\d+-|page\d+-)?(\d+)px-.+")


def world() -> World:
    """Return the world of the current application."""
    found = current_app.extensions["world"]
    assert isinstance(found, World)
    return found


def page_of_error(status: int, text: str) -> Response:
    """Return an HTML error page like those of Wikimedia's media servers."""
    body = f"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Error</h1><p>{text}</p></body></html>"
    return Response(body, status, content_type="text/html; charset=utf-8")


@bp.get("/w/images/<a>/<b>/<name>")
def original(a: str, b: str, name: str) -> Response:
    """Return the newest version of a file."""
    file = _file(name)
    if file is None or f"{a}/{b}" != names.hash_folders(names.db_key(file.title)):
        return page_of_error(404, "File not found")
    counts, version = world().counts, file.versions[-1]
    counts.originals[file.title] += 1
    facts = world().pictures.facts(version)
    if facts.width > SEARCHED_WIDTH and rendering(facts, SEARCHED_WIDTH).step:
        counts.avoidable_originals[file.title] += 1
    return _send(version)


@bp.get("/w/images/archive/<a>/<b>/<name>")
def archived(a: str, b: str, name: str) -> Response:
    """Return an older version of a file."""
    file = _file(name.partition("!")[2])
    for version in file.versions[:-1] if file else []:
        if file and archive_name(file, version) == name:
            return _send(version)
    return page_of_error(404, f"File not found: {a}/{b}")


@bp.get("/w/images/thumb/<a>/<b>/<name>/<thumb>")
def thumbnail(a: str, b: str, name: str, thumb: str) -> Response:
    """Return a rendering; a width that is not one of the steps gets the next larger step, as on the origin servers."""
    file, match = _file(name), _THUMB.fullmatch(thumb)
    if file is None or match is None or f"{a}/{b}" != names.hash_folders(names.db_key(file.title)):
        return page_of_error(404, "Error creating thumbnail: file not found")
    return _rendering(file, int(match[1]))


def _rendering(file: Page, width: int) -> Response:
    version = file.versions[-1]
    facts = world().pictures.facts(version)
    if not facts.width or (width >= max(facts.width, 1) and not facts.rotated):
        return page_of_error(400, "Error creating thumbnail: the requested width is bigger than the source file")
    shown = rendering(facts, width)
    step = shown.step or max((step for step in STEPS if step < facts.width), default=STEPS[0])
    world().counts.thumbnails[file.title] += 1
    if width not in STEPS:
        world().counts.odd_widths[f"{width}px {file.title}"] += 1
    try:
        path = world().pictures.thumbnail(version, step)
    except (OSError, ValueError, SyntaxError):
        return page_of_error(500, "Error generating thumbnail: the source file cannot be read")
    return _send_path(path, mimetypes.guess_type(path.name)[0] or "image/jpeg")


@bp.get("/w/resources/assets/file-type-icons/fileicon.png")
def icon() -> Response:
    """Return the icon to which imageinfo links for formats that cannot be rendered."""
    return current_app.send_static_file("icon.png")


@bp.get("/w/thumb.php")
def thumb_php() -> AnyResponse:
    """Answer thumb.php?f=NAME&w=WIDTH with a rendering."""
    key, width = request.args.get("f", ""), request.args.get("w", "")
    page = world().page(names.normalise(f"File:{key}") or "")
    if page and page.redirect:
        return redirect(f"/w/thumb.php?{urlencode({'f': names.db_key(page.redirect), 'w': width})}", 302)
    file = _file(key)
    if file is None or not width.isdigit():
        return page_of_error(404, "File not found")
    return _rendering(file, int(width))


@bp.get("/wiki/Special:FilePath/<path:name>")
def file_path(name: str) -> AnyResponse:
    """Redirect Special:FilePath to Special:Redirect, the first of two redirects as on Commons."""
    if "Authorization" in request.headers:
        return page_of_error(400, "The authorization headers in your request are for the API; this is not an API URL.")
    width = request.args.get("width", "")
    encoded = quote(name.replace(" ", "_"), safe="!*(),:;@$/")
    if width:
        return redirect(f"/w/index.php?title=Special:Redirect/file/{encoded}&width={width}", 302)
    return redirect(f"/wiki/Special:Redirect/file/{encoded}", 302)


@bp.get("/wiki/Special:Redirect/file/<path:name>")
def redirect_file(name: str) -> AnyResponse:
    """Redirect Special:Redirect/file to the original or a rendering."""
    return to_media(name, request.args.get("width", ""))


def to_media(name: str, width: str) -> AnyResponse:
    """Return a redirect to the original or to the rendering of that width, or a 404 page."""
    title = names.normalise(name if name.lower().startswith("file:") else f"File:{name}")
    file = world().file(title or "")
    if file is None:
        return page_of_error(404, "The file does not exist.")
    key = names.db_key(file.title)
    step = rendering(world().pictures.facts(file.versions[-1]), int(width)).step if width.isdigit() else None
    target = f"thumb/{names.thumb_path(key, step)}" if step else names.file_path(key)
    return redirect(f"/w/images/{target}", 301)


def _file(name: str) -> Page | None:
    with world().lock:
        page = world().page(names.normalise(f"File:{name}") or "")
        return page if page and page.versions and not page.redirect else None


def _send(version: Version) -> Response:
    facts = world().pictures.facts(version)
    return _send_path(facts.path, facts.mime)


def _send_path(path: Path, mime: str) -> Response:
    return send_file(path, mimetype=mime, conditional=True, max_age=3600)
