"""Many numbers a row, such as its embedding or the sketch of its words: Hotelling's test of two samples, and
Mahalanobis' distance of their means.

In the directions in which the reference varies most: a few dozen tell what hundreds do, and are tested with more power.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize, stats

from evergreen.core.metric import Metric
from evergreen.monitoring.difference import TAIL, Difference, design_effect, standardized
from evergreen.monitoring.observed import Floats, Integers

DIRECTIONS = 32
ROWS_A_DIRECTION = 5
NEGLIGIBLE = 1e-6
"""Of the largest variance: a direction that has less has none."""


def compare_vectors(before: Floats, after: Floats, requests: Integers) -> Difference | None:
    """The difference of (rows, columns) finite numbers; None where the reference does not vary.

    The shift is how far the means lie apart, in units of the spread in the direction in which that is most, with the
    interval of the noncentral chi-square distribution. The test is that of H. Hotelling, Annals of Mathematical
    Statistics 2, 1931.
    """
    directions = _directions(before, min(len(before), len(after)) // ROWS_A_DIRECTION)
    if not directions.size:
        return None
    usual, now = ((rows - before.mean(axis=0)) @ directions for rows in (before, after))
    design, count = design_effect(now, requests), directions.shape[1]
    rows, effective = len(before), len(after) / design
    apart = now.mean(axis=0)
    weights = np.linalg.solve(_pooled(usual, now, effective), apart)
    scale = rows * effective / (rows + effective)
    statistic, p_value = _hotelling(scale * float(apart @ weights), rows + effective, count)
    return Difference(
        shift=_distance(statistic, count, scale),
        p_value=p_value,
        words=f"in {count} directions",
        likeness=standardized(usual @ weights, now @ weights),
        design=design,
    )


def p_value_of_means(before: Floats, after: Floats, requests: Integers) -> float | None:
    """Hotelling's test in all directions in which rows of either side vary, also such as the reference hardly does;
    None where there are none, or as many as rows.
    """
    rows, effective = len(before), len(after) / design_effect(after, requests)
    values, vectors = np.linalg.eigh(_pooled(before, after, effective))
    telling = values > max(NEGLIGIBLE * values[-1], np.finfo(float).tiny)
    count = int(telling.sum())
    if not count or rows + effective - count < 2:
        return None
    apart = (after.mean(axis=0) - before.mean(axis=0)) @ vectors[:, telling]
    scale = rows * effective / (rows + effective)
    return _hotelling(scale * float((apart**2 / values[telling]).sum()), rows + effective, count)[1]


def _pooled(before: Floats, after: Floats, effective: float) -> Floats:
    """The covariance within both, of `after` as of so many `effective` rows."""
    rows = len(before)
    summed = (rows - 1) * _covariance(before) + (effective - 1) * _covariance(after)
    return np.asarray(summed / (rows + effective - 2))


def _hotelling(t_squared: float, rows: float, count: int) -> tuple[float, float]:
    """The statistic of so many directions as chi-square counts it, and its p-value; `rows` of both together."""
    free = rows - count - 1
    statistic = t_squared * free / (rows - 2)
    return statistic, float(stats.f.sf(statistic / count, count, free))


def _directions(rows: Floats, most: int) -> Floats:
    """(columns, directions) that make each direction's variance 1 in the reference."""
    values, vectors = np.linalg.eigh(_covariance(rows))
    telling = np.flatnonzero(values > max(NEGLIGIBLE * values[-1], np.finfo(float).tiny))
    best = telling[::-1][: min(most, DIRECTIONS)]
    return np.asarray(vectors[:, best] / np.sqrt(values[best]))


def _covariance(rows: Floats) -> Floats:
    return np.asarray(np.cov(rows, rowvar=False).reshape(rows.shape[1], rows.shape[1]))


def _distance(statistic: float, count: int, scale: float) -> Metric:
    """Of the means, less what chance adds, with its interval."""
    best = max(0.0, statistic - count)
    low = _noncentrality(lambda moved: stats.ncx2.sf(statistic, count, moved) - TAIL, statistic)
    high = _noncentrality(lambda moved: stats.ncx2.cdf(statistic, count, moved) - TAIL, statistic)
    low, best, high = (float(np.sqrt(moved / scale)) for moved in (min(low, best), best, max(high, best)))
    return Metric(value=best, low=low, high=high)


def _noncentrality(excess: Callable[[float], float], statistic: float) -> float:
    """Where the excess changes its sign; 0 where it does not."""
    around = 20 * (1.0 + float(np.sqrt(statistic)))
    least, most = max(0.0, statistic - around - DIRECTIONS), statistic + around
    if excess(least) * excess(most) >= 0:
        return 0.0
    return float(optimize.brentq(excess, least, most, xtol=1e-6))
