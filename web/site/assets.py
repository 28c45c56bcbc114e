"""Static files: one hash over all of them stands in every address, so that a module's relative imports carry it too."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, current_app, url_for
from flask_compress import Compress
from werkzeug.exceptions import NotFound

from web.site.access import without_user

ROOT = Path(__file__).resolve().parents[2] / "static"
YEAR = 31_536_000

mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")


@dataclass(frozen=True)
class Assets:
    """The files as they were when the process started, by path below static/."""

    version: str
    files: dict[str, bytes]


def load_assets(root: Path) -> Assets:
    """Every file below `root`, and the hash of them all."""
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return Assets(digest.hexdigest()[:12], files)


def static_url(name: str) -> str:
    """The address of a static file. Raises KeyError for one that is not there."""
    assets: Assets = current_app.extensions["assets"]
    assets.files[name]
    return url_for("static", version=assets.version, name=name)


@without_user
def serve(version: str, name: str) -> Response:
    """A static file. A page of an earlier release gets today's file, which it may not keep."""
    assets: Assets = current_app.extensions["assets"]
    if name not in assets.files:
        raise NotFound
    response = Response(assets.files[name], mimetype=mimetypes.guess_type(name)[0] or "application/octet-stream")
    if version == assets.version:
        response.cache_control.public = True
        response.cache_control.max_age = YEAR
        response.cache_control.immutable = True
    else:
        response.cache_control.no_cache = True
    return response


def init_app(app: Flask) -> None:
    """Serve static files, and compress what is text."""
    app.extensions["assets"] = load_assets(ROOT)
    app.add_url_rule("/static/<version>/<path:name>", "static", serve)
    app.add_template_global(static_url)
    app.config["COMPRESS_ALGORITHM"] = ["br", "gzip"]
    app.config["COMPRESS_BR_LEVEL"] = 2  # half the time of level 3, and of 4 a third; one byte in a hundred more
    app.config["COMPRESS_MIMETYPES"] = [
        "text/html", "text/css", "text/javascript", "application/json", "application/manifest+json", "image/svg+xml"
    ]  # fmt: skip
    Compress(app)
