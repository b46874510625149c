"""What a class of ZenML has, changed for a while: where ZenML has no setting for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: type[Any], name: str, instead: Any) -> Iterator[None]:
    """The attribute of a class replaced within the block, which no other of the same may overlap."""
    before = getattr(owner, name)
    setattr(owner, name, instead)
    try:
        yield
    finally:
        setattr(owner, name, before)
