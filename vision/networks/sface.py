"""SFace (Zhong et al. 2021, arXiv:2205.12010), a face recognition network, rewritten so that it runs fast on one core.

The source is OpenCV Zoo's block-quantised file (int8 weights with a scale for every block of 64 or 9). It is a MobileFaceNet-like
network: 27 convolutions, each followed by a batch normalisation and a PReLU, and one matrix. Here the weights are expanded to
float32, the batch normalisations are folded into them, and any number of faces may be encoded at once. The encodings are the
same to 3e-6 of a component (tests/vision/networks/test_sface.py), in half the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vision.networks.onnx_graph import GraphBuilder, WeightsError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

CHIP_SIDE = 112
MEAN, SCALE = 127.5, 1 / 128
LENGTH = 0.58
"""Length of an encoding. The network's own lengths say nothing about who it is: its faces are compared by the cosine. With this
length a distance of 0.6 between two faces is about as telling as with dlib's encodings, whose threshold people know."""

Doubles = NDArray[np.float64]


def build(data: bytes) -> ModelProto:
    """Build the ONNX graph: `chips` (n, 112, 112, 3) uint8 RGB to `encodings` (n, 128) float32. Raises WeightsError."""
    source = _Source(data)
    graph = GraphBuilder()
    at = graph.add("Transpose", graph.add("Cast", "chips", to=1), perm=[0, 3, 1, 2])
    at = graph.add("Mul", graph.add("Sub", at, _constant(graph, MEAN)), _constant(graph, SCALE))
    factors = np.ones(3)
    for layer in source.convolutions:
        at, factors = _convolution(graph, source, layer, at, factors)
    matrix, biases = source.matrix(factors)
    at = graph.add("Flatten", at)
    at = graph.add("Gemm", at, _constant(graph, matrix.T), _constant(graph, biases))
    at = graph.add("LpNormalization", at, axis=1, p=2)
    graph.add("Mul", at, _constant(graph, LENGTH), output="encodings")
    return graph.model("sface_2021dec", CHIP_SIDE)


def _constant(graph: GraphBuilder, values: float | Doubles) -> str:
    return graph.constant(np.asarray(values, np.float32))


def _convolution(
    graph: GraphBuilder, source: _Source, layer: NodeProto, at: str, factors: Doubles
) -> tuple[str, Doubles]:
    """Add a convolution with its batch normalisation folded in, and its PReLU.

    `factors` are still to be multiplied with the channels that come in, those returned with the channels that go out.

    ONNX Runtime's PRelu is not vectorised. x for positive and ax for negative x is ax + (1 - a)relu(x), which is
    (1 - a)(relu(x) + x a/(1 - a)): one convolution of one pixel a channel, to which the other term is added without a step of its
    own, and a factor that the next convolution takes over. It takes half of the time.
    """
    scale, shift = source.normalisation_after(layer.output[0])
    weights = source.values[layer.input[1]].astype(np.float64) * scale[:, None, None, None]
    weights *= factors[:, None, None, None] if weights.shape[1] == 1 else factors[None, :, None, None]
    attributes = source.attributes(layer)
    kept = {name: attributes[name] for name in ("kernel_shape", "pads", "strides", "group") if name in attributes}
    at = graph.add("Conv", at, _constant(graph, weights), _constant(graph, shift), **kept)
    slopes = source.slopes_after(layer.output[0])
    ratio = _constant(graph, (slopes / (1 - slopes)).reshape(-1, 1, 1, 1))
    scaled = graph.add("Conv", at, ratio, group=len(slopes), kernel_shape=[1, 1])
    return graph.add("Add", scaled, graph.add("Relu", at)), 1 - slopes


class _Source:
    """The layers of OpenCV Zoo's file, with float weights."""

    def __init__(self, data: bytes) -> None:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

        try:
            graph = onnx.load_from_string(data).graph
            self.values: dict[str, Any] = {w.name: onnx.numpy_helper.to_array(w) for w in graph.initializer}
            self._by_input = {node.input[0]: node for node in graph.node if node.input}
            self.convolutions = [node for node in graph.node if node.op_type == "Conv"]
            self._matrix = next(node for node in graph.node if node.op_type == "Gemm")
            for node in graph.node:
                self._expand(node)
        except (DecodeError, ValueError, KeyError, StopIteration) as error:
            raise WeightsError(f"This is not SFace's file: {error!r}") from error
        if len(self.convolutions) != 27:
            raise WeightsError(f"SFace has 27 convolutions, this file has {len(self.convolutions)}")

    @staticmethod
    def attributes(node: NodeProto) -> Mapping[str, Any]:
        from onnx import helper

        return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}

    def _expand(self, node: NodeProto) -> None:
        """Expand quantised weights: (q - zero) * scale, with a zero and a scale for each block along one axis."""
        if node.op_type == "DequantizeLinear":
            attributes = self.attributes(node)
            axis, size = attributes["axis"], attributes["block_size"]
            whole, scale, zero = (self.values[name].astype(np.float32) for name in node.input)
            places = np.arange(whole.shape[axis]) // size
            self.values[node.output[0]] = (whole - zero.take(places, axis)) * scale.take(places, axis)
        elif node.op_type == "Reshape" and node.input[0] in self.values:
            self.values[node.output[0]] = self.values[node.input[0]].reshape(self.values[node.input[1]])

    def normalisation_after(self, name: str) -> tuple[Doubles, Doubles]:
        """Return scale and shift of the batch normalisation of this output."""
        node = self._by_input[name]
        if node.op_type != "BatchNormalization":
            raise WeightsError(f"{node.op_type} where a BatchNormalization was expected, after {name}")
        gamma, beta, mean, variance = (self.values[each].astype(np.float64) for each in node.input[1:])
        scale = gamma / np.sqrt(variance + self.attributes(node)["epsilon"])
        return scale, beta - mean * scale

    def slopes_after(self, name: str) -> Doubles:
        """Return the slopes (channels,) of the PReLU after the convolution with this output."""
        node = self._by_input[self._by_input[name].output[0]]
        return np.asarray(self.values[node.input[1]].reshape(-1), np.float64)

    def matrix(self, factors: Doubles) -> tuple[Doubles, Doubles]:
        """Return the matrix (128, 1024 * 7 * 7) and biases (128,), with the normalisations before and after folded in.

        `factors` (1024,) are still to be multiplied with the channels that come in.
        """
        matrix, biases = (self.values[name].astype(np.float64) for name in self._matrix.input[1:])
        last = self._by_input[self.convolutions[-1].output[0]].output[0]
        before, shift = self.normalisation_after(self._by_input[last].output[0])
        by_channel = matrix.reshape(len(matrix), len(before), -1)
        biases = biases + by_channel.sum(axis=2) @ shift
        scale, after = self.normalisation_after(self._matrix.output[0])
        folded = (by_channel * (before * factors)[None, :, None]).reshape(len(matrix), -1)
        return folded * scale[:, None], biases * scale + after
