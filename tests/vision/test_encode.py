"""The face network by ONNX Runtime agrees with dlib's own, its referee."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vision import resnet, weights
from vision.align import Aligner
from vision.decode import decode
from vision.encode import DlibNetwork, Encoder, OnnxNetwork
from vision.hog import HogDetector
from vision.settings import SearchSettings

AGREEMENT = 1e-5


@pytest.fixture(scope="module")
def network(settings: SearchSettings) -> OnnxNetwork:
    graph = weights.resnet(settings.cache)
    assert graph is not None
    return OnnxNetwork(graph)


def aligned_faces(photos: Path, count: int) -> np.ndarray:
    """The first `count` faces HOG finds in the portraits, as the networks see them."""
    hog, aligner, chips = HogDetector(), Aligner(), []
    for path in sorted(photos.glob("portraits/*/*.jpg")):
        picture = decode(path.read_bytes())
        chips += [aligner.align(picture, found).chip for found in hog.detect(picture)]
        if len(chips) >= count:
            break
    return np.stack(chips[:count])


def centred(photos: Path, count: int) -> np.ndarray:
    """Portraits cut around their centre, where the face is: quicker to have than aligned faces."""
    paths = sorted(photos.glob("portraits/*/*.jpg"))[:count]
    return np.stack([np.asarray(Image.open(path).convert("RGB").crop((50, 50, 200, 200))) for path in paths])


@pytest.mark.timeout(600)
def test_agrees_with_dlib_on_200_faces(network, photos):
    chips = np.concatenate([aligned_faces(photos, 50), centred(photos, 150)])
    assert np.abs(network(chips) - DlibNetwork()(chips)).max() < AGREEMENT


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_agrees_with_dlib_on_1000_faces(network, photos):
    chips = aligned_faces(photos, 1000)
    assert len(chips) == 1000
    assert np.abs(network(chips) - DlibNetwork()(chips)).max() < AGREEMENT


def test_a_face_has_the_same_encoding_in_any_company(network, photos):
    chips = centred(photos, 40)
    together = network(chips)
    alone = np.concatenate([network(chips[i : i + 1]) for i in range(len(chips))])
    assert np.abs(together - alone).max() < AGREEMENT


def test_mirrored_faces_have_the_same_encoding_with_mirror_averaging(network, photos):
    chips = centred(photos, 8)
    flipped = np.ascontiguousarray(chips[:, :, ::-1])
    encoder = Encoder(network, mirror=True)
    assert np.abs(encoder.encode(chips) - encoder.encode(flipped)).max() < AGREEMENT
    plain = Encoder(network, mirror=False)
    assert np.abs(plain.encode(chips) - plain.encode(flipped)).max() > 0.01
    mean = (plain.encode(chips) + plain.encode(flipped)) / 2
    assert np.abs(encoder.encode(chips) - mean).max() < AGREEMENT


def test_poor_faces_are_not_mirrored(network, photos):
    chips = centred(photos, 3)
    mixed = Encoder(network, mirror=True).encode(chips, [True, False, True])
    mirrored, plain = Encoder(network, mirror=True).encode(chips), Encoder(network, mirror=False).encode(chips)
    assert np.abs(mixed - np.stack([plain[0], mirrored[1], plain[2]])).max() < AGREEMENT
    assert np.abs(Encoder(network, mirror=True).encode(chips, [True] * 3) - plain).max() < AGREEMENT


def test_no_faces_no_encodings(network):
    assert Encoder(network, mirror=True).encode(np.empty((0, 150, 150, 3), np.uint8)).shape == (0, 128)


def test_the_aligned_face_is_dlibs(photos):
    import dlib

    from vision import align

    aligner = Aligner()
    predictor = dlib.shape_predictor(str(weights.model_file(weights.PREDICTOR_DAT)))
    picture = decode((photos / "portraits" / "Adam_Scott").glob("*.jpg").__next__().read_bytes())
    picture = type(picture)(picture.rgb, np.asarray(Image.fromarray(picture.rgb).convert("L")), picture.native_side)
    found = HogDetector().detect(picture)[0]
    shape = predictor(picture.grey, align._rectangle(found.box, picture.width, picture.height))
    theirs = dlib.get_face_chip(picture.rgb, shape, align.CHIP_SIDE, align.PADDING)
    ours = aligner.align(picture, found).chip
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 2


def test_weights_of_another_kind_are_refused():
    with pytest.raises(resnet.WeightsError, match="con_4"):
        resnet.read_layers(b"something else entirely")
