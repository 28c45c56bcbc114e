"""The face network in ONNX Runtime gives the same results as dlib's own implementation, the reference."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from tests.vision.conftest import CACHE
from vision import weights
from vision.detection.align import Aligned, Aligner
from vision.detection.decode import decode
from vision.detection.encode import DlibEncoder, DlibNetwork, OnnxNetwork, SFaceEncoder
from vision.detection.hog import HogDetector
from vision.detection.prepare import prepared
from vision.detection.settings import DLIB, SearchSettings
from vision.networks import resnet, sface
from vision.networks.onnx_graph import WeightsError

AGREEMENT = 1e-5


@pytest.fixture(scope="module")
def network() -> OnnxNetwork:
    assert prepared(SearchSettings(encoder=DLIB, cache=CACHE), Event()).settings.encoder == DLIB
    graph = weights.resnet(CACHE)
    assert graph is not None
    return OnnxNetwork(graph)


def aligned_faces(portraits: list[Path], count: int) -> np.ndarray:
    """Return the first `count` aligned faces that HOG finds in the portraits; fewer if there are not enough."""
    hog, aligner, chips = HogDetector(), Aligner(), []
    for path in portraits:
        picture = decode(path.read_bytes())
        chips += [aligner.align(picture, found).chip for found in hog.detect(picture)]
        if len(chips) >= count:
            break
    return np.stack(chips[:count])


def centred(portraits: list[Path], count: int) -> np.ndarray:
    """Return portraits cropped to their centre, where the face is: faster than aligning faces.

    If there are not enough portraits, they are repeated, a bit darker each time.
    """
    chips = []
    for number in range(count):
        again, place = divmod(number, len(portraits))
        whole = ImageOps.fit(Image.open(portraits[place]).convert("RGB"), (250, 250))
        chips.append(np.asarray(ImageEnhance.Brightness(whole).enhance(0.98**again).crop((50, 50, 200, 200))))
    return np.stack(chips)


def test_encodings_of_200_faces_agree_with_dlib(network, portraits):
    aligned = aligned_faces(portraits, 50)
    chips = np.concatenate([aligned, centred(portraits, 200 - len(aligned))])
    assert np.abs(network(chips) - DlibNetwork()(chips)).max() < AGREEMENT


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_encodings_of_1000_faces_agree_with_dlib(network, photos, portraits):
    chips = aligned_faces(portraits, 1000)
    assert len(chips) == 1000
    assert np.abs(network(chips) - DlibNetwork()(chips)).max() < AGREEMENT


def test_encoding_does_not_depend_on_other_faces_of_the_batch(network, portraits):
    chips = centred(portraits, 40)
    together = network(chips)
    alone = np.concatenate([network(chips[i : i + 1]) for i in range(len(chips))])
    assert np.abs(together - alone).max() < AGREEMENT


def faces(chips: np.ndarray) -> list[Aligned]:
    """Return faces aligned for dlib's network only."""
    nothing = np.zeros((sface.CHIP_SIDE, sface.CHIP_SIDE, 3), np.uint8)
    return [Aligned(chip, nothing, np.zeros((5, 2), np.float32)) for chip in chips]


def test_mirror_averaging_gives_mirrored_faces_the_same_encoding(network, portraits):
    chips = centred(portraits, 8)
    flipped = np.ascontiguousarray(chips[:, :, ::-1])
    mirrored, turned = (DlibEncoder(network).encode(faces(each), [False] * 8) for each in (chips, flipped))
    assert np.abs(mirrored - turned).max() < AGREEMENT
    plain = network(chips), network(flipped)
    assert np.abs(plain[0] - plain[1]).max() > 0.01
    assert np.abs(mirrored - (plain[0] + plain[1]) / 2).max() < AGREEMENT


def test_mirror_averaging_is_not_used_for_poor_faces(network, portraits):
    chips = centred(portraits, 3)
    encoder = DlibEncoder(network)
    mixed, mirrored = (encoder.encode(faces(chips), poor) for poor in ([True, False, True], [False] * 3))
    plain = network(chips)
    assert np.abs(mixed - np.stack([plain[0], mirrored[1], plain[2]])).max() < AGREEMENT
    assert np.abs(encoder.encode(faces(chips), [True] * 3) - plain).max() < AGREEMENT


def test_no_faces_give_no_encodings(network):
    for encoder in (DlibEncoder(network), SFaceEncoder(network)):
        assert encoder.encode([], []).shape == (0, 128)


def test_aligned_face_equals_that_of_dlib(portraits):
    import dlib

    from vision.detection import align

    aligner = Aligner()
    predictor = dlib.shape_predictor(str(weights.model_file(weights.PREDICTOR_DAT)))
    picture = decode(portraits[0].read_bytes())
    picture = type(picture)(picture.rgb, np.asarray(Image.fromarray(picture.rgb).convert("L")), picture.native_side)
    found = HogDetector().detect(picture)[0]
    shape = predictor(picture.grey, align._rectangle(found.box, picture.width, picture.height))
    theirs = dlib.get_face_chip(picture.rgb, shape, resnet.CHIP_SIDE, align.PADDING)
    ours = aligner.align(picture, found).chip
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 2


def test_unsuitable_weights_are_refused():
    with pytest.raises(WeightsError, match="con_4"):
        resnet.read_layers(b"something else entirely")
