"""Which parts of the test split are also measured by themselves, so that a mean hides no weak spot.

slices:
  columns: [source]                     # any column of the data with few values
  length_edges_chars: [250, 1000, 4000]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import AfterValidator

from evergreen.evaluation.measure import Numbers
from evergreen.evaluation.slices import ColumnSlices, Slice, ascending, bucket_names, slices_of

LENGTH_COLUMN = "length_chars"


class Slices(ColumnSlices):
    """Text length buckets, and the values of further columns; slices below `min_rows` say too little to be measured."""

    own_report: ClassVar[Mapping[str, str]] = {
        "id": "its values are all different",
        "text": "take length_edges_chars",
        "label": "see the report by class",
    }
    reserved: ClassVar[tuple[str, ...]] = (LENGTH_COLUMN,)

    length_edges_chars: Annotated[tuple[int, ...], AfterValidator(ascending)] = (100, 250, 500, 1000, 2500, 5000)

    def of_lengths(self, lengths: Numbers) -> Iterator[Slice]:
        """Column, value and row numbers of each bucket that has rows; `lengths` are (rows,) characters."""
        if self.length_edges_chars:
            buckets = np.digitize(lengths, self.length_edges_chars, right=True)
            yield from slices_of(LENGTH_COLUMN, buckets, list(enumerate(bucket_names(self.length_edges_chars))))
