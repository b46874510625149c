"""A torch module as a graph, checked against the module before anybody is answered by it.

export(module, {"input_ids": …, "attention_mask": …}, DYNAMIC, Path("fp32.onnx"))

The exporter traces: what a module decides by looking at sizes is frozen as the example had it. So a graph is asked what
the module is asked, with other sizes too, and one that answers otherwise is refused. The same module gives the same
bytes in every process. Why not the other exporter, nor ONNX Runtime's fusions: docs/decisions/0029-engines.md.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evergreen.core.engines import EMBEDDING, EMBEDDING_SIZE, LOGITS
from evergreen.core.errors import EvergreenError
from evergreen.engines.session import Graph

if TYPE_CHECKING:
    import torch

OPSET = 17
TOLERANCE = 1e-4
"""Of each output, as a share of its largest value where that is above 1."""
PROJECTION_SEED = 20
PACKAGES = ("onnx", "onnxruntime", "torch", "transformers")


class ExportRefusedError(EvergreenError):
    """A model has no graph that answers as it does; torch serves it."""


def export(
    module: torch.nn.Module,
    example: Mapping[str, torch.Tensor],
    dynamic: Mapping[str, Mapping[int, str]],
    path: Path,
) -> None:
    """Writes the graph of a module that gives LOGITS and EMBEDDING; the order of `example` is that of its inputs.

    Args:
        module: on the CPU.
        example: inputs by name.
        dynamic: names of the dimensions that differ from call to call, by input or output and place.
        path: of the file.

    Raises:
        ExportRefusedError: an operation of the module has no counterpart.
        OSError: the disk is full.
    """
    import torch

    module.eval()
    try:
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                module,
                tuple(example.values()),
                str(path),
                input_names=list(example),
                output_names=[LOGITS, EMBEDDING],
                dynamic_axes={name: dict(axes) for name, axes in dynamic.items()},
                opset_version=OPSET,
                dynamo=False,
            )
    except OSError:
        raise
    except Exception as error:  # whatever an architecture's own code raises while it is traced
        raise ExportRefusedError(f"it cannot be exported: {_first_line(error)}") from error


def check(graph: Graph, module: torch.nn.Module, inputs: Sequence[Mapping[str, torch.Tensor]]) -> None:
    """Returns when the graph gives what the module gives, within TOLERANCE, for each of the inputs.

    Raises:
        ExportRefusedError: it does not.
    """
    import torch

    module.eval()
    for given in inputs:
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in given.items())
        with torch.inference_mode():
            expected = module(*given.values())
        try:
            got = graph.run({name: value.numpy() for name, value in given.items()})
        except Exception as error:  # as a session's, of no public class
            raise ExportRefusedError(f"its graph fails at {shapes}: {_first_line(error)}") from error
        for name, wanted in zip((LOGITS, EMBEDDING), expected, strict=True):
            distance = _distance(got[name], wanted.numpy())
            if not distance <= TOLERANCE:
                raise ExportRefusedError(f"the {name} of its graph are off by {distance:.1e} at {shapes}")


def projection(width: int) -> npt.NDArray[np.float32]:
    """The matrix that brings features to EMBEDDING_SIZE numbers, the same for each version: (width, 32) float32.

    Distances stay about as they are: Johnson and Lindenstrauss 1984.
    """
    drawn = np.random.default_rng(PROJECTION_SEED).standard_normal((width, EMBEDDING_SIZE))
    matrix: npt.NDArray[np.float32] = (drawn / np.sqrt(EMBEDDING_SIZE)).astype(np.float32)
    return matrix


def made_by() -> dict[str, str]:
    """The versions of what decides a graph."""
    return {package: version(package) for package in PACKAGES}


def _distance(got: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> float:
    """How far apart they are at most; infinite for other shapes."""
    if got.shape != wanted.shape:
        return float("inf")
    return float(np.abs(got - wanted).max(initial=0.0) / max(1.0, np.abs(wanted).max(initial=0.0)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's hints for its developers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__
