"""Splits that a source gives itself: a column `split`, by the three names or what they are often called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evergreen.core.artifacts import SplitName
from evergreen.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

SPELLINGS = {
    "train": SplitName.TRAIN,
    "training": SplitName.TRAIN,
    "trainval": SplitName.TRAIN,
    "val": SplitName.VALIDATION,
    "valid": SplitName.VALIDATION,
    "validation": SplitName.VALIDATION,
    "dev": SplitName.VALIDATION,
    "eval": SplitName.VALIDATION,
    "test": SplitName.TEST,
    "testing": SplitName.TEST,
}
"""The split that is meant by each spelling, whatever its case."""


def given_splits(column: pa.Array, rows: pa.Array) -> pa.Array:
    """The splits' names, one a row. Raises InputError naming the first row with none of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    spelled = pc.utf8_lower(column.cast(pa.string()))
    position = pc.index_in(spelled, pa.array(list(SPELLINGS), pa.string()))
    if position.null_count:
        first = pc.index(pc.is_null(position), True).as_py()
        raise InputError(
            f"split {column[first].as_py()!r} of row {rows[first]} is none (allowed: {', '.join(SPELLINGS)}); "
            "correct it, or map another column as source.columns.split, or none"
        )
    return pa.array(list(SPELLINGS.values()), pa.string()).take(position)


def split_of_name(name: str) -> str | None:
    """The split that a file's name begins with: `val-00003.tfrec` → `validation`; None: it begins with none."""
    stem = name.rpartition("/")[2].lower()
    for spelling in sorted(SPELLINGS, key=len, reverse=True):
        rest = stem.removeprefix(spelling)
        if rest != stem and not rest[:1].isalpha():
            return SPELLINGS[spelling]
    return None
