"""ONNX Runtime sessions for the search processes."""

from __future__ import annotations

from pathlib import Path

import onnxruntime


def session(graph: Path) -> onnxruntime.InferenceSession:
    """Create a session with one thread: the pool has one child per core, and more threads would only compete.

    Memory patterns are off: they allocate one block a run, of another size for every size of picture, which left a child
    with 320 MB instead of 200 MB and saved no time.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
