"""dlib's face recognition network, read from its weights file without dlib and written as an ONNX graph.

The file keeps the layers from input to output: 29 convolutions (`con_4`), each followed by a scale and shift
(`affine_`), and at the end one matrix (`fc_2`). The architecture is a ResNet that takes 150x150 RGB
faces to 128 numbers; dlib's example dnn_face_recognition_ex documents the same layers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vision.networks.onnx_graph import Array, GraphBuilder, WeightsError

if TYPE_CHECKING:
    from onnx import ModelProto

CHIP_SIDE = 150
MEAN_RGB = (122.782, 117.001, 104.298)
SCALE = 256.0
# (channels, blocks after the first of the stage, whether the stage begins by halving)
STAGES = ((32, 3, False), (64, 3, True), (128, 2, True), (256, 2, True), (256, 0, True))


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """Weights (out, in, k, k) and biases (out,), with the affine layer folded in."""

    weights: Array
    biases: Array
    stride: int
    padding: int


@dataclass
class _Reader:
    data: bytes
    at: int = 0

    def seek(self, tag: bytes) -> None:
        found = self.data.find(bytes([1, len(tag)]) + tag, self.at)
        if found < 0:
            raise WeightsError(f"no {tag.decode()} after byte {self.at}")
        self.at = found + 2 + len(tag)

    def integer(self) -> int:
        """The low four bits of the first byte say how many bytes follow, its top bit is the sign."""
        head = self.data[self.at]
        count = head & 0x0F
        value = int.from_bytes(self.data[self.at + 1 : self.at + 1 + count], "little")
        self.at += 1 + count
        return -value if head & 0x80 else value

    def tensor(self) -> Array:
        self.integer()  # version
        shape = [self.integer() for _ in range(4)]
        count = int(np.prod(shape))
        values = struct.unpack_from(f"<{count}f", self.data, self.at)
        self.at += 4 * count
        return np.array(values, dtype=np.float32)


def read_layers(data: bytes) -> tuple[list[Convolution], Array]:
    """Return the 29 convolutions from input to output, and the matrix (256, 128) at the end. Raises WeightsError."""
    reader = _Reader(data)
    channels = 3
    convolutions = []
    for _ in range(29):
        layer = _convolution(reader, channels)
        convolutions.append(layer)
        channels = layer.weights.shape[0]
    reader.seek(b"fc_2")
    outputs, inputs = reader.integer(), reader.integer()
    matrix = reader.tensor().reshape(inputs, outputs)
    return convolutions, matrix


def _convolution(reader: _Reader, channels: int) -> Convolution:
    reader.seek(b"con_4")
    values = reader.tensor()
    out, rows, columns, stride, _, padding, _ = (reader.integer() for _ in range(7))
    weights, biases = values[:-out].reshape(out, channels, rows, columns), values[-out:]
    reader.seek(b"affine_")
    gammas, betas = np.split(reader.tensor(), 2)
    return Convolution(weights * gammas[:, None, None, None], biases * gammas + betas, stride, padding)


class _Graph(GraphBuilder):
    """The layers of this network."""

    def convolve(self, at: str, layer: Convolution) -> str:
        inputs = (at, self.constant(layer.weights), self.constant(layer.biases))
        return self.add("Conv", *inputs, strides=[layer.stride] * 2, pads=[layer.padding] * 4)

    def widen(self, at: str, channels: int, more: int) -> str:
        """Append channels of zeros by a convolution with the identity.

        Exact, and unlike a Pad (or an Add of what was padded) ONNX Runtime does it in the layout of its convolutions, so
        that no block leaves it and all sums and ReLUs are part of a convolution: a twentieth less time a face.
        """
        weights = np.eye(channels + more, channels, dtype=np.float32)[:, :, None, None]
        return self.add("Conv", at, self.constant(weights)) if more else at

    def enlarge(self, at: str, channels: int, pixels: int) -> str:
        """Append zeros at the bottom and right, in the same way."""
        weights = np.ones((channels, 1, 1, 1), np.float32)
        pads = [0, 0, pixels, pixels]
        return self.add("Conv", at, self.constant(weights), group=channels, pads=pads) if pixels else at


def build(data: bytes) -> ModelProto:
    """Build the ONNX graph: `chips` (n, 150, 150, 3) uint8 RGB to `encodings` (n, 128) float32. Raises WeightsError."""
    convolutions, matrix = read_layers(data)
    graph = _Graph()
    at = _trunk(graph, iter(convolutions))
    at = graph.add("Flatten", graph.add("GlobalAveragePool", at))
    graph.add("MatMul", at, graph.constant(matrix), output="encodings")
    return graph.model("dlib_face_recognition_resnet_v1", CHIP_SIDE)


def _trunk(graph: _Graph, layers: Iterator[Convolution]) -> str:
    at = graph.add("Cast", "chips", to=1)
    at = graph.add("Transpose", at, perm=[0, 3, 1, 2])
    at = graph.add("Relu", graph.convolve(at, _normalising(next(layers))))
    at = graph.add("MaxPool", at, kernel_shape=[3, 3], strides=[2, 2])
    side, channels = 35, 32
    for width, blocks, halves in STAGES:
        if halves:
            at, side = _down(graph, layers, at, side, channels, width)
        for _ in range(blocks):
            at = graph.add("Relu", graph.add("Add", _two(graph, layers, at), at))
        channels = width
    return at


def _normalising(first: Convolution) -> Convolution:
    """The first convolution of (x - MEAN_RGB) / SCALE as one of x: it has no padding, so that the shift is a bias."""
    weights = first.weights.astype(np.float64) / SCALE
    shift = (weights * np.array(MEAN_RGB).reshape(1, 3, 1, 1)).sum(axis=(1, 2, 3))
    biases = first.biases.astype(np.float64) - shift
    return Convolution(weights.astype(np.float32), biases.astype(np.float32), first.stride, first.padding)


def _two(graph: _Graph, layers: Iterator[Convolution], at: str) -> str:
    return graph.convolve(graph.add("Relu", graph.convolve(at, next(layers))), next(layers))


def _down(
    graph: _Graph, layers: Iterator[Convolution], at: str, side: int, channels: int, width: int
) -> tuple[str, int]:
    """A block that halves: convolution without padding against a 2x2 average, the larger by a pixel or as large."""
    convolved, pooled = (side - 3) // 2 + 1, side // 2
    branch = graph.convolve(graph.add("Relu", graph.convolve(at, next(layers))), _seen_by(next(layers), convolved))
    branch = graph.enlarge(branch, width, pooled - convolved)
    shortcut = graph.add("AveragePool", at, kernel_shape=[2, 2], strides=[2, 2])
    shortcut = graph.widen(shortcut, channels, width - channels)
    return graph.add("Relu", graph.add("Add", branch, shortcut)), pooled


def _seen_by(layer: Convolution, side: int) -> Convolution:
    """Reduce a 3x3 kernel to its centre for a 1 px input: the rest of the kernel covers only padding."""
    if side > 1:
        return layer
    return Convolution(np.ascontiguousarray(layer.weights[:, :, 1:2, 1:2]), layer.biases, layer.stride, 0)
