"""A small builder of ONNX graphs. Imports `onnx` only where it is used: searching pictures needs ONNX Runtime alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto

Array = NDArray[np.float32]
OPSET = 17
IR_VERSION = 8


class WeightsError(Exception):
    """Weights are missing, have the wrong checksum or an unexpected layout; the message names them and the cause."""


class GraphBuilder:
    """Collects nodes and weights; every method returns the name of its output."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"x{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def model(self, name: str, side: int) -> ModelProto:
        """Return the checked model: `chips` (n, side, side, 3) uint8 RGB to `encodings` (n, 128) float32."""
        from onnx import TensorProto, checker, helper

        chips = helper.make_tensor_value_info("chips", TensorProto.UINT8, ["n", side, side, 3])
        encodings = helper.make_tensor_value_info("encodings", TensorProto.FLOAT, ["n", 128])
        graph = helper.make_graph(self._nodes, name, [chips], [encodings], self._weights)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        checker.check_model(model)
        return model
