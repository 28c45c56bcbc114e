"""Detection of faces in whole pictures, from bytes to faces."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.Image import Transpose

from boxes import Box
from vision.detection.decode import Picture
from vision.detection.errors import ImageError, SearchError
from vision.detection.faces import Array, SearchResult
from vision.detection.pool import FacePool
from vision.detection.prepare import prepared
from vision.detection.search import Searcher, chip_jpeg
from vision.detection.settings import CENTERFACE, DLIB, HOG, SearchSettings
from vision.networks.onnx_graph import WeightsError
from vision.networks.sface import LENGTH

ROOT = Path(__file__).resolve().parents[3]


def distance(one: Array, other: Array) -> float:
    return float(np.linalg.norm(one - other))


def test_result_for_a_face_is_complete(searcher, two):
    result = searcher.search(two)
    assert (result.detector, result.encoder) == ("hog-2+centerface-3", "sface-1")
    assert max(result.width, result.height) == 960
    assert len(result.faces) == 2
    for face in result.faces:
        assert face.encoding.shape == (128,)
        assert face.encoding.dtype == np.float32
        assert face.landmarks.shape == (5, 2)
        assert face.box == face.box.clipped()
        assert face.box.left < face.landmarks[:, 0].min() < face.landmarks[:, 0].max() < face.box.right
        assert not face.poor
        assert face.size_px > 80
        assert Image.open(io.BytesIO(face.chip_jpeg)).size == (150, 150)
        assert len(face.chip_jpeg) < 12_000
    assert distance(result.faces[0].encoding, result.faces[1].encoding) > 0.6


@pytest.mark.parametrize(("orientation", "turned"), [(6, Transpose.ROTATE_90), (8, Transpose.ROTATE_270)])
def test_faces_are_the_same_if_the_picture_is_rotated_by_exif(searcher, two, orientation, turned):
    exif, out = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = orientation
    Image.open(io.BytesIO(two)).convert("RGB").transpose(turned).save(out, "JPEG", quality=95, exif=exif)
    upright, faces = searcher.search(two).faces, searcher.search(out.getvalue()).faces
    overlaps = np.array([[face.box.overlap(one.box) for one in upright] for face in faces])
    assert overlaps.shape == (2, 2)
    assert (overlaps.max(axis=0) > 0.6).all()


@pytest.mark.parametrize("detector", [HOG, CENTERFACE])
def test_each_detector_can_be_used_alone(settings, two, detector):
    result = Searcher(SearchSettings(detector, cache=settings.cache)).search(two)
    assert [face.detector for face in result.faces] == [detector] * 2


def test_dlib_network_gives_the_same_encodings_if_the_onnx_graph_is_missing(settings, two, tmp_path):
    wanted = prepared(SearchSettings(HOG, DLIB, settings.cache), Event()).settings
    quick = Searcher(wanted).search(two).faces
    slow = Searcher(SearchSettings(HOG, DLIB, tmp_path)).search(two).faces
    assert len(quick) == len(slow) == 2
    for one, other in zip(quick, slow, strict=True):
        assert np.abs(one.encoding - other.encoding).max() < 1e-5


def test_search_with_sface_needs_its_graph(tmp_path):
    with pytest.raises(WeightsError, match="SFace's weights are not in"):
        Searcher(SearchSettings(HOG, cache=tmp_path))


def test_encodings_have_the_length_and_distances_of_sface(searcher, two):
    one, other = (face.encoding for face in searcher.search(two).faces)
    assert [float(np.linalg.norm(each)) for each in (one, other)] == pytest.approx([LENGTH] * 2, abs=1e-5)


def test_second_detector_finds_faces_that_hog_does_not(settings, crowd):
    data, by_hog = crowd
    hog = Searcher(SearchSettings(HOG, cache=settings.cache)).search(data)
    both = Searcher(settings).search(data)
    assert len(both.faces) >= 2 > len(hog.faces) == by_hog
    assert "centerface" in {face.detector for face in both.faces}


def test_face_in_a_drawn_box_is_encoded(searcher, two):
    detected = searcher.search(two).faces[0]
    box = detected.box
    loose = Box(box.left - 0.2 * box.width, box.top - 0.3 * box.height, 1.3 * box.width, 1.4 * box.height)
    drawn = searcher.encode(two, loose)
    assert drawn.detector == "drawn"
    assert astuple(drawn.box) == pytest.approx(astuple(loose))  # Clipping rounds the coordinates.
    assert distance(drawn.encoding, detected.encoding) < 0.25


def test_drawn_box_without_a_detected_face_is_encoded(searcher, two):
    drawn = searcher.encode(two, Box(0.0, 0.8, 0.02, 0.05))
    assert np.isfinite(drawn.encoding).all()
    assert drawn.native_px < 40
    assert drawn.poor


def test_box_outside_the_picture_is_an_error(searcher, two):
    with pytest.raises(ImageError, match="outside"):
        searcher.encode(two, Box(1.1, 0.2, 0.3, 0.3))


def test_small_face_is_poor_even_if_the_picture_is_enlarged(searcher, photos, two):
    """Only with `photos`: the sharpness of an enlarged face depends on the photograph, and this one is known."""
    image = Image.open(io.BytesIO(two)).convert("RGB")
    sharp = searcher.search(two).faces[0]
    width = round(22 / sharp.box.width)
    small = image.resize((width, round(image.height * width / image.width)))
    for picture in (small, small.resize(image.size)):
        out = io.BytesIO()
        picture.save(out, "PNG")
        faces = searcher.search(out.getvalue()).faces
        assert faces
        assert all(face.poor for face in faces)


def test_small_picture_of_a_face_at_the_edge_is_square():
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:, :, 0] = 255
    for box in (Box(0, 0, 0.2, 0.4), Box(0.9, 0.8, 0.1, 0.2), Box(0, 0, 1, 1), Box(0.5, 0.5, 0.0, 0.0)):
        chip = np.asarray(Image.open(io.BytesIO(chip_jpeg(picture, box))))
        assert chip.shape == (150, 150, 3)
        assert chip[75, 75, 0] > 200


def test_pictures_searched_in_a_batch_have_the_same_faces(searcher, two, crowd, nobody, portraits):
    data = [two, b"", crowd[0], nobody, portraits[0].read_bytes(), two]
    together = searcher.search_all(iter(data))
    assert [type(each) for each in together] == [ImageError if i == 1 else SearchResult for i in range(len(data))]
    assert sum(len(each.faces) for each in together if isinstance(each, SearchResult)) > 6
    for one, result in zip(data, together, strict=True):
        if isinstance(result, ImageError):
            continue
        alone = searcher.search(one)
        assert (result.width, result.height, result.detector) == (alone.width, alone.height, alone.detector)
        for face, other in zip(result.faces, alone.faces, strict=True):
            assert np.abs(face.encoding - other.encoding).max() < 1e-5
            assert (face.box, face.poor, face.chip_jpeg) == (other.box, other.poor, other.chip_jpeg)


def test_memory_of_a_picture_is_released_after_its_search(searcher, two):
    """The memory needed for several pictures is that of the largest one."""
    alive = []

    def pictures() -> Iterator[bytes]:
        for _ in range(4):
            alive.append(sum(isinstance(each, Picture) for each in gc.get_objects()))
            yield two

    assert all(isinstance(each, SearchResult) for each in searcher.search_all(pictures()))
    assert alive == [alive[0]] * 4


def test_every_unusual_file_is_searched_or_fails_with_a_reason(settings, photos):
    """In one child, which none of these files may crash, and whose limits of memory and time none may exceed."""
    pool = FacePool(1, settings)
    errors = {}
    try:
        for path in sorted([*photos.glob("awkward/*/*"), *photos.glob("noface/*")]):
            try:
                pool.search(path.read_bytes())
            except SearchError as error:
                errors[path.name] = error
        stats = pool.stats()
    finally:
        pool.stop()
    assert all(isinstance(error, ImageError) and error.reason.endswith(".") for error in errors.values()), errors
    assert (stats.started, stats.crashed, stats.timed_out) == (1, 0, 0)
    assert stats.asked > 140
    assert {"zero_bytes.jpg", "truncated_10pct.jpg", "circle.svg", "giant-image.jpg"} <= errors.keys()
    assert not {"cmyk.tif", "rgb16.png", "jpeg_named.png", "hopper_bad_exif.jpg", "lossy.webp"} & errors.keys()


def test_process_that_uses_a_pool_loads_no_networks():
    code = (
        "import sys, vision.detection.pool; print(sorted({'dlib', 'onnxruntime', 'PIL', 'onnx'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
