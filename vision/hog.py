"""dlib's frontal face detector: histograms of oriented gradients, a linear classifier, faces of 80 px and more."""

from __future__ import annotations

import dlib
import numpy as np
from PIL import Image as Pillow

from vision.faces import Box, Image
from vision.found import Found
from vision.settings import HOG

SCORE = 0.0


class HogDetector:
    """The first look. Grey: as good as colour (bench/detection.py), and an eighth quicker."""

    name = HOG

    def __init__(self, score: float = SCORE) -> None:
        self._detector = dlib.get_frontal_face_detector()
        self._score = score

    def detect(self, picture: Image) -> list[Found]:
        """Faces of a picture (h, w, 3), best first."""
        grey = np.asarray(Pillow.fromarray(picture).convert("L"))
        height, width = grey.shape
        rectangles, scores, _ = self._detector.run(grey, 0, self._score)
        return [
            Found(Box(r.left() / width, r.top() / height, r.width() / width, r.height() / height), float(score), HOG)
            for r, score in zip(rectangles, scores, strict=True)
        ]
