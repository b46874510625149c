"""How often two engines answer otherwise, and how sure that is.

Rows are looked at twice at most: test and validation rows, and where these do not decide, training inputs too. Each
look has the upper end of a two-sided 95 % interval for its bound, so both together are wrong in 5 % of cases at most.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from evergreen.core.metric import Metric
from evergreen.evaluation.resampling import CONFIDENCE

Shares = npt.NDArray[np.float64]
MOST_ROWS = 1_000_000
_TAIL = (1 - CONFIDENCE) / 2
_HALVINGS = 60


def disagreement(shares: Shares) -> Metric:
    """The mean with its interval.

    Args:
        shares: (rows,) what of each row is answered otherwise: 0 or 1 of a text, the share of its pixels of a picture.
    """
    mean = float(shares.mean())
    if np.isin(shares, (0.0, 1.0)).all():
        low, high = _clopper_pearson(int(shares.sum()), len(shares))
    else:
        low, high = 1 - _chernoff(1 - mean, len(shares)), _chernoff(mean, len(shares))
    return Metric(value=mean, low=low, high=high)


def rows_to_decide(mean: float, most: float) -> int | None:
    """About how many rows would show a disagreement of `mean` to be at most `most`; None: a million would not."""
    rows = 1
    while rows <= MOST_ROWS:
        if _clopper_pearson(math.ceil(mean * rows), rows)[1] <= most:
            return rows
        rows = math.ceil(rows * 1.05)
    return None


def _clopper_pearson(hits: int, rows: int) -> tuple[float, float]:
    """The interval of a binomial share. Clopper and Pearson 1934."""
    from scipy.stats import beta

    low = 0.0 if hits == 0 else float(beta.ppf(_TAIL, hits, rows - hits + 1))
    high = 1.0 if hits == rows else float(beta.ppf(1 - _TAIL, hits + 1, rows - hits))
    return low, high


def _chernoff(mean: float, rows: int) -> float:
    """The upper bound of a mean of values between 0 and 1, whatever their distribution. Hoeffding 1963, theorem 1."""
    low, high = mean, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if rows * _divergence(mean, middle) <= -math.log(_TAIL):
            low = middle
        else:
            high = middle
    return high


def _divergence(mean: float, other: float) -> float:
    """Kullback and Leibler's, of two coins."""
    parts = ((mean, other), (1 - mean, 1 - other))
    return sum(one * math.log(one / two) if two > 0 else math.inf for one, two in parts if one > 0)
