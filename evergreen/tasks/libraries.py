"""How the libraries that compute behave: what they print, how many threads they use, what they raise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evergreen.core.errors import EvergreenError, InputError
from evergreen.runtime.hub import first_line


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
