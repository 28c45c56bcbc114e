"""Align faces as each network was trained: dlib's with 150 px and a quarter of padding, SFace with 112 px and more padding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import dlib
import numpy as np
from numpy.typing import NDArray

from boxes import Box
from vision.detection.decode import Picture
from vision.detection.faces import Array, Image
from vision.detection.merging import Found
from vision.networks.resnet import CHIP_SIDE
from vision.networks.sface import CHIP_SIDE as SFACE_SIDE
from vision.weights import PREDICTOR_DAT, model_file

PADDING = 0.25
# Where the five points lie in an aligned face without padding, in fractions of its side: dlib's mean face
# (get_face_chip_details in dlib/image_transforms/interpolation.h).
MEAN_FACE = (
    (0.8595674595992, 0.2134981538014),
    (0.6460604764104, 0.2289674387677),
    (0.1205750620789, 0.2137274526848),
    (0.3340850613712, 0.2290642403242),
    (0.4901123135679, 0.6277975316475),
)
# Where CenterFace's five points (eyes, nose, corners of the mouth) lie in faces aligned by dlib's, in pixels: medians of
# 473 faces that both detectors found, made symmetrical.
CENTERFACE_POINTS = ((47.7, 46.5), (102.3, 46.5), (75.0, 78.5), (51.7, 102.9), (98.3, 102.9))
# Where SFace's training put the same five points, in its 112 px (alignCrop in OpenCV's face_recognize.cpp).
SFACE_POINTS = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
# HOG's square around the same face as CenterFace's box: shift of the centre and side, over the root of the box's area
# (medians of the same faces). People draw boxes like CenterFace's.
SQUARE_DOWN, SQUARE_SIDE = 0.05, 0.926


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """The face for dlib's network and for measuring sharpness (150, 150, 3), and for SFace (112, 112, 3).

    `landmarks` (5, 2) are those it was aligned by, as fractions of the picture.
    """

    chip: Image
    sface_chip: Image
    landmarks: Array


class Aligner:
    """Aligns by the detector's landmarks where it gives them, else by those of dlib's five-point predictor.

    The predictor looks at the grey picture at the size searched, and the face is cut from the sharpest rendering: that is
    dlib.get_face_chip with points that need not be whole pixels of the picture cut from.
    """

    def __init__(self) -> None:
        self._predictor = dlib.shape_predictor(str(model_file(PREDICTOR_DAT)))
        dlib_points = [[(PADDING + c) / (2 * PADDING + 1) * CHIP_SIDE for c in p] for p in MEAN_FACE]
        self._dlib = Target(_points(dlib_points), _points(_to_sface(np.array(dlib_points))))
        self._centerface = Target(_points(CENTERFACE_POINTS), _points(SFACE_POINTS))

    def align(self, picture: Picture, found: Found) -> Aligned:
        """Return the aligned face. A box without landmarks must be a square as HOG draws them."""
        if found.landmarks is not None:
            return _aligned(picture, found.landmarks, self._centerface)
        shape = self._predictor(picture.grey, _rectangle(found.box, picture.width, picture.height))
        pixels = np.array([(part.x, part.y) for part in shape.parts()])
        return _aligned(picture, (pixels / (picture.width, picture.height)).astype(np.float32), self._dlib)


class Target(NamedTuple):
    """Where a detector's five points are to lie in the aligned face, in pixels: for dlib's network, and for SFace."""

    chip: dlib.dpoints
    sface_chip: dlib.dpoints


def hog_square(box: Box, width: int, height: int) -> Box:
    """Return the square that HOG would give for the face in this box; `width`, `height`: of the picture in pixels."""
    root = (box.width * width * box.height * height) ** 0.5
    side = root * SQUARE_SIDE
    x, y = (box.left + box.width / 2) * width, (box.top + box.height / 2) * height + root * SQUARE_DOWN
    return Box((x - side / 2) / width, (y - side / 2) / height, side / width, side / height)


def _to_sface(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where points of the 150 px face lie in SFace's 112 px: the similarity that fits CENTERFACE_POINTS best.

    Both sets of points are upright and symmetrical, so that it is a scale and a shift.
    """
    here, there = np.array(CENTERFACE_POINTS), np.array(SFACE_POINTS)
    centred = here - here.mean(axis=0)
    scale = (centred * (there - there.mean(axis=0))).sum() / (centred**2).sum()
    return np.asarray((points - here.mean(axis=0)) * scale + there.mean(axis=0))


def _aligned(picture: Picture, landmarks: Array, target: Target) -> Aligned:
    chip = _cut(picture.rgb, landmarks, target.chip, CHIP_SIDE)
    return Aligned(chip, _cut(picture.rgb, landmarks, target.sface_chip, SFACE_SIDE), landmarks)


def _cut(rgb: Image, landmarks: Array, chip_points: dlib.dpoints, side: int) -> Image:
    height, width = rgb.shape[:2]
    details = dlib.chip_details(chip_points, _points(landmarks * (width, height)), dlib.chip_dims(side, side))
    chip: Image = dlib.extract_image_chip(rgb, details)
    return chip


def _points(points: Iterable[Iterable[float]]) -> dlib.dpoints:
    return dlib.dpoints([dlib.dpoint(*map(float, point)) for point in points])


def _rectangle(box: Box, width: int, height: int) -> dlib.rectangle:
    left, top = round(box.left * width), round(box.top * height)
    return dlib.rectangle(left, top, left + round(box.width * width) - 1, top + round(box.height * height) - 1)
