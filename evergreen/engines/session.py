"""A graph that ONNX Runtime runs.

Graph(Path("fp32.onnx"), threads=2).run({"input_ids": …, "attention_mask": …}) → {"logits": (rows, 4), …}
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from evergreen.core.errors import InputError
from evergreen.engines.library import onnx_runtime

Arrays = Mapping[str, npt.NDArray[Any]]
CPU = "CPUExecutionProvider"
ERRORS_ALONE = 3
SPIN_US = 100
"""Microseconds for which a thread stays awake between two operations: waking it for each takes a third of the time in
which one caller is answered. One that waits longer sleeps, and so do all between two calls.
"""
_SPINNING = {"intra_op.allow_spinning": "1", "intra_op.spin_duration_us": str(SPIN_US), "force_spinning_stop": "1"}


class Graph:
    """One graph in memory, with threads of its own, which soon wait for work asleep: a busy neighbour keeps its cores.

    Safe in threads: calls side by side share them. `threads` of 0 are as many as there are cores.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        """Loads the file.

        Raises:
            InputError: it is missing, damaged, or no graph that ONNX Runtime knows.
        """
        onnxruntime = onnx_runtime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ALONE
        for name, value in _SPINNING.items():
            options.add_session_config_entry(f"session.{name}", value)
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=[CPU])
        except Exception as error:  # its classes are those of a compiled library, and come from nowhere public
            raise InputError(f"{path} is no graph that can be run: {_first_line(error)}") from error
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what it gives."""
        return tuple(self._outputs)

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """What the graph gives, by name."""
        return dict(zip(self._outputs, self._session.run(None, dict(inputs)), strict=True))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
