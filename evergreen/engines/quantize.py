"""int8 graphs of a float32 graph: weights by channel, activations as they come ("dynamic quantization").

quantize(Path("fp32.onnx"), "int8-u8s8", Path("int8-u8s8.onnx"))

Which one is fast, and which one right, depends on the processor: without VNNI the product of unsigned activations and
signed weights overflows at 16 bits, which seven bits of weight (`reduced`) or unsigned weights avoid.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evergreen.engines.library import onnx_runtime

QUANTIZED = ("MatMul", "Gemm", "Gather")
"""Products of matrices, and the tables that tokens are looked up in, which are most of a small encoder's bytes.
Convolutions gain nothing by it: theirs have no fast dynamic kernel.
"""
INTEGER_PRODUCTS = {"MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"}


@dataclass(frozen=True)
class Arithmetic:
    """Weights of 8 bits, signed or not, or of 7 (`reduced`)."""

    signed: bool
    reduced: bool = False


INT8 = {
    "int8-u8s8": Arithmetic(signed=True),
    "int8-u8s8-reduced": Arithmetic(signed=True, reduced=True),
    "int8-u8u8": Arithmetic(signed=False),
}
"""The variants that are tried."""


def quantize(source: Path, name: str, target: Path) -> bool:
    """Whether the graph has products of matrices with weights, which `target` has in the INT8 arithmetic of that name.

    Raises:
        OSError: the disk is full.
    """
    import onnx

    onnx_runtime()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    arithmetic = INT8[name]
    with _quiet():
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=list(QUANTIZED),
            weight_type=QuantType.QInt8 if arithmetic.signed else QuantType.QUInt8,
            per_channel=True,
            reduce_range=arithmetic.reduced,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    made = onnx.load(target, load_external_data=False)
    if any(node.op_type in INTEGER_PRODUCTS for node in made.graph.node):
        return True
    target.unlink()
    return False


@contextmanager
def _quiet() -> Iterator[None]:
    """Without its advice to prepare the graph, which it writes to the root of all logs."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
