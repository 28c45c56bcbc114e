"""Photographs for bench/detection.py: collecting them with their annotations, and rendering them as Wikimedia does."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from boxes import Box
from sandbox.state import picture_files

SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".gif"}
BASELINE_WIDTH, OURS_WIDTH = 500, 960
JPEG_QUALITY = 87


@dataclass(frozen=True, slots=True)
class Photograph:
    """A photograph with its annotations.

    `name`: file name of its renderings without the suffix. `person`: name of the person shown, if known. `boxes`:
    hand-drawn bounding boxes, if any. `empty`: it shows no face.
    """

    path: Path
    name: str
    person: str | None
    boxes: tuple[Box, ...] | None
    empty: bool


def collect(folder: Path, seed: int = 0) -> list[Photograph]:
    """Return the photographs of a folder in random order, which depends on `seed` only.

    The folder contains either scenes/NAME/*, groups/*, noface/* and boxes/*.xml, or NAME/*.
    """
    boxes = _hand_drawn(folder / "boxes")
    labelled = folder / "scenes" if (folder / "scenes").is_dir() else folder
    found = [
        Photograph(path, path.relative_to(folder).as_posix().replace("/", "--"), _person(path, labelled), drawn, empty)
        for top, empty in ((labelled, False), (folder / "groups", False), (folder / "noface", True))
        for path in picture_files.below(top, SUFFIXES)
        for drawn in (boxes.get(path.name),)
    ]
    random.Random(seed).shuffle(found)
    return found


def render(photographs: list[Photograph], folder: Path) -> list[Photograph]:
    """Write folder/500/NAME.jpg and folder/960/NAME.jpg; return the photographs that could be rendered."""
    for width in (BASELINE_WIDTH, OURS_WIDTH):
        (folder / str(width)).mkdir(parents=True)
    with ProcessPoolExecutor() as processes:
        done = list(processes.map(_render, photographs, [folder] * len(photographs), chunksize=4))
    return [photograph for photograph, whole in zip(photographs, done, strict=True) if whole]


def _render(photograph: Photograph, folder: Path) -> bool:
    try:
        image = _upright(Image.open(photograph.path)).convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return False
    for width in (BASELINE_WIDTH, OURS_WIDTH):
        size = (min(width, image.width), round(image.height * min(1.0, width / image.width)))
        rendering = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
        rendering.save(folder / str(width) / f"{photograph.name}.jpg", quality=JPEG_QUALITY)
    return True


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, TypeError, KeyError):
        return image


def _person(path: Path, labelled: Path) -> str | None:
    return path.parent.name if path.parent.parent == labelled else None


def _hand_drawn(folder: Path) -> dict[str, tuple[Box, ...]]:
    """Read hand-drawn boxes from dlib's XML files; return them by file name.

    The names in the XML files lack the prefix "dlib__" of our files.
    """
    drawn = {}
    for xml in (folder / "testing.xml", folder / "training.xml"):
        for image in ET.parse(xml).getroot().iter("image") if xml.is_file() else ():
            size = float(image.get("width", 0)), float(image.get("height", 0))
            drawn[f"dlib__{image.get('file')}"] = tuple(_box(box, *size) for box in image.iter("box"))
    return drawn


def _box(box: ET.Element, width: float, height: float) -> Box:
    left, top, wide, high = (float(box.get(name, 0)) for name in ("left", "top", "width", "height"))
    return Box(left / width, top / height, wide / width, high / height)
