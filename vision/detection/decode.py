"""Decode a file to an upright RGB picture of a size that suits the detectors."""

from __future__ import annotations

import io
import math
import struct
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import (  # noqa: F401 - a plug-in is there once it is imported
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)
from PIL import Image as Pillow

from boxes import Box
from vision.detection.errors import ImageError
from vision.detection.faces import Image
from vision.detection.settings import MAX_BYTES, MAX_PIXELS

# The formats of photographs on Commons, and HEIC where the optional wheel is installed. Leaving out the rest of
# Pillow's forty leaves out their faults too.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF", "BMP")

# 960 px is the rendering Wikimedia makes anyway; HOG's smallest face is 80 px, so that this finds faces of a twelfth of
# the picture. At 960 px HOG costs what it costs at 500 px upsampled, and faces are sharper (bench/detection.py).
SEARCH_SIDE = 960
# A picture of up to this size is searched as it is: shrinking by a few percent costs more than it saves.
SEARCH_SIDE_MOST = 1040
# What this makes large enough for HOG has 32 px: smaller faces are poor anyway (vision/detection/quality.py). No portrait of 250 px
# loses its face by it, and it takes half the time that four times would.
ENLARGE_MOST = 2.5
# The surroundings of a box drawn by hand are searched at this size.
PART_SIDE = 400
# Faces are cut from a rendering of at most this size.
SHARP_SIDE = 1920

# The plug-ins' own threads: Pillow takes one a core for AVIF, pillow_heif four for HEIC. There is a child a core already.
DECODE_THREADS = 1
AvifImagePlugin.DEFAULT_MAX_THREADS = DECODE_THREADS

Pillow.MAX_IMAGE_PIXELS = None  # our own limit, checked below, is a lasting error with a reason


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """`rgb` (h, w, 3) is the sharpest rendering at hand, `grey` (h, w) the same picture at the size HOG searches.

    Only the grey one is resized: that takes a third of the time, and cutting faces from what was enlarged gains nothing.
    `native_side` is the longer side in pixels of the file itself.
    """

    rgb: Image
    grey: Image
    native_side: int

    def part(self, area: Box) -> Picture:
        """Return an area as a picture, enlarged for a search."""
        height, width = self.rgb.shape[:2]
        left, top = int(area.left * width), int(area.top * height)
        right, bottom = max(left + 1, math.ceil(area.right * width)), max(top + 1, math.ceil(area.bottom * height))
        rgb = np.ascontiguousarray(self.rgb[top:bottom, left:right])
        grey = Pillow.fromarray(rgb).convert("L")
        scale = min(PART_SIDE / max(grey.size), ENLARGE_MOST)
        return Picture(rgb, np.asarray(_resized(grey, scale)), max(grey.size))

    @property
    def width(self) -> int:
        """Width in pixels of the picture that is searched."""
        return int(self.grey.shape[1])

    @property
    def height(self) -> int:
        return int(self.grey.shape[0])


def decode(data: bytes) -> Picture:
    """Return the first frame, turned upright (EXIF), on white where it is transparent, as 8-bit RGB.

    Raises ImageError, with the reason, for files that cannot be searched.
    """
    _refuse_by_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which does not matter here
        try:
            image, native_side = _load(data)
        except ImageError:
            raise
        except MemoryError:
            raise ImageError("The picture needs more memory than one picture may have.") from None
        except Exception as error:  # a broken file may fail in any way in any of the format plug-ins
            raise ImageError(f"The file is damaged or breaks off before its end ({_short(error)}).") from None
    grey = _resized(image.convert("L"), _search_scale(image))
    return Picture(np.asarray(image), np.asarray(grey), native_side)


def _refuse_by_bytes(data: bytes) -> None:
    if not data:
        raise ImageError("The file is empty.")
    if len(data) > MAX_BYTES:
        raise ImageError(
            f"The file has {len(data) / 1e6:.0f} MB; pictures of up to {MAX_BYTES / 1e6:.0f} MB are searched."
        )
    head = data[:1024].lstrip()
    if (
        b"<svg" in head
        or (head.startswith((b"<?xml", b"<!DOCTYPE")) and b"svg" in data[:4096])
        or head.startswith(b"\x1f\x8b")
    ):
        raise ImageError("This is a drawing (SVG), not a photograph.")
    if head[:1] == b"<":
        raise ImageError("This is a web page or text, not a picture.")


def _load(data: bytes) -> tuple[Pillow.Image, int]:
    image = _opened(data)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"The picture has {width * height / 1e6:.0f} megapixels; up to {MAX_PIXELS / 1e6:.0f} are searched."
        )
    side = max(width, height)
    if side > SEARCH_SIDE_MOST:
        image.draft(None, (min(width, SHARP_SIDE), min(height, SHARP_SIDE)))
    # Shrunk first and converted afterwards: 100 megapixels in two modes at once would not fit a child's memory.
    if image.mode in ("1", "P", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    image.load()
    image = _resized(image, min(1.0, SHARP_SIDE / max(image.size)))
    return _rgb(_upright(image)), side


def _upright(image: Pillow.Image) -> Pillow.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error):
        return image  # unreadable metadata leaves the picture as it is, as browsers do


def _opened(data: bytes) -> Pillow.Image:
    formats = [*FORMATS, "HEIF"] if _can_open_heif(data) else FORMATS
    try:
        return Pillow.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError:
        raise ImageError(
            "The file is no picture in a format that can be searched, or its beginning is damaged."
        ) from None


def _can_open_heif(data: bytes) -> bool:
    if data[4:8] != b"ftyp" or data[8:12] in (b"avif", b"avis"):
        return False
    try:
        import pillow_heif
    except ImportError:
        raise ImageError("The file is a HEIC picture, a format that is not supported here.") from None
    pillow_heif.register_heif_opener(thumbnails=False, decode_threads=DECODE_THREADS)
    return True


def _rgb(image: Pillow.Image) -> Pillow.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith(("I", "F")):
        return _from_deep(image)
    if image.mode in ("RGBA", "LA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Pillow.new("RGBA", image.size, "white")
        return Pillow.alpha_composite(ground, image).convert("RGB")
    return image.convert("RGB")


def _from_deep(image: Pillow.Image) -> Pillow.Image:
    """Scale the range of values to 8 bits: 12-bit scans in 16-bit files would be black otherwise."""
    values = np.asarray(image, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    grey = (values - low) * (255.0 / max(high - low, 1e-6))
    return Pillow.fromarray(grey.astype(np.uint8)).convert("RGB")


def _search_scale(image: Pillow.Image) -> float:
    side = max(image.size)
    return 1.0 if SEARCH_SIDE <= side <= SEARCH_SIDE_MOST else min(SEARCH_SIDE / side, ENLARGE_MOST)


def _resized(image: Pillow.Image, scale: float) -> Pillow.Image:
    if scale == 1.0:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # First by whole factors, which is quick, down to twice the size that is wanted; 16 bits cannot be reduced that way.
    gap = None if image.mode.startswith("I;") else 2.0
    return image.resize(size, Pillow.Resampling.BILINEAR, reducing_gap=gap)


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:120] or type(error).__name__
