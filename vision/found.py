"""What a detector says, and how what two of them say becomes one face, one box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vision.faces import Array, Box, Image

# Above this intersection over union two detectors mean the same face. HOG's squares reach from the brows to the chin,
# CenterFace's boxes from the hair to the chin, so that they overlap by about 0.6 on the same face.
MERGE_OVERLAP = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A face as a detector gives it: a box that may reach over the edge, and landmarks (5, 2) where it has them.

    Landmarks are fractions of the picture, in CenterFace's order: left eye, right eye, nose, corners of the mouth.
    """

    box: Box
    score: float
    detector: str
    landmarks: Array | None = None


class Detector(Protocol):
    """The seam: anything that finds faces in a picture (h, w, 3) can be the first or the second look."""

    @property
    def name(self) -> str: ...

    def detect(self, picture: Image) -> list[Found]: ...


def look(picture: Image, first: Detector, second: Detector | None) -> list[Found]:
    """The first detector's faces; where it found none or several, the second looks again and the boxes are merged."""
    found = first.detect(picture)
    if second is None or len(found) == 1:
        return found
    return merged(found, second.detect(picture))


def merged(first: Sequence[Found], second: Sequence[Found]) -> list[Found]:
    """One face, one box: the first detector's box where both found it, with the second's landmarks."""
    rest = list(second)
    faces = []
    for face in first:
        same = max(rest, key=lambda other: face.box.overlap(other.box), default=None)
        if same is not None and face.box.overlap(same.box) >= MERGE_OVERLAP:
            rest.remove(same)
            face = Found(face.box, face.score, face.detector, same.landmarks)
        faces.append(face)
    return faces + rest


def without_doubles(faces: Sequence[Found], overlap: float) -> list[Found]:
    """Best first, dropping each that overlaps a better one by more than `overlap` (non-maximum suppression)."""
    kept: list[Found] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(face.box.overlap(better.box) <= overlap for better in kept):
            kept.append(face)
    return kept
