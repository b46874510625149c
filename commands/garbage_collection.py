"""How often Python collects garbage: seldom while a command imports, as usual while data come and go.

What is imported are hundreds of thousands of objects that all stay. Python would go through them again and again while
they are made, and once more at the end, for a third of the time.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

RARE, USUAL = 50_000, 700
"""New objects before a collection; the second is Python's own number."""
TELLS_WHAT_IS_LEFT = "_duckdb"
"""As the process ends its bindings print all that was not collected, page after page."""


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """A process that ends with the block: within it garbage is collected seldom, and what is left then not at all,
    unless DuckDB is there.
    """
    gc.set_threshold(RARE, *gc.get_threshold()[1:])
    try:
        yield
    finally:
        if TELLS_WHAT_IS_LEFT in sys.modules:
            gc.unfreeze()
        else:
            gc.freeze()


@contextmanager
def usual_garbage_collection() -> Iterator[None]:
    """Within the block garbage is collected as often as Python does, but not in what was there before it.

    A block within another changes nothing.
    """
    if gc.get_freeze_count():
        yield
        return
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(USUAL, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
