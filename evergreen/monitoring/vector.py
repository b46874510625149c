"""Many numbers a row, such as its embedding or the sketch of its words: Hotelling's test of two samples with unequal
covariances, and Mahalanobis' distance of the means.

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

    The shift is how far the means lie apart, in units of the spread in the direction in which that is most. The test is
    H. Hotelling's of 1931, without equal covariances that of G. S. James, Biometrika 41, 1954, by the F distribution;
    the interval comes of the noncentral chi-square distribution.
    """
    directions = _directions(before, min(len(before), len(after)) // ROWS_A_DIRECTION)
    if not directions.size:
        return None
    ours, theirs = (after - before.mean(axis=0)) @ directions, (before - before.mean(axis=0)) @ directions
    design = design_effect(ours, requests)
    effective = len(after) / design
    apart = ours.mean(axis=0)
    noise = _covariance(theirs) / len(before) + _covariance(ours) / effective
    weights = np.linalg.solve(noise, apart)
    statistic, count = float(apart @ weights), directions.shape[1]
    free = max(1.0, effective + len(before) - count - 1)
    scale = effective * len(before) / (effective + len(before))
    return Difference(
        shift=_distance(statistic * free / (free + count - 1), count, scale),
        p_value=float(stats.f.sf(statistic * free / (count * (free + count - 1)), count, free)),
        words=f"in {count} directions",
        likeness=standardized(theirs @ weights, ours @ weights),
        design=design,
    )


def _directions(rows: Floats, most: int) -> Floats:
    """(columns, directions) that make each direction's variance 1 in the reference."""
    values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False).reshape(rows.shape[1], rows.shape[1]))
    telling = np.flatnonzero(values > max(NEGLIGIBLE * values[-1], np.finfo(float).tiny))
    best = telling[::-1][: max(1, min(most, DIRECTIONS))]
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
    least, most = 1e-9, 4 * statistic + 100.0
    if np.sign(excess(least)) == np.sign(excess(most)):
        return 0.0
    return float(optimize.brentq(excess, least, most, xtol=1e-6))
