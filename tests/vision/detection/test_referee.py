"""face_recognition, the usual recipe, is the referee of our own path: the same boxes and encodings, and the same people."""

from __future__ import annotations

import importlib
import io
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import ImageFile

from boxes import Box
from vision import weights
from vision.detection.align import Aligner
from vision.detection.decode import Picture, decode
from vision.detection.encode import OnnxNetwork
from vision.detection.hog import HogDetector
from vision.detection.search import Searcher
from vision.detection.settings import DLIB, SearchSettings

PORTRAITS = 12
AGREEMENT = 5e-4  # in every component, of which the largest are about 0.3
SAME_FACE = 0.4  # intersection over union
SAME_PERSON = 0.6  # the distance below which face_recognition takes two faces for one person's


@pytest.fixture(scope="module")
def referee() -> ModuleType:
    """The module; it tells Pillow to accept truncated files, which is undone at once: ours are to be refused."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    face_recognition = importlib.import_module("face_recognition")
    ImageFile.LOAD_TRUNCATED_IMAGES = before
    return face_recognition


@pytest.fixture(scope="module")
def chosen(portraits: list[Path]) -> list[Path]:
    """Portraits from everywhere in the list, which is in the order of names."""
    return portraits[:: max(1, len(portraits) // PORTRAITS)][:PORTRAITS]


def pixels(box: Box, picture: Picture) -> tuple[int, int, int, int]:
    """(top, right, bottom, left) as face_recognition has them: right and bottom are the last pixels."""
    top, left = round(box.top * picture.height), round(box.left * picture.width)
    return top, round(box.right * picture.width) - 1, round(box.bottom * picture.height) - 1, left


def trimmed(box: Box, picture: Picture) -> tuple[int, int, int, int]:
    """The same, inside the picture, as face_recognition's detector trims them."""
    top, right, bottom, left = pixels(box, picture)
    return max(top, 0), min(right, picture.width), min(bottom, picture.height), max(left, 0)


def test_hog_draws_the_boxes_that_face_recognition_draws(referee: ModuleType, chosen: list[Path]):
    detector = HogDetector(score=0.0)  # theirs
    for path in chosen:
        picture = decode(path.read_bytes())
        theirs = referee.face_locations(picture.grey, number_of_times_to_upsample=0)
        assert sorted(trimmed(found.box, picture) for found in detector.detect(picture)) == sorted(theirs), path


def test_a_face_in_the_same_box_has_the_encoding_of_face_recognition(
    referee: ModuleType, chosen: list[Path], settings: SearchSettings
):
    """Without mirror images, and in shades of grey: the landmarks are then looked for in the same pixels."""
    graph = weights.resnet(settings.cache)
    assert graph is not None
    aligner, network, compared = Aligner(), OnnxNetwork(graph), 0
    for path in chosen:
        grey = decode(path.read_bytes()).grey
        picture = Picture(np.stack([grey] * 3, axis=-1), grey, max(grey.shape))
        for found in HogDetector(score=0.0).detect(picture):
            (theirs,) = referee.face_encodings(picture.rgb, [pixels(found.box, picture)], model="small")
            (ours,) = network(aligner.align(picture, found).chip[np.newaxis])
            assert np.abs(ours - theirs).max() < AGREEMENT, path
            compared += 1
    assert compared


def test_whole_pictures_show_both_the_same_people(referee: ModuleType, chosen: list[Path], settings: SearchSettings):
    """From bytes to encodings, each as it is used with dlib's network: sizes, detectors, alignment and mirror images differ."""
    searcher = Searcher(replace(settings, encoder=DLIB))
    compared = 0
    for path in chosen:
        data = path.read_bytes()
        ours = searcher.search(data).faces[0]
        for box, theirs in used(referee, data):
            if ours.box.overlap(box) > SAME_FACE:
                assert referee.face_distance([theirs], ours.encoding)[0] < SAME_PERSON / 2, path
                compared += 1
    assert compared >= len(chosen) / 2


def used(referee: ModuleType, data: bytes) -> list[tuple[Box, np.ndarray]]:
    """Boxes and encodings of a picture, by the three calls of face_recognition's own manual."""
    picture = referee.load_image_file(io.BytesIO(data))
    height, width = picture.shape[:2]
    located = referee.face_locations(picture)
    boxes = [Box(l / width, t / height, (r - l) / width, (b - t) / height) for t, r, b, l in located]  # noqa: E741
    return list(zip(boxes, referee.face_encodings(picture, located), strict=True))
