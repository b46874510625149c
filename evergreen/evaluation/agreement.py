"""How often two engines answer otherwise, and how sure that is, however often one looks.

A row of which the share x is answered otherwise speaks for a mean of q against one of p by (q/p)ˣ ((1-q)/(1-p))¹⁻ˣ.
That is convex in x, so that its expectation where the mean is p is at most 1, whatever the shares' distribution; the
product over rows, averaged over q, ever reaches 20 with probability 1/20 at most (Ville 1939; Robbins 1970). A mean
against which less is said stays within the interval, which therefore holds at every look.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from evergreen.core.metric import Metric
from evergreen.evaluation.resampling import CONFIDENCE

Shares = npt.NDArray[np.float64]
MOST_ROWS = 1_000_000
_EXPECTED = (1.0, 200.0)
"""Of the beta distribution of q, half a percent in the mean, as quantized models differ: decides how soon an interval
shrinks, never whether it holds.
"""
_ENOUGH = -math.log(1 - CONFIDENCE)
_HALVINGS = 60


def disagreement(shares: Shares) -> Metric:
    """The mean with its interval.

    Args:
        shares: (rows,) what of each row is answered otherwise: 0 or 1 of a text, the share of its pixels of a picture;
            rows in an order that chance gave.
    """
    return _interval(float(shares.sum()), len(shares))


def at_best(shares: Shares, rows: int) -> float:
    """The upper end of the interval of so many rows, of which these are the first and all others are answered alike."""
    return _interval(float(shares.sum()), max(rows, len(shares))).high


def rows_to_decide(mean: float, most: float) -> int | None:
    """About how many rows would show a disagreement of `mean` to be at most `most`; None: a million would not."""
    rows = 1
    while rows <= MOST_ROWS:
        if _interval(mean * rows, rows).high <= most:
            return rows
        rows = math.ceil(rows * 1.05)
    return None


def _interval(total: float, rows: int) -> Metric:
    """Of the mean of so many rows whose shares sum up to `total`."""
    from scipy.special import betaln, xlog1py, xlogy

    sharp, flat = _EXPECTED
    for_any = betaln(sharp + total, flat + rows - total) - betaln(sharp, flat)

    def excluded(mean: float) -> bool:
        return bool(for_any - xlogy(total, mean) - xlog1py(rows - total, -mean) >= _ENOUGH)

    mean = total / rows
    return Metric(value=mean, low=_edge(excluded, mean, 0.0), high=_edge(excluded, mean, 1.0))


def _edge(excluded: Callable[[float], bool], within: float, end: float) -> float:
    """The last mean between one within the interval and the end of the scale that is not excluded."""
    if not excluded(end):
        return end
    for _ in range(_HALVINGS):
        middle = (within + end) / 2
        within, end = (within, middle) if excluded(middle) else (middle, end)
    return within
