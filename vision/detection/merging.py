"""Merge the detections of two detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from boxes import Box
from vision.detection.decode import Picture
from vision.detection.faces import Array

# Above this intersection over union two detectors mean the same face: HOG's squares and CenterFace's upright boxes of
# one face overlap by about 0.7, those of neighbours hardly at all.
MERGE_OVERLAP = 0.25
# A picture whose only face is outside this part of its width may show another person too: of 183 photographs in which HOG
# found one face, 9 have it there, and 4 of these show another face of 60 px or more, as 19 of all 183 do.
MIDDLE = (1 / 3, 2 / 3)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A detection: a bounding box that may extend beyond the picture, and landmarks (5, 2) if the detector gives them.

    Landmarks are fractions of the picture, in CenterFace's order: left eye, right eye, nose, corners of the mouth.
    `sure` is False for a face that is dropped when a second detector examines the picture and does not find it.
    """

    box: Box
    score: float
    detector: str
    landmarks: Array | None = None
    sure: bool = True

    def within(self, area: Box) -> Found:
        """Convert coordinates in `area` to coordinates in the whole picture."""
        box, landmarks = self.box, self.landmarks
        if landmarks is not None:
            landmarks = (landmarks * (area.width, area.height) + (area.left, area.top)).astype(landmarks.dtype)
        left, top = area.left + box.left * area.width, area.top + box.top * area.height
        return replace(self, box=Box(left, top, box.width * area.width, box.height * area.height), landmarks=landmarks)


class Detector(Protocol):
    """Interface of the first and second detector."""

    @property
    def name(self) -> str: ...

    def detect(self, picture: Picture) -> list[Found]: ...


def look(picture: Picture, first: Detector, second: Detector | None) -> list[Found]:
    """Run the first detector, and the second unless the first found exactly one sure face in the middle."""
    found = first.detect(picture)
    if second is None or (len(found) == 1 and found[0].sure and _in_the_middle(found[0].box)):
        return found
    return merged(found, second.detect(picture))


def _in_the_middle(box: Box) -> bool:
    return MIDDLE[0] <= box.left + box.width / 2 <= MIDDLE[1]


def merged(first: Sequence[Found], second: Sequence[Found]) -> list[Found]:
    """Merge detections: for a face found by both, the first detector's box with the second's landmarks.

    A face that only the first detector found is kept if it is sure.
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
    """Non-maximum suppression: drop each face that overlaps a better one by more than `overlap`; best first."""
    kept: list[Found] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(face.box.overlap(better.box) <= overlap for better in kept):
            kept.append(face)
    return kept
