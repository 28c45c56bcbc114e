"""SFace's rewritten graph gives the same encodings as the network it is made from, and faces are aligned as it expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from statistics import median

import numpy as np
import onnx
import pytest

from boxes import Box
from vision import weights
from vision.detection.align import CENTERFACE_POINTS, MEAN_FACE, PADDING, SFACE_POINTS, Aligner, _to_sface
from vision.detection.decode import decode
from vision.detection.encode import OnnxNetwork, SFaceEncoder
from vision.detection.faces import Face, box_in_chip
from vision.detection.hog import HogDetector
from vision.detection.search import Searcher
from vision.detection.settings import SearchSettings
from vision.networks import sface
from vision.networks.onnx_graph import WeightsError
from vision.networks.resnet import CHIP_SIDE
from vision.networks.runtime import session

AGREEMENT = 3e-6
Source = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def packaged() -> bytes:
    return weights.package_file(weights.SFACE_NETWORK.package, weights.SFACE_NETWORK.file).read_bytes()


@pytest.fixture(scope="module")
def source(packaged: bytes, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The packaged network itself, which takes one face (3, 112, 112) and returns its encoding, of any length.

    The file lists its weights among its inputs, and others that no layer uses: with them ONNX Runtime cannot run it.
    """
    model = onnx.load_from_string(packaged)
    inputs = [each for each in model.graph.input if each.name == "data"]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    path = tmp_path_factory.mktemp("sface") / "source.onnx"
    onnx.save(model, path)
    network = session(path)

    def encoding(chip: np.ndarray) -> np.ndarray:
        pixels = chip.astype(np.float32).transpose(2, 0, 1)[None]
        found: np.ndarray = np.asarray(network.run(None, {"data": pixels})[0])[0]
        return found

    return encoding


@pytest.fixture(scope="module")
def network(settings: SearchSettings) -> OnnxNetwork:
    graph = weights.sface(settings.cache)
    assert graph is not None
    return OnnxNetwork(graph)


def agree(network: OnnxNetwork, source: Source, chips: np.ndarray) -> None:
    """Assert that the directions are the same, for one face at a time and for all together."""
    theirs = np.stack([source(chip) for chip in chips])
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    alone = np.concatenate([network(chips[i : i + 1]) for i in range(len(chips))])
    for ours in (network(chips), alone):
        assert np.abs(ours / sface.LENGTH - theirs).max() < AGREEMENT


def test_graph_agrees_with_the_packaged_network(network, source):
    noise = np.random.default_rng(0).integers(0, 256, (4, 112, 112, 3), np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, 112).astype(np.uint8)[:, None], (112, 112, 3))
    agree(network, source, np.concatenate([noise, ramp[None]]))


def test_graph_agrees_with_the_packaged_network_for_real_faces(network, source, portraits):
    hog, aligner, chips = HogDetector(), Aligner(), []
    for path in portraits:
        picture = decode(path.read_bytes())
        chips += [aligner.align(picture, found).sface_chip for found in hog.detect(picture)]
        if len(chips) >= 5:
            break
    agree(network, source, np.stack(chips[:5]))


def test_encodings_have_one_length_and_do_not_depend_on_the_batch(network):
    chips = np.random.default_rng(1).integers(0, 256, (5, 112, 112, 3), np.uint8)
    encodings = network(chips)
    assert (encodings.shape, encodings.dtype) == ((5, 128), np.float32)
    assert np.linalg.norm(encodings, axis=1) == pytest.approx(np.full(5, 0.58), abs=1e-6)


def test_encoder_uses_the_face_aligned_for_sface(network, portraits):
    picture = decode(portraits[0].read_bytes())
    face = Aligner().align(picture, HogDetector().detect(picture)[0])
    assert face.sface_chip.shape == (112, 112, 3)
    expected = network(face.sface_chip[None])
    assert np.array_equal(SFaceEncoder(network).encode([face], [False]), expected)
    assert np.array_equal(SFaceEncoder(network).encode([face], [True]), expected)


@pytest.mark.parametrize("file", ["centerface.onnx", None])
def test_other_files_are_refused(file: str | None):
    data = b"something else entirely"
    if file:
        data = weights.package_file(weights.SFACE_NETWORK.package, file).read_bytes()
    with pytest.raises(WeightsError, match="SFace"):
        sface.build(data)


def test_network_with_another_number_of_layers_is_refused(packaged: bytes):
    model = onnx.load_from_string(packaged)
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    model.graph.node.remove(first)
    with pytest.raises(WeightsError, match="27 convolutions, this file has 26"):
        sface.build(model.SerializeToString())


def test_landmarks_of_both_detectors_lie_where_sface_was_trained():
    """The faces of the two sets have other proportions: 2.2 px is the least with one scale."""
    error = np.linalg.norm(_to_sface(np.array(CENTERFACE_POINTS)) - SFACE_POINTS, axis=1)
    assert error.mean() < 1.8
    assert error.max() < 2.3
    by_dlib = _to_sface(np.array([[(PADDING + c) / (2 * PADDING + 1) * CHIP_SIDE for c in p] for p in MEAN_FACE]))
    eyes = np.array([by_dlib[2:4].mean(axis=0), by_dlib[0:2].mean(axis=0)])  # the corners of each eye
    assert np.linalg.norm(eyes - np.array(SFACE_POINTS)[:2], axis=1).max() < 3


def test_face_is_encoded_alike_whichever_detector_found_it(settings, portraits):
    """The two detectors' landmarks lead to the same place in SFace's picture."""
    apart = []
    for path in portraits[:10]:
        one, other = (
            Searcher(SearchSettings(detector, cache=settings.cache)).search(path.read_bytes()).faces
            for detector in ("hog", "centerface")
        )
        apart += [distance(a, b) for a in one for b in other if a.box.overlap(b.box) > 0.4]
    assert median(apart) < 0.2


def distance(one: Face, other: Face) -> float:
    return float(np.linalg.norm(one.encoding - other.encoding))


def test_encoding_of_a_chip_is_near_that_of_the_picture(searcher, portraits):
    apart = []
    for path in portraits[:: max(1, len(portraits) // 20)]:
        result = searcher.search(path.read_bytes())
        for face in result.faces:
            if not face.poor:
                box = box_in_chip(face.box, result.width, result.height)
                apart.append(distance(searcher.encode(face.chip_jpeg, box), face))
    assert len(apart) >= 5
    assert median(apart) < 0.2
    assert max(apart) < 0.4


def test_box_in_a_chip_is_in_its_middle_with_the_chips_margin():
    box = box_in_chip(Box(0.7, 0.1, 0.1, 0.4), 1000, 500)
    assert astuple(box) == pytest.approx((0.5 - 0.25 / 1.6, 0.5 - 0.5 / 1.6, 0.5 / 1.6, 1 / 1.6))
