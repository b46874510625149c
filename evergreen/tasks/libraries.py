"""How the libraries that compute behave: what they print, how many threads they use, in which numbers they compute,
what they raise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evergreen.core.engines import TORCH
from evergreen.core.errors import EvergreenError, InputError
from evergreen.runtime.hub import first_line

if TYPE_CHECKING:
    import torch

_HALVES = {"torch.bfloat16": "bf16", "torch.float16": "fp16"}


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keeps transformers from printing its loading bars and reports; afterwards it prints as before."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def use_threads(count: int) -> None:
    """Lets torch use so many threads for what the calling thread computes from now on; other threads keep theirs."""
    import torch

    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def to_serve(network: Any) -> Any:
    """The network where it answers: on the GPU in half precision where there is one, else on the CPU in float32."""
    import torch

    if torch.cuda.is_available():
        return network.to("cuda", half_precision())
    return network.to("cpu")


def half_precision() -> torch.dtype:
    """bfloat16, whose range is that of float32, on a GPU that computes in it; else float16."""
    import torch

    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def torch_engine(network: Any) -> str:
    """The engine's name: `torch`, and in half precision `torch-bf16` or `torch-fp16`."""
    half = _HALVES.get(str(network.dtype))
    return f"{TORCH}-{half}" if half else TORCH


@contextlib.contextmanager
def loading(what: str, model_dir: Path) -> Iterator[None]:
    """Turns what libraries raise over a damaged directory, whatever its class, into one line that names it.

    Raises:
        InputError: the block raised anything but the lack of memory.
    """
    try:
        yield
    except (EvergreenError, MemoryError):
        raise
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which this module does not load
            raise
        raise InputError(f"no usable {what} at {model_dir}: {first_line(error)}") from error
