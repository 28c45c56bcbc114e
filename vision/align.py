"""From a box to the aligned face that the network was trained on: eyes level, 150 px, a quarter of padding."""

from __future__ import annotations

from dataclasses import dataclass

import dlib
import numpy as np

from vision.faces import Array, Box, Image
from vision.found import Found
from vision.weights import PREDICTOR_DAT, model_file

CHIP_SIDE = 150
PADDING = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """The face (150, 150, 3), and its landmarks (5, 2): corners of the eyes and base of the nose, as fractions."""

    chip: Image
    landmarks: Array


class Aligner:
    """dlib's five-point predictor and its chip extraction, the ones the network was trained with."""

    def __init__(self) -> None:
        self._predictor = dlib.shape_predictor(str(model_file(PREDICTOR_DAT)))

    def align(self, picture: Image, found: Found) -> Aligned:
        """The face of a picture (h, w, 3)."""
        height, width = picture.shape[:2]
        shape = self._predictor(picture, _rectangle(found, width, height))
        points = [(shape.part(i).x / width, shape.part(i).y / height) for i in range(shape.num_parts)]
        chip: Image = dlib.get_face_chip(picture, shape, CHIP_SIDE, PADDING)
        return Aligned(chip, np.array(points, dtype=np.float32))


def _rectangle(found: Found, width: int, height: int) -> dlib.rectangle:
    square = found.box if found.landmarks is None else hog_square(found.box, width, height)
    left, top = round(square.left * width), round(square.top * height)
    return dlib.rectangle(left, top, left + round(square.width * width) - 1, top + round(square.height * height) - 1)


def hog_square(box: Box, width: int, height: int) -> Box:
    """The square that HOG would have drawn around the same face, in fractions of a picture of this many pixels."""
    side = (box.width * width * box.height * height) ** 0.5
    x, y = (box.left + box.width / 2) * width, (box.top + box.height * 0.55) * height
    return Box((x - side / 2) / width, (y - side / 2) / height, side / width, side / height)
