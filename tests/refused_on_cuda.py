"""Which operations CUDA refuses under `torch.use_deterministic_algorithms(True)`, found out without CUDA.

The list follows the docstring of that function ("will throw a RuntimeError"), by the names of the operations that reach
a kernel. What it says of `interpolate` holds no more for modes that torch itself takes apart on CUDA; `recorded` takes
them apart here, too.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

Arguments = Mapping[str, Any]
TAKEN_APART = ("linear", "bilinear", "trilinear")
MAX_OF_A_BAG = 2
"""How an embedding bag says that it takes the largest."""


def _always(_: Arguments) -> bool:
    return True


REFUSED: Mapping[str, Callable[[Arguments], bool]] = {
    "aten::nll_loss2d_forward": lambda given: given["reduction"] != 0,  # 0: none; 1: mean; 2: sum
    "aten::bincount": lambda given: given.get("weights") is not None,
    "aten::cumsum": lambda given: given["self"].is_floating_point(),
    "aten::cumsum_": lambda given: given["self"].is_floating_point(),
    "aten::scatter_reduce": lambda given: given["reduce"] == "prod",
    "aten::scatter_reduce_": lambda given: given["reduce"] == "prod",
    "aten::_embedding_bag_dense_backward": lambda given: given["mode"] == MAX_OF_A_BAG,
    **dict.fromkeys(
        (
            "aten::_adaptive_avg_pool2d_backward",
            "aten::_adaptive_avg_pool3d_backward",
            "aten::_ctc_loss_backward",
            "aten::adaptive_max_pool2d_backward",
            "aten::avg_pool3d_backward",
            "aten::fractional_max_pool2d_backward",
            "aten::fractional_max_pool3d_backward",
            "aten::grid_sampler_2d_backward",
            "aten::grid_sampler_3d_backward",
            "aten::histc",
            "aten::max_unpool2d",
            "aten::max_unpool3d",
            "aten::median.dim",
            "aten::nanmedian.dim",
            "aten::put_",
            "aten::reflection_pad1d_backward",
            "aten::reflection_pad2d_backward",
            "aten::reflection_pad3d_backward",
            "aten::upsample_bicubic2d_backward",
            "aten::upsample_bilinear2d_backward",
            "aten::upsample_linear1d_backward",
            "aten::upsample_trilinear3d_backward",
        ),
        _always,
    ),
}


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's has no types
    """Keeps the names of the operations that reach a kernel, and of those that CUDA would refuse."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[str] = set()
        self.refused: set[str] = set()

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        schema = func._schema
        given = {**dict(zip((argument.name for argument in schema.arguments), args, strict=False)), **(kwargs or {})}
        self.seen.add(schema.name)
        overload = f"{schema.name}.{schema.overload_name}"
        if any(name in REFUSED and REFUSED[name](given) for name in (schema.name, overload)):
            self.refused.add(schema.name)
        return func(*args, **(kwargs or {}))


@contextmanager
def recorded() -> Iterator[Recorder]:
    """The operations of the block, forwards and backwards, as a training on CUDA would ask for them."""
    plain = functional.interpolate

    def interpolate(input: Any, size: Any = None, scale_factor: Any = None, **how: Any) -> Any:  # noqa: A002
        if how.get("mode") not in TAKEN_APART:
            return plain(input, size, scale_factor, **how)
        apart = importlib.import_module("torch._decomp.decompositions")._upsample_linear_vec
        return apart(input, size, how.get("align_corners", False), scale_factor)

    functional.interpolate = interpolate  # type: ignore[assignment]  # one signature in place of torch's overloads
    try:
        with Recorder() as recorder:
            yield recorder
    finally:
        functional.interpolate = plain


@contextmanager
def deterministic() -> Iterator[None]:
    """Strict determinism, which the Trainer asks for on CUDA, and none behind the block."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
