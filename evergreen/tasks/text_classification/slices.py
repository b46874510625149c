"""Which parts of the test split are also looked at by themselves, so that a mean hides no weak spot.

slices:
  columns: [source]                     # any column of the data with few values
  length_edges_chars: [250, 1000, 4000]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field

from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.core.reports import ColumnStatistics

LENGTH_COLUMN = "length_chars"
OWN_REPORT = {
    "id": "its values are all different",
    "text": "take length_edges_chars",
    "label": "see the report by class",
}


def _sliceable(columns: tuple[str, ...]) -> tuple[str, ...]:
    for column in columns:
        if column in OWN_REPORT:
            raise ValueError(f"{column!r} is no slice column: {OWN_REPORT[column]}; name further columns of the data")
        if column == LENGTH_COLUMN or columns.count(column) > 1:
            raise ValueError(f"column {column!r} is sliced twice; name it once, and {LENGTH_COLUMN!r} not at all")
    return columns


def _ascending(edges: tuple[int, ...]) -> tuple[int, ...]:
    if list(edges) != sorted({edge for edge in edges if edge > 0}):
        raise ValueError(f"edges must be positive and ascending, got {list(edges)}")
    return edges


class Slices(Frozen):
    """Text length buckets, and the values of further columns; slices below `min_rows` say too little to be shown."""

    columns: Annotated[tuple[str, ...], AfterValidator(_sliceable)] = ()
    length_edges_chars: Annotated[tuple[int, ...], AfterValidator(_ascending)] = (100, 250, 500, 1000, 2500, 5000)
    min_rows: Annotated[int, Field(ge=1)] = 20
    max_values: Annotated[int, Field(ge=1)] = 1000

    def check(self, columns: Mapping[str, ColumnStatistics]) -> None:
        """Nothing when the dataset with these columns can be sliced so.

        Raises:
            InputError: a slice column is missing, or has more values than a person could look at.
        """
        for name in self.columns:
            if name not in columns:
                raise InputError(
                    f"slice column {name!r} missing from the dataset (has: {', '.join(columns)}); "
                    "set task.slices.columns, or map the column in source.columns"
                )
            if columns[name].distinct > self.max_values:
                raise InputError(
                    f"slice column {name!r} has {columns[name].distinct:,} different values, at most "
                    f"{self.max_values:,} are allowed; take columns with few values into task.slices.columns, or raise "
                    "task.slices.max_values"
                )

    def of(
        self,
        lengths: npt.NDArray[np.int64],
        values: Mapping[str, npt.NDArray[np.int64]],
        names: Mapping[str, list[str]],
    ) -> Iterator[tuple[str, str, npt.NDArray[np.int64]]]:
        """Column, value and row numbers of each slice that is large enough; columns in order, values by name.

        Args:
            lengths: (rows,) characters of each text.
            values: (rows,) value number by column; `names[column][number]` is the value.
            names: values by column.
        """
        if self.length_edges_chars:
            buckets = np.digitize(lengths, self.length_edges_chars, right=True)
            yield from self._large(LENGTH_COLUMN, buckets, list(enumerate(self._bucket_names())))
        for column in self.columns:
            yield from self._large(column, values[column], sorted(enumerate(names[column]), key=lambda pair: pair[1]))

    def _large(
        self, column: str, numbers: npt.NDArray[np.int64], named: list[tuple[int, str]]
    ) -> Iterator[tuple[str, str, npt.NDArray[np.int64]]]:
        for number, value in named:
            rows = np.flatnonzero(numbers == number)
            if len(rows) >= self.min_rows:
                yield column, value, rows

    def _bucket_names(self) -> list[str]:
        """`≤ 100`, `101–250`, …, `> 5000`."""
        edges = self.length_edges_chars
        between = [f"{low + 1}–{high}" for low, high in pairwise(edges)]
        return [f"≤ {edges[0]}", *between, f"> {edges[-1]}"]
