"""Encode aligned faces with dlib's network, run by ONNX Runtime, or by dlib itself as fallback and reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import dlib
import numpy as np

from vision.detection.faces import Array, Image
from vision.detection.runtime import session
from vision.weights import RESNET_DAT, model_file

BATCH = 16  # more do not run faster on one thread, and need memory


class Network(Protocol):
    """Takes aligned faces (n, 150, 150, 3) uint8 RGB to encodings (n, 128) float32."""

    def __call__(self, chips: Image) -> Array: ...


class OnnxNetwork:
    """The network in ONNX Runtime. Agrees with dlib to 1e-5 in every component (tests/vision/detection/test_encode.py)."""

    def __init__(self, graph: Path) -> None:
        self._session = session(graph)

    def __call__(self, chips: Image) -> Array:
        batches = np.array_split(chips, -(-len(chips) // BATCH))
        parts = [self._session.run(None, {"chips": batch})[0] for batch in batches]
        return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])


class DlibNetwork:
    """dlib's own implementation: many times slower, needs no graph."""

    def __init__(self) -> None:
        self._network = dlib.face_recognition_model_v1(str(model_file(RESNET_DAT)))

    def __call__(self, chips: Image) -> Array:
        return np.array([self._network.compute_face_descriptor(chip) for chip in chips], dtype=np.float32)


class Encoder:
    """Encodings of faces. With `mirror` each is the mean of the face's and of its mirror image's."""

    def __init__(self, network: Network, mirror: bool) -> None:
        self._network = network
        self._mirror = mirror

    def encode(self, chips: Image, poor: Sequence[bool] | None = None) -> Array:
        """Aligned faces (n, 150, 150, 3) uint8 RGB to encodings (n, 128) float32.

        Those marked as `poor` (n) are not mirrored: they train nothing, and crowds are full of them.
        """
        if not len(chips):
            return np.empty((0, 128), np.float32)
        mirrored = np.flatnonzero(~np.array(poor, bool)) if poor is not None else np.arange(len(chips))
        if not self._mirror or not len(mirrored):
            return self._network(chips)
        both = self._network(np.concatenate([chips, chips[mirrored, :, ::-1]]))
        encodings = both[: len(chips)]
        encodings[mirrored] = (encodings[mirrored] + both[len(chips) :]) / 2
        return encodings
