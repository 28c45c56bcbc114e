"""CenterFace (Xu et al. 2019, arXiv:1911.03599): an anchor-free detector that gives five landmarks with each box."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from boxes import Box
from vision.detection.decode import Picture
from vision.detection.faces import Array
from vision.detection.merging import Found, without_doubles
from vision.detection.settings import CENTERFACE
from vision.networks.runtime import session

STRIDE = 4  # the heat map has a quarter of the input's side
MULTIPLE = 32  # the network halves its input five times
# At 416 px it finds as many faces of 40 px and more (of 960 px pictures) as at 960 px, in 23 ms instead of 120; what a
# larger input adds are smaller faces, which train nothing. At 0.5 few things pass for faces. (Chosen by looking at all of the
# photographs, none held out, by the faces found and the persons recognised.)
# Of 132 photographs it finds 408 faces at 416 px in 23 ms each, 305 at 320 px in 15 ms, 265 at 256 px in 10 ms; and 379 at
# 416 px with weights and activations of eight bits (ONNX Runtime's static quantisation, calibrated on 24 of them) in 19.5 ms.
# Only some pictures are looked at twice: what either saves is not worth the faces.
INPUT_SIDE = 416
SCORE = 0.5
SAME_FACE = 0.3  # intersection over union above which two peaks are one face, as in the authors' code


class CenterFaceDetector:
    """The second detector. Finds profiles, hats, tilted and small faces that HOG misses, and takes somewhat longer."""

    name = CENTERFACE

    def __init__(self, graph: Path, input_side: int = INPUT_SIDE, score: float = SCORE) -> None:
        self._session = session(graph)
        self._input_side = input_side
        self._score = score

    def detect(self, picture: Picture) -> list[Found]:
        """Return the faces of a picture, each once, best first. Landmarks: eyes, nose, corners of the mouth."""
        height, width = picture.rgb.shape[:2]
        scale = min(1.0, self._input_side / max(height, width))
        size = (_multiple(width * scale), _multiple(height * scale))
        shrunk = Pillow.fromarray(picture.rgb).resize(size, Pillow.Resampling.BILINEAR, reducing_gap=2.0)
        blob = np.ascontiguousarray(np.asarray(shrunk, dtype=np.float32).transpose(2, 0, 1)[None])
        outputs = self._session.run(None, {self._session.get_inputs()[0].name: blob})
        return without_doubles(_decoded(outputs, size, self._score), SAME_FACE)


def _multiple(pixels: float) -> int:
    return max(1, round(pixels / MULTIPLE)) * MULTIPLE


def _decoded(outputs: Sequence[Any], size: tuple[int, int], least: float) -> list[Found]:
    """Decode the outputs: each cell of the heat map above `least` is a face with log size, offset and landmarks."""
    heat, log_size, offset, marks = (np.asarray(output)[0] for output in outputs)
    rows, columns = np.nonzero(heat[0] > least)
    scores = heat[0, rows, columns]
    heights, widths = np.exp(log_size[:, rows, columns]) * STRIDE
    tops = (rows + offset[0, rows, columns] + 0.5) * STRIDE - heights / 2
    lefts = (columns + offset[1, rows, columns] + 0.5) * STRIDE - widths / 2
    ys = marks[0::2, rows, columns] * heights + tops
    xs = marks[1::2, rows, columns] * widths + lefts
    width, height = size
    points: Array = np.stack([xs / width, ys / height], axis=-1).transpose(1, 0, 2).astype(np.float32)
    boxes = np.stack([lefts / width, tops / height, widths / width, heights / height], axis=1).tolist()
    return [
        Found(Box(*box), float(score), CENTERFACE, landmarks)
        for box, score, landmarks in zip(boxes, scores, points, strict=True)
    ]


def with_free_size(data: bytes) -> bytes:
    """Return the network with any input size instead of its fixed 32x32, and its weights as constants (which run faster)."""
    import onnx

    model = onnx.load_from_string(data)
    weights = {weight.name for weight in model.graph.initializer}
    kept = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for value in [*model.graph.input, *model.graph.output]:
        for axis in (0, 2, 3):
            value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}_{axis}"
    return bytes(model.SerializeToString())
