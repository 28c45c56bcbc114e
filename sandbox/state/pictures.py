"""The content of files: originals, variants and renderings, generated on request and cached on disk."""

import hashlib
import io
import mimetypes
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

from sandbox.state.model import Version

STEPS = (20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840)
"""The widths that Wikimedia renders ($wgThumbnailSteps)."""

MEDIA_TYPES = {"image": "BITMAP", "audio": "AUDIO", "video": "VIDEO"}
Image.MAX_IMAGE_PIXELS = None  # The wiki serves pictures of any size; the limit is the client's task.


@dataclass(frozen=True)
class Facts:
    """Properties of one version of a file, as in imageinfo.

    `size`: bytes. `width`, `height`: pixels after rotation, 0 if the file is not a picture. `rotated`: the EXIF data
    ask for a rotation.
    """

    path: Path
    size: int
    sha1: str
    width: int
    height: int
    mime: str
    rotated: bool

    @property
    def media_type(self) -> str:
        """MediaWiki's media type."""
        if self.mime == "application/pdf":
            return "OFFICE"
        if self.mime == "application/ogg":
            return "AUDIO"
        return MEDIA_TYPES.get(self.mime.partition("/")[0], "UNKNOWN")


@dataclass(frozen=True)
class Rendering:
    """The rendering that the API offers for a requested width.

    `step`: width of the delivered rendering in pixels, None for the original. `width`, `height`: as reported by the
    API, which can differ from the delivered picture.
    """

    step: int | None
    width: int
    height: int


def rendering(facts: Facts, wanted: int, max_height: int | None = None) -> Rendering:
    """Return the rendering that MediaWiki offers for a requested width (pixels), as observed on Wikimedia's wikis."""
    if max_height:
        wanted = min(wanted, max(1, round(max_height * facts.width / facts.height)))
    if facts.rotated:
        fitting = [step for step in STEPS if step < facts.width] or [STEPS[0]]
        step = next((step for step in fitting if step >= wanted), fitting[-1])
        return Rendering(step, wanted, max(1, round(wanted * facts.height / facts.width)))
    found = next((step for step in STEPS if step >= wanted), None)
    if wanted >= facts.width or found is None or found >= facts.width:
        return Rendering(None, facts.width, facts.height)
    return Rendering(found, wanted, max(1, round(wanted * facts.height / facts.width)))


class Pictures:
    """Reader of file properties and maker of renderings, with a cache folder that several sandboxes can share."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._facts: dict[tuple[str, str], Facts] = {}
        self._lock = threading.Lock()
        self._rendering = threading.BoundedSemaphore(max(1, os.cpu_count() or 1))

    def facts(self, version: Version) -> Facts:
        """Return the properties of a version, which are read once and then cached."""
        key = (version.path, version.recipe)
        found = self._facts.get(key)
        if found is None:
            with self._lock:
                found = self._facts.get(key) or self._read(self._file(version))
                self._facts[key] = found
        return found

    def thumbnail(self, version: Version, step: int) -> Path:
        """Return the path of the rendering of that width (pixels), generating it if it is not in the cache."""
        facts = self.facts(version)
        target = self.cache / "thumbs" / facts.sha1[:2] / f"{facts.sha1}-{step}{_suffix(facts.mime)}"
        if not target.exists():
            with self._rendering:
                if not target.exists():
                    _write(target, _render(facts.path, step, facts.mime))
        return target

    def _file(self, version: Version) -> Path:
        if not version.recipe:
            return Path(version.path)
        source = Path(version.path)
        stamp = source.stat()
        key = f"{source}|{stamp.st_size}|{stamp.st_mtime_ns}|{version.recipe}"
        name = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()
        target = self.cache / "variants" / name[:2] / f"{name}.jpg"
        if not target.exists():
            _write(target, _variant(source, version.recipe))
        return target

    def _read(self, path: Path) -> Facts:
        data = path.read_bytes()
        sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        mime = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        mime = {"audio/ogg": "application/ogg", "video/ogg": "application/ogg"}.get(mime, mime)
        try:
            with Image.open(io.BytesIO(data)) as image:
                turn = image.getexif().get(0x0112, 1) if mime == "image/jpeg" else 1
                width, height = image.size if turn < 5 else image.size[::-1]
        except (OSError, ValueError, SyntaxError):
            width, height, turn = 0, 0, 1
        return Facts(path, len(data), sha1, width, height, mime, turn != 1)


def _suffix(mime: str) -> str:
    return {"image/png": ".png", "image/gif": ".gif", "image/webp": ".png"}.get(mime, ".jpg")


def _render(path: Path, width: int, mime: str) -> bytes:
    with Image.open(path) as image:
        image.draft("RGB", (width * 2, width * 2 * image.height // max(1, image.width)))
        turned = ImageOps.exif_transpose(image)
        height = max(1, round(turned.height * width / turned.width))
        kept = "RGBA" if _suffix(mime) == ".png" and "A" in turned.getbands() else "RGB"
        small = turned.convert(kept).resize((width, height), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    kind = {".png": "PNG", ".gif": "GIF"}.get(_suffix(mime), "JPEG")
    small.save(out, kind, **({"quality": 87} if kind == "JPEG" else {}))
    return out.getvalue()


def _variant(path: Path, recipe: str) -> bytes:
    """Return a variant of a photograph as JPEG; the recipe consists of words joined by "+", as in "mirrored+dimmed"."""
    with Image.open(path) as image:
        picture = ImageOps.exif_transpose(image).convert("RGB")
    for word in recipe.split("+"):
        picture = _transformed(picture, word)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()


def _transformed(picture: Image.Image, word: str) -> Image.Image:
    width, height = picture.size
    match word:
        case "mirrored":
            return ImageOps.mirror(picture)
        case "dimmed":
            return ImageEnhance.Brightness(picture).enhance(0.72)
        case "brightened":
            return ImageEnhance.Brightness(picture).enhance(1.18)
        case "muted":
            return ImageEnhance.Color(picture).enhance(0.35)
        case "turned":
            return picture.rotate(4, Image.Resampling.BICUBIC, expand=False)
        case "cropped":
            return picture.crop((width * 6 // 100, height * 4 // 100, width * 95 // 100, height * 97 // 100))
        case "rescaled":
            return picture.resize((max(1, width * 3 // 4), max(1, height * 3 // 4)), Image.Resampling.LANCZOS)
    raise ValueError(f"unknown recipe: {word}")


def _write(target: Path, data: bytes) -> None:
    """Write a file atomically."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
    Path(name).replace(target)
