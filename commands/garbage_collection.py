"""How often Python collects garbage: seldom while a command imports, as usual while data come and go.

What is imported are hundreds of thousands of objects that all stay. Python would go through them again and again while
they are made, and once more at the end, for a third of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARE, USUAL = 50_000, 700
"""New objects before a collection; the second is Python's own number."""


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """A process that ends with the block: within it garbage is collected seldom, and what is left then not at all."""
    gc.set_threshold(RARE, *gc.get_threshold()[1:])
    try:
        yield
    finally:
        gc.freeze()


@contextmanager
def usual_garbage_collection() -> Iterator[None]:
    """Within the block garbage is collected as often as Python does, but not in what was there before the first one.

    Later blocks take no more out: between two there is garbage that would then stay.
    """
    before = gc.get_threshold()
    if not gc.get_freeze_count():
        gc.freeze()
    gc.set_threshold(USUAL, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
