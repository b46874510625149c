"""The rows of each bucket of size, and of the share of the picture that a class takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np

from evergreen.evaluation.measure import Numbers
from evergreen.evaluation.scores import Floats
from evergreen.evaluation.slices import Slice, bucket_names, slices_of
from evergreen.tasks.image_segmentation.settings import SHARE_COLUMN, SIZE_COLUMN


def by_size(sides: Numbers, edges: tuple[int, ...]) -> Iterator[Slice]:
    """Column, value and row numbers of each bucket that has rows; `sides` are (rows,) pixels of the longer side."""
    if edges:
        yield from slices_of(SIZE_COLUMN, np.digitize(sides, edges, right=True), list(enumerate(bucket_names(edges))))


def by_share(shares: Mapping[str, Floats], edges: tuple[int, ...]) -> Iterator[Slice]:
    """Column, value and row numbers of each bucket that has rows.

    Args:
        shares: by class, (rows,) in [0, 1]; a picture without the class is in none of its buckets.
        edges: in per cent.
    """
    if edges:
        names = list(enumerate(_share_names(edges)))
        for label, share in shares.items():
            buckets = np.where(share > 0, np.digitize(100 * share, edges, right=True), -1)
            yield from slices_of(f"{SHARE_COLUMN} {label}", buckets, names)


def _share_names(edges: tuple[int, ...]) -> list[str]:
    """`≤ 5 %`, `5–25 %`, `> 25 %`."""
    between = [f"{low}–{high} %" for low, high in pairwise(edges)]
    return [f"≤ {edges[0]} %", *between, f"> {edges[-1]} %"]
