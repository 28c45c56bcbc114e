"""What a detector says, and how what two of them say becomes one face, one box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from vision.detection.decode import Picture
from vision.detection.faces import Array, Box

# Above this intersection over union two detectors mean the same face: HOG's squares and CenterFace's upright boxes of
# one face overlap by about 0.7, those of neighbours hardly at all.
MERGE_OVERLAP = 0.25
# Whose only face is to the side of this part of the picture's width may show somebody else as well: of 183 photographs in
# which HOG found one face it is so in 9, of which 4 show another face of 60 px and more, as 19 of all 183 do.
MIDDLE = (1 / 3, 2 / 3)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A face as a detector gives it: a box that may reach over the edge, and landmarks (5, 2) where it has them.

    Landmarks are fractions of the picture, in CenterFace's order: left eye, right eye, nose, corners of the mouth.
    `sure` is false for a face that should not count when another detector looks at the picture and does not see it.
    """

    box: Box
    score: float
    detector: str
    landmarks: Array | None = None
    sure: bool = True

    def within(self, area: Box) -> Found:
        """The same face, of a picture of which this one's is an area."""
        box, landmarks = self.box, self.landmarks
        if landmarks is not None:
            landmarks = (landmarks * (area.width, area.height) + (area.left, area.top)).astype(landmarks.dtype)
        left, top = area.left + box.left * area.width, area.top + box.top * area.height
        return replace(self, box=Box(left, top, box.width * area.width, box.height * area.height), landmarks=landmarks)


class Detector(Protocol):
    """The seam: anything that finds faces in a picture can be the first or the second look."""

    @property
    def name(self) -> str: ...

    def detect(self, picture: Picture) -> list[Found]: ...


def look(picture: Picture, first: Detector, second: Detector | None) -> list[Found]:
    """The first detector's faces; where it did not find exactly one, surely and in the middle, the second looks too."""
    found = first.detect(picture)
    if second is None or (len(found) == 1 and found[0].sure and _in_the_middle(found[0].box)):
        return found
    return merged(found, second.detect(picture))


def _in_the_middle(box: Box) -> bool:
    return MIDDLE[0] <= box.left + box.width / 2 <= MIDDLE[1]


def merged(first: Sequence[Found], second: Sequence[Found]) -> list[Found]:
    """One face, one box: the first detector's box where both found it, with the second's landmarks.

    What only the first found counts if it was sure.
    """
    rest = list(second)
    faces = []
    for face in first:
        same = max(rest, key=lambda other: face.box.overlap(other.box), default=None)
        if same is not None and face.box.overlap(same.box) >= MERGE_OVERLAP:
            rest.remove(same)
            faces.append(replace(face, landmarks=same.landmarks, sure=True))
        elif face.sure:
            faces.append(face)
    return faces + rest


def without_doubles(faces: Sequence[Found], overlap: float) -> list[Found]:
    """Best first, dropping each that overlaps a better one by more than `overlap` (non-maximum suppression)."""
    kept: list[Found] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(face.box.overlap(better.box) <= overlap for better in kept):
            kept.append(face)
    return kept
