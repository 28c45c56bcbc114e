"""Search pictures: decode, detect, align and encode. Runs in a child of the pool."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from PIL import Image as Pillow

from boxes import Box
from vision import weights
from vision.detection.align import Aligned, Aligner, hog_square
from vision.detection.centerface import CenterFaceDetector
from vision.detection.decode import Picture, decode
from vision.detection.encode import SFACE_BATCH, DlibEncoder, DlibNetwork, Encoder, OnnxNetwork, SFaceEncoder
from vision.detection.errors import ImageError
from vision.detection.faces import CHIP_MARGIN, Array, Face, Image, SearchResult
from vision.detection.hog import HogDetector
from vision.detection.merging import Detector, Found, look
from vision.detection.quality import Quality
from vision.detection.settings import CENTERFACE, HOG, SFACE, SearchSettings
from vision.networks.onnx_graph import WeightsError

DRAWN = "drawn"
# Boxes are drawn imprecisely: a detected face with this intersection over union with the drawn box is the intended one.
SAME_AS_DRAWN = 0.25
# Of a crowd, only this many of the largest faces are kept.
MOST_FACES = 100
CHIP_SIDE = 150


class SeenFace(NamedTuple):
    """All of a face but its encoding, so that the picture need not be kept in memory."""

    found: Found
    box: Box
    aligned: Aligned
    quality: Quality
    chip_jpeg: bytes


class Seen(NamedTuple):
    """Size in pixels and faces, largest first, of a picture that is no longer in memory."""

    width: int
    height: int
    faces: list[SeenFace]


class Searcher:
    """Holds the networks; `search`, `search_all` and `encode` may be called any number of times, by one thread."""

    def __init__(self, settings: SearchSettings) -> None:
        self._settings = settings
        self._first, self._second = _detectors(settings)
        self._aligner = Aligner()
        self._encoder = _encoder(settings)

    def search(self, data: bytes) -> SearchResult:
        """Return every face of a picture, largest first. Raises ImageError."""
        (found,) = self.search_all([data])
        if isinstance(found, ImageError):
            raise found
        return found

    def search_all(self, pictures: Iterable[bytes]) -> list[SearchResult | ImageError]:
        """Return the result or error of each picture, in order; all faces are encoded in one batch.

        Only one picture is in memory at a time; its faces are kept.
        """
        seen = [self._seen(data) for data in pictures]
        faces = [face for each in seen if not isinstance(each, ImageError) for face in each.faces]
        encodings = iter(self._encodings(faces))
        return [each if isinstance(each, ImageError) else self._result(each, encodings) for each in seen]

    def encode(self, data: bytes, box: Box) -> Face:
        """Return the face in a box drawn by hand. Raises ImageError."""
        picture = decode(data)
        box = _not_empty(box)
        face = self._seen_face(picture, self._drawn(picture, box), box)
        return self._face(face, self._encodings([face])[0])

    def _seen(self, data: bytes) -> Seen | ImageError:
        try:
            picture = decode(data)
        except ImageError as error:
            return ImageError(
                error.reason
            )  # the original error refers to its traceback, which keeps the picture in memory
        found = look(picture, self._first, self._second)
        found = sorted(found, key=lambda face: -face.box.width * face.box.height)[:MOST_FACES]
        faces = [self._seen_face(picture, face, face.box.clipped()) for face in found]
        return Seen(picture.width, picture.height, faces)

    def _seen_face(self, picture: Picture, found: Found, box: Box) -> SeenFace:
        aligned = self._aligner.align(picture, found)
        return SeenFace(found, box, aligned, Quality.of(picture, box, aligned), chip_jpeg(picture.rgb, box))

    def _encodings(self, faces: Sequence[SeenFace]) -> Array:
        return self._encoder.encode([face.aligned for face in faces], [face.quality.poor for face in faces])

    def _result(self, seen: Seen, encodings: Iterator[Array]) -> SearchResult:
        faces = tuple(self._face(face, next(encodings)) for face in seen.faces)
        settings = self._settings
        return SearchResult(seen.width, seen.height, faces, settings.detector_version, settings.encoder_version)

    def _drawn(self, picture: Picture, box: Box) -> Found:
        """Detect the face around the drawn box; if none is found, assume that it fills the box."""
        area = Box(box.left - box.width / 2, box.top - box.height / 2, 2 * box.width, 2 * box.height).clipped()
        seen = [found.within(area) for found in look(picture.part(area), self._second or self._first, None)]
        best = max(seen, key=lambda found: found.box.overlap(box), default=None)
        if best is None or best.box.overlap(box) < SAME_AS_DRAWN:
            return Found(hog_square(box, picture.width, picture.height), 0.0, DRAWN)
        return replace(best, score=0.0, detector=DRAWN)

    def _face(self, seen: SeenFace, encoding: Array) -> Face:
        return Face(
            box=seen.box,
            score=float(seen.found.score),
            detector=seen.found.detector,
            landmarks=seen.aligned.landmarks,
            encoding=encoding,
            encoder=self._settings.encoder_version,
            size_px=seen.quality.size_px,
            native_px=seen.quality.native_px,
            sharpness=seen.quality.sharpness,
            poor=seen.quality.poor,
            chip_jpeg=seen.chip_jpeg,
        )


def chip_jpeg(picture: Image, box: Box) -> bytes:
    """Return a square JPEG of 150 px around the box and a margin; areas outside the picture are grey."""
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
    """Return the part of the box inside the picture. Raises ImageError if it is outside."""
    inside = box.clipped()
    if inside.width <= 0 or inside.height <= 0:
        raise ImageError("The box that was drawn lies outside the picture.")
    return inside


def _detectors(settings: SearchSettings) -> tuple[Detector, Detector | None]:
    if settings.detector == HOG:
        return HogDetector(), None
    graph = weights.centerface(settings.cache)
    if graph is None:
        raise WeightsError(f"CenterFace's weights are not in {settings.cache}: python -m vision.weights")
    second = CenterFaceDetector(graph)
    return (second, None) if settings.detector == CENTERFACE else (HogDetector(), second)


def _encoder(settings: SearchSettings) -> Encoder:
    if settings.encoder == SFACE:
        graph = weights.sface(settings.cache)
        if graph is None:
            raise WeightsError(f"SFace's weights are not in {settings.cache}: python -m vision.weights")
        return SFaceEncoder(OnnxNetwork(graph, SFACE_BATCH))
    graph = weights.resnet(settings.cache)
    return DlibEncoder(DlibNetwork() if graph is None else OnnxNetwork(graph))
