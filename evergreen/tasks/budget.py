"""Inputs cut into batches that a model does well at once: little is padded where rows of a size meet."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def batches_within(sizes: npt.NDArray[np.int64], budget: int) -> list[npt.NDArray[np.int64]]:
    """Row numbers by batch, the largest first; its rows times the size of its largest are at most the budget.

    A row larger than that is a batch of its own.
    """
    rows = np.argsort(-sizes, kind="stable")
    batches, start = [], 0
    while start < len(rows):
        count = max(1, budget // max(1, int(sizes[rows[start]])))
        batches.append(rows[start : start + count])
        start += count
    return batches
