"""ONNX Runtime, as a search child uses it."""

from __future__ import annotations

from pathlib import Path

import onnxruntime


def session(graph: Path) -> onnxruntime.InferenceSession:
    """A session on one thread: the pool has a child a core, and more threads than cores only wait for one another.

    The arena is off: it would keep the memory of the largest picture ever searched.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
