"""Merging the results of two detectors: one box per face."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
import pytest

from boxes import Box
from vision.detection.decode import Picture
from vision.detection.merging import Found, look, merged, without_doubles

PICTURE = Picture(np.zeros((10, 10, 3), np.uint8), np.zeros((10, 10), np.uint8), 10)
MARKS = np.full((5, 2), 0.5, np.float32)


def face(left: float, *, size: float = 0.2, sure: bool = True, marks: Any = None, score: float = 1.0) -> Found:
    return Found(Box(left, 0.4, size, size), score, "second" if marks is not None else "first", marks, sure)


@dataclass
class Fake:
    faces: list[Found]
    name: str = "fake"
    asked: list[Picture] = field(default_factory=list)

    def detect(self, picture: Picture) -> list[Found]:
        self.asked.append(picture)
        return self.faces


@pytest.mark.parametrize(
    ("first", "asks"),
    [
        ([], True),
        ([face(0.4)], False),
        ([face(0.25)], False),
        ([face(0.1)], True),
        ([face(0.7)], True),
        ([face(0.4, sure=False)], True),
        ([face(0.1), face(0.6)], True),
    ],
)
def test_second_detector_runs_unless_one_sure_face_is_in_the_middle(first, asks):
    second = Fake([face(0.12, marks=MARKS)])
    found = look(PICTURE, Fake(first), second)
    assert bool(second.asked) == asks
    assert found


def test_unsure_faces_are_kept_without_a_second_detector():
    assert len(look(PICTURE, Fake([face(0.1, sure=False)]), None)) == 1


def test_face_found_twice_is_one_box_with_the_better_landmarks():
    (one,) = merged([face(0.1)], [face(0.12, marks=MARKS)])
    assert one.box == face(0.1).box
    assert one.detector == "first"
    assert one.landmarks is MARKS


def test_adjacent_faces_are_not_merged():
    assert len(merged([face(0.1), face(0.35)], [face(0.12, marks=MARKS), face(0.37, marks=MARKS)])) == 2


def test_face_found_by_one_detector_is_kept_only_if_it_is_sure():
    found = merged([face(0.1), face(0.5, sure=False)], [face(0.8, marks=MARKS)])
    assert [each.box.left for each in found] == [0.1, 0.8]


def test_unsure_face_is_kept_if_the_second_detector_finds_it():
    (one,) = merged([face(0.5, sure=False)], [face(0.5, marks=MARKS)])
    assert one.sure


def test_best_of_overlapping_faces_is_kept():
    faces = [face(0.1, score=0.5), face(0.12, score=0.9), face(0.5, score=0.2)]
    assert [each.score for each in without_doubles(faces, 0.3)] == [0.9, 0.2]


def test_faces_of_an_area_are_mapped_to_coordinates_of_the_picture():
    inner = Found(Box(0.5, 0.0, 0.5, 0.5), 1.0, "first", MARKS).within(Box(0.2, 0.6, 0.4, 0.2))
    assert astuple(inner.box) == pytest.approx((0.4, 0.6, 0.2, 0.1))
    assert inner.landmarks is not None
    assert np.allclose(inner.landmarks, [0.4, 0.7])


@pytest.mark.parametrize(
    ("box", "other", "expected"),
    [
        (Box(0, 0, 1, 1), Box(0, 0, 1, 1), 1.0),
        (Box(0, 0, 0.5, 1), Box(0.5, 0, 0.5, 1), 0.0),
        (Box(0, 0, 1, 1), Box(0, 0, 0.5, 1), 0.5),
        (Box(0, 0, 0, 0), Box(0, 0, 0, 0), 0.0),
    ],
)
def test_overlap_of_two_boxes_is_computed(box, other, expected):
    assert box.overlap(other) == pytest.approx(expected)
    assert other.overlap(box) == pytest.approx(expected)


def test_box_is_clipped_to_the_picture():
    assert astuple(Box(-0.1, 0.9, 0.3, 0.3).clipped()) == pytest.approx((0.0, 0.9, 0.2, 0.1))
    assert Box(1.2, 0.0, 0.3, 0.3).clipped().width == 0
