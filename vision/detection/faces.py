"""Search results: pictures and faces. Does not import dlib, so that every process may import it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boxes import Box

Array = NDArray[np.float32]
Image = NDArray[np.uint8]

CHIP_MARGIN = 0.3
"""Margin of a chip on every side, in parts of the box's longer side: with hair and chin a face is easier to recognise."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face of a picture.

    `score` is on the detector's own scale (HOG: distance from its plane, about -0.2..3; CenterFace: 0..1; drawn: 0).
    `landmarks` is 5x2, fractions of the picture: eyes, nose and corners of the mouth where CenterFace looked, else
    the four corners of the eyes and the base of the nose.
    `size_px` is the longer side of the box in pixels of the picture searched; `native_px` the same in pixels of the
    file that was handed in, which enlarging does not change. `sharpness` is explained in `vision.detection.quality`; a `poor`
    face is asked about last and trains nothing. `chip_jpeg` is a small square JPEG around the box, for pages.
    """

    box: Box
    score: float
    detector: str
    landmarks: Array
    encoding: Array
    encoder: str
    size_px: float
    native_px: float
    sharpness: float
    poor: bool
    chip_jpeg: bytes


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """The faces of one picture, largest first, the size in pixels of the picture that was searched, and by what."""

    width: int
    height: int
    faces: tuple[Face, ...]
    detector: str
    encoder: str


def box_in_chip(box: Box, width: int, height: int) -> Box:
    """Return where the box of a face lies in its chip; `width`, `height`: of the picture that was searched, in pixels."""
    across, down = box.width * width, box.height * height
    side = max(across, down, 1.0) * (1 + 2 * CHIP_MARGIN)
    return Box((side - across) / 2 / side, (side - down) / 2 / side, across / side, down / side)
