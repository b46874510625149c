"""Python's search for garbage, kept from what a command imports: hundreds of thousands of objects that all stay.

It would go through them again and again while they are made, and once more at the end, for a third of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = 50_000
"""New objects before a search; Python's own number is 700."""


@contextmanager
def searched_seldom() -> Iterator[None]:
    """A process that ends with the block: within it garbage is searched seldom, and what is left then not at all."""
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])
    try:
        yield
    finally:
        gc.freeze()


@contextmanager
def searched_as_usual() -> Iterator[None]:
    """Within the block, where data come and go, garbage is searched as often as Python does, but not in what was
    imported before.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(700, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
