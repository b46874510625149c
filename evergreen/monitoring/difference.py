"""What one statistic gives, whatever it compares, and what all of them share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evergreen.core.metric import Metric
from evergreen.monitoring.observed import Floats, Integers

RESAMPLES = 200
TAIL = 0.025
SEED = 0
LEAST_ROWS = 30
"""Of each side, that a comparison takes."""


@dataclass(frozen=True)
class Difference:
    """How far a window's rows are from the reference's, and how surprising that is if both are of one kind.

    `likeness` tells of each row of the window, and `usual` of the reference's on average, how much it looks like what
    is new, in units of the `usual` spread; its size has no other meaning. `design` is the design effect of the rows.
    """

    shift: Metric
    p_value: float
    words: str
    likeness: Floats
    design: float


def standardized(before: Floats, after: Floats) -> Floats:
    """The window's (rows,) numbers in units of the reference's spread, 0 where the reference is on average."""
    spread = float(before.std()) or float(after.std()) or 1.0
    return np.asarray((after - before.mean()) / spread)


def design_effect(values: Floats, requests: Integers) -> float:
    """By how much the variance of means is larger because the rows of one request are alike; 1: they are not.

    Args:
        values: (rows, columns); the column in which rows of a request are most alike counts.
        requests: (rows,) the request of each.

    L. Kish, *Survey Sampling*, 1965, 5.4, estimated from the sums of requests; where nothing varies, rows of a request
    count as one.
    """
    _, groups, sizes = np.unique(requests, return_inverse=True, return_counts=True)
    if len(sizes) == len(values):
        return 1.0
    centred = values - values.mean(axis=0)
    spent = (centred**2).sum(axis=0)
    varying = centred[:, spent > 0]
    if len(sizes) < 2 or not varying.size:
        return float((sizes.astype(float) ** 2).sum() / sizes.sum())
    sums = np.stack([np.bincount(groups, column, len(sizes)) for column in varying.T])
    effects = (sums**2).sum(axis=1) / spent[spent > 0] * len(sizes) / (len(sizes) - 1)
    return max(1.0, float(effects.max()))


def unbiased(value: float, draws: Floats) -> Metric:
    """A distance, which is never negative and of equal populations not 0 either, less what chance adds to it.

    The interval is the basic bootstrap's: Davison and Hinkley, *Bootstrap Methods and their Application*, 5.2.
    """
    low, high = 2 * value - np.quantile(draws, [1 - TAIL, TAIL])
    best = max(0.0, 2 * value - float(draws.mean()))
    return Metric(value=best, low=min(best, max(0.0, float(low))), high=max(best, float(high)))
