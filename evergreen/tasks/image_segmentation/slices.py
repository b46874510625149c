"""Which parts of the test split are also measured by themselves, so that a mean hides no weak spot.

slices:
  columns: [breed]                      # any column of the data with few values
  size_edges_px: [256, 512]             # the longer side of the picture
  share_edges_percent: [5, 25]          # how much of the picture a class takes
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, ClassVar

import numpy as np
from pydantic import AfterValidator

from evergreen.evaluation.measure import Numbers
from evergreen.evaluation.slices import ColumnSlices, Slice, ascending, bucket_names, slices_of

SIZE_COLUMN = "longer_side_px"
SHARE_COLUMN = "share_of"


class ImageSlices(ColumnSlices):
    """Buckets of size and of the share that a class takes of the pictures that have it; values of further columns."""

    own_report: ClassVar[Mapping[str, str]] = {
        "id": "its values are all different",
        "image": "take size_edges_px",
        "mask": "take share_edges_percent",
    }
    reserved: ClassVar[tuple[str, ...]] = (SIZE_COLUMN, SHARE_COLUMN)

    size_edges_px: Annotated[tuple[int, ...], AfterValidator(ascending)] = (128, 256, 512, 1024)
    share_edges_percent: Annotated[tuple[int, ...], AfterValidator(ascending)] = (5, 25)

    def of(self, sides: Numbers, shares: Mapping[str, np.ndarray[tuple[int], np.dtype[np.float64]]]) -> Iterator[Slice]:
        """Column, value and row numbers of each slice by size or share that has rows.

        Args:
            sides: (rows,) pixels of the longer side.
            shares: by class, (rows,) in [0, 1]; a picture without the class is in none of its buckets.
        """
        if self.size_edges_px:
            buckets = np.digitize(sides, self.size_edges_px, right=True)
            yield from slices_of(SIZE_COLUMN, buckets, list(enumerate(bucket_names(self.size_edges_px))))
        if self.share_edges_percent:
            names = list(enumerate(_share_names(self.share_edges_percent)))
            for label, share in shares.items():
                buckets = np.where(share > 0, np.digitize(100 * share, self.share_edges_percent, right=True), -1)
                yield from slices_of(f"{SHARE_COLUMN} {label}", buckets, names)


def _share_names(edges: tuple[int, ...]) -> list[str]:
    """`≤ 5 %`, `5–25 %`, `> 25 %`."""
    between = [f"{low}–{high} %" for low, high in pairwise(edges)]
    return [f"≤ {edges[0]} %", *between, f"> {edges[-1]} %"]
