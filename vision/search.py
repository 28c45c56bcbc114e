"""One picture searched: decoded, looked at, aligned, encoded. This is what runs in a child of the pool."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image as Pillow

from vision import weights
from vision.align import Aligned, Aligner, hog_square
from vision.centerface import CenterFaceDetector
from vision.decode import Picture, decode
from vision.encode import DlibNetwork, Encoder, OnnxNetwork
from vision.errors import ImageError
from vision.faces import Array, Box, Face, Image, SearchResult
from vision.found import Detector, Found, look
from vision.hog import HogDetector
from vision.quality import Quality
from vision.settings import CENTERFACE, HOG, SearchSettings
from vision.weights import WeightsError

DRAWN = "drawn"
# People draw loosely: a detected face that overlaps the drawn box by this much (over the union) is the one they mean.
SAME_AS_DRAWN = 0.25
# The largest faces of a crowd; nobody is asked about the hundred-and-first.
MOST_FACES = 100
CHIP_SIDE = 150
CHIP_MARGIN = 0.3  # of the box's longer side, on every side: with hair and chin a face is easier to recognise


class Searcher:
    """Holds the networks; `search` and `encode` may be called any number of times, by one thread."""

    def __init__(self, settings: SearchSettings) -> None:
        self._settings = settings
        self._first, self._second = _detectors(settings)
        self._aligner = Aligner()
        self._encoder = _encoder(settings)

    def search(self, data: bytes) -> SearchResult:
        """Every face of a picture, largest first. Raises ImageError."""
        picture = decode(data)
        found = look(picture, self._first, self._second)
        found = sorted(found, key=lambda face: -face.box.width * face.box.height)[:MOST_FACES]
        faces = self._faces(picture, found, [face.box.clipped() for face in found])
        settings = self._settings
        return SearchResult(
            picture.width, picture.height, tuple(faces), settings.detector_version, settings.encoder_version
        )

    def encode(self, data: bytes, box: Box) -> Face:
        """The face in a box that was drawn by hand. Raises ImageError."""
        picture = decode(data)
        box = _not_empty(box)
        return self._faces(picture, [self._drawn(picture, box)], [box])[0]

    def _drawn(self, picture: Picture, box: Box) -> Found:
        """Where in the drawn box the face is: looked for in its surroundings, else taken to fill it."""
        area = Box(box.left - box.width / 2, box.top - box.height / 2, 2 * box.width, 2 * box.height).clipped()
        seen = [found.within(area) for found in look(picture.part(area), self._second or self._first, None)]
        best = max(seen, key=lambda found: found.box.overlap(box), default=None)
        if best is None or best.box.overlap(box) < SAME_AS_DRAWN:
            return Found(hog_square(box, picture.width, picture.height), 0.0, DRAWN)
        return replace(best, score=0.0, detector=DRAWN)

    def _faces(self, picture: Picture, found: Sequence[Found], boxes: Sequence[Box]) -> list[Face]:
        aligned = [self._aligner.align(picture, face) for face in found]
        seen = [Quality.of(picture, *each) for each in zip(boxes, aligned, strict=True)]
        encodings = self._encoder.encode(_stacked(aligned), [each.poor for each in seen])
        parts = zip(found, boxes, aligned, seen, encodings, strict=True)
        return [self._face(picture, *each) for each in parts]

    def _face(self, picture: Picture, found: Found, box: Box, aligned: Aligned, seen: Quality, encoding: Array) -> Face:
        return Face(
            box=box,
            score=float(found.score),
            detector=found.detector,
            landmarks=aligned.landmarks,
            encoding=encoding,
            encoder=self._settings.encoder_version,
            size_px=seen.size_px,
            native_px=seen.native_px,
            sharpness=seen.sharpness,
            poor=seen.poor,
            chip_jpeg=chip_jpeg(picture.rgb, box),
        )


def chip_jpeg(picture: Image, box: Box) -> bytes:
    """A square JPEG of 150 px around the box, a little generous; what lies outside the picture is grey."""
    height, width = picture.shape[:2]
    side = max(box.width * width, box.height * height, 1.0) * (1 + 2 * CHIP_MARGIN)
    x, y = (box.left + box.width / 2) * width, (box.top + box.height / 2) * height
    left, top, side_px = round(x - side / 2), round(y - side / 2), max(1, round(side))
    inside = picture[max(top, 0) : max(top + side_px, 0), max(left, 0) : max(left + side_px, 0)]
    square = Pillow.new("RGB", (side_px, side_px), "grey")
    square.paste(Pillow.fromarray(inside), (max(-left, 0), max(-top, 0)))
    chip = square.resize((CHIP_SIDE, CHIP_SIDE), Pillow.Resampling.BILINEAR, reducing_gap=2.0)
    out = io.BytesIO()
    chip.save(out, "JPEG", quality=82)
    return out.getvalue()


def _not_empty(box: Box) -> Box:
    """The part inside the picture. Raises ImageError for a box without any."""
    inside = box.clipped()
    if inside.width <= 0 or inside.height <= 0:
        raise ImageError("The box that was drawn lies outside the picture.")
    return inside


def _stacked(aligned: Sequence[Aligned]) -> Image:
    return np.stack([face.chip for face in aligned]) if aligned else np.empty((0, CHIP_SIDE, CHIP_SIDE, 3), np.uint8)


def _detectors(settings: SearchSettings) -> tuple[Detector, Detector | None]:
    if settings.detector == HOG:
        return HogDetector(), None
    graph = weights.centerface(settings.cache)
    if graph is None:
        raise WeightsError(f"CenterFace's weights are not in {settings.cache}: python -m vision.weights")
    second = CenterFaceDetector(graph)
    return (second, None) if settings.detector == CENTERFACE else (HogDetector(), second)


def _encoder(settings: SearchSettings) -> Encoder:
    graph = weights.resnet(settings.cache)
    return Encoder(DlibNetwork() if graph is None else OnnxNetwork(graph), settings.mirror)
