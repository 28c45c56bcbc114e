"""Encode aligned faces: with SFace, or with dlib's network, run by ONNX Runtime or by dlib itself as fallback and reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import dlib
import numpy as np

from vision.detection.align import Aligned
from vision.detection.faces import Array, Image
from vision.networks.runtime import session
from vision.weights import RESNET_DAT, model_file

BATCH = 16  # more do not run faster on one thread, and need memory
SFACE_BATCH = 2  # as fast a face as 16, which would take a child 130 MB more


class Encoder(Protocol):
    """Takes aligned faces to encodings (n, 128) float32. Those marked as `poor` (n) may be encoded with less effort."""

    def encode(self, faces: Sequence[Aligned], poor: Sequence[bool]) -> Array: ...


class Network(Protocol):
    """Takes aligned faces (n, side, side, 3) uint8 RGB, with the network's own side, to encodings (n, 128) float32."""

    def __call__(self, chips: Image) -> Array: ...


class OnnxNetwork:
    """A network in ONNX Runtime. dlib's agrees with dlib to 1e-5 in every component (tests/vision/detection/test_encode.py)."""

    def __init__(self, graph: Path, batch: int = BATCH) -> None:
        self._session = session(graph)
        self._batch = batch

    def __call__(self, chips: Image) -> Array:
        batches = np.array_split(chips, -(-len(chips) // self._batch))
        parts = [self._session.run(None, {"chips": batch})[0] for batch in batches]
        return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])


class DlibNetwork:
    """dlib's own implementation: many times slower, needs no graph."""

    def __init__(self) -> None:
        self._network = dlib.face_recognition_model_v1(str(model_file(RESNET_DAT)))

    def __call__(self, chips: Image) -> Array:
        return np.array([self._network.compute_face_descriptor(chip) for chip in chips], dtype=np.float32)


class SFaceEncoder:
    """SFace. Its encodings all have the length `sface.LENGTH`.

    The mean with the mirrored face's encoding finds as many faces, for twice the time.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def encode(self, faces: Sequence[Aligned], poor: Sequence[bool]) -> Array:
        """Return the encodings (n, 128) float32."""
        return self._network(np.stack([face.sface_chip for face in faces])) if faces else _none()


class DlibEncoder:
    """dlib's network. Each encoding is the mean of the face's and of its mirror image's.

    Poor faces are not mirrored: they train nothing, and crowds are full of them.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def encode(self, faces: Sequence[Aligned], poor: Sequence[bool]) -> Array:
        """Return the encodings (n, 128) float32."""
        if not faces:
            return _none()
        chips = np.stack([face.chip for face in faces])
        mirrored = np.flatnonzero(~np.array(poor, bool))
        both = self._network(np.concatenate([chips, chips[mirrored, :, ::-1]]))
        encodings = both[: len(chips)]
        encodings[mirrored] = (encodings[mirrored] + both[len(chips) :]) / 2
        return encodings


def _none() -> Array:
    return np.empty((0, 128), np.float32)
