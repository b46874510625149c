"""The rows of each slice, as far as every task has them: of values of columns. Which they are, `core.slices` says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from evergreen.core.errors import InputError
from evergreen.core.report import SmallSlice
from evergreen.evaluation.measure import Numbers

NULL_VALUE = "(null)"

Slice = tuple[str, str, Numbers]
"""Column, value and the numbers of the rows that have it."""


def of_columns(
    columns: Iterable[str], values: Mapping[str, Numbers], names: Mapping[str, list[str]]
) -> Iterator[Slice]:
    """Column, value and row numbers of each slice that has rows; columns in order, values by name.

    Args:
        columns: those to slice by.
        values: (rows,) value number by column; `names[column][number]` is the value.
        names: values by column.
    """
    for column in columns:
        yield from slices_of(column, values[column], sorted(enumerate(names[column]), key=lambda pair: pair[1]))


def large(slices: Iterable[Slice], min_rows: int) -> list[Slice]:
    """Those that are large enough to be measured."""
    return [named for named in slices if len(named[2]) >= min_rows]


def small(slices: Iterable[Slice], min_rows: int) -> tuple[SmallSlice, ...]:
    """Those that are not, by their number of rows."""
    return tuple(
        SmallSlice(column=column, value=value, rows=len(rows)) for column, value, rows in slices if len(rows) < min_rows
    )


def slices_of(column: str, numbers: Numbers, named: list[tuple[int, str]]) -> Iterator[Slice]:
    """The slices of one column that have rows, in the order of `named`: (number, value) pairs."""
    for number, value in named:
        rows = np.flatnonzero(numbers == number)
        if len(rows):
            yield column, value, rows


class ColumnValues:
    """The value of each slice column of every test row, kept as a number."""

    def __init__(self, max_values: int) -> None:
        self.names: dict[str, list[str]] = {}
        self._max_values = max_values
        self._known: dict[str, dict[str, int]] = {}
        self._values: dict[str, list[Numbers]] = {}

    def add(self, columns: Mapping[str, list[Any]]) -> None:
        """Keeps the values of a batch.

        Raises:
            InputError: a slice column has more values than a person can read.
        """
        for column, values in columns.items():
            known = self._known.setdefault(column, {})
            numbers = [known.setdefault(NULL_VALUE if value is None else str(value), len(known)) for value in values]
            if len(known) > self._max_values:
                raise InputError(
                    f"slice column {column!r} has more than {self._max_values:,} different values; "
                    f"take columns with few values into task.slices.columns, or raise task.slices.max_values"
                )
            self._values.setdefault(column, []).append(np.array(numbers, dtype=np.int64))
            self.names[column] = list(known)

    @property
    def numbers(self) -> dict[str, Numbers]:
        """(rows,) by column; `names[column][number]` is the value."""
        return {column: np.concatenate(parts) for column, parts in self._values.items()}


def require_columns(columns: tuple[str, ...], present: list[str]) -> None:
    """Returns when the test split has the slice columns.

    Raises:
        InputError: one is missing.
    """
    missing = [column for column in columns if column not in present]
    if missing:
        raise InputError(
            f"slice column {missing[0]!r} missing from the test split (has: {', '.join(present)}); "
            f"set task.slices.columns, or map the column in source.columns"
        )


def bucket_names(edges: tuple[int, ...], unit: str = "") -> list[str]:
    """`≤ 100`, `101–250`, …, `> 5000`: whole numbers, each edge in the bucket below it."""
    between = [f"{low + 1}–{high}{unit}" for low, high in pairwise(edges)]
    return [f"≤ {edges[0]}{unit}", *between, f"> {edges[-1]}{unit}"]
