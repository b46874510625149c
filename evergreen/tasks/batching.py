"""Which rows share a batch: rows of like length, so that few of the computed tokens are padding.

AG News, batches of 32: padded to 128 tokens 1 in 3 computed tokens is real, at random 1 in 2, by length 9 in 10
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BATCHES_SORTED_TOGETHER = 16
"""More of them save little further padding (64: 7 % of the tokens), and make batches less random."""


def order_by_length(lengths: npt.NDArray[np.int64], batch_size: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Every row once, so that each `batch_size` rows in sequence are of like length: (rows,) int64.

    Rows are shuffled, sorted by length within groups of BATCHES_SORTED_TOGETHER batches, and the full batches shuffled
    again. It follows from `seed` and `epoch` alone, so that a resumed epoch goes on in the same order.
    """
    generator = np.random.default_rng((seed, epoch))
    rows = generator.permutation(len(lengths))
    group = batch_size * BATCHES_SORTED_TOGETHER
    ordered = [
        part[np.argsort(lengths[part], kind="stable")] for part in np.split(rows, range(group, len(rows), group))
    ]
    sequence = np.concatenate(ordered) if ordered else rows
    full = len(sequence) // batch_size * batch_size
    batches = sequence[:full].reshape(-1, batch_size)
    return np.concatenate([generator.permutation(batches).reshape(-1), sequence[full:]])


def batches_of_tokens(lengths: npt.NDArray[np.int64], max_tokens: int) -> list[npt.NDArray[np.int64]]:
    """Row numbers by batch, longest rows first; padded to its longest row a batch has at most `max_tokens` tokens.

    A row longer than that is a batch of its own.
    """
    rows = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(rows):
        size = max(1, max_tokens // max(1, int(lengths[rows[start]])))
        batches.append(rows[start : start + size])
        start += size
    return batches
