"""The rows of each bucket of text length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from evergreen.evaluation.measure import Numbers
from evergreen.evaluation.slices import Slice, bucket_names, slices_of
from evergreen.tasks.text_classification.settings import LENGTH_COLUMN


def by_length(lengths: Numbers, edges: tuple[int, ...]) -> Iterator[Slice]:
    """Column, value and row numbers of each bucket that has rows; `lengths` (rows,) and `edges` are characters."""
    if edges:
        buckets = np.digitize(lengths, edges, right=True)
        yield from slices_of(LENGTH_COLUMN, buckets, list(enumerate(bucket_names(edges))))
