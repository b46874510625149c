"""One number a row, such as its tokens or its answer's score: Kolmogorov and Smirnov's test of two samples, and the
mean distance between the quantiles, which is Wasserstein's, in units of the reference's spread.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from evergreen.monitoring.difference import RESAMPLES, SEED, Difference, design_effect, standardized, unbiased
from evergreen.monitoring.observed import Floats, Integers

GRID, COARSE = 128, 16
MIDDLE = (0.01, 0.99)
"""Quantiles between which distance and spread are measured: a few wild numbers count for the test alone, which knows
only their order."""
LEAST_SPREAD = 0.01
"""As a share of the middle, where the reference hardly varies."""
LARGEST = 100.0
"""Spreads: what was constant may move by any number of them."""


def compare_scalars(before: Floats, after: Floats, requests: Integers) -> Difference:
    """The difference of (rows,) finite numbers; `requests` are those of the window's rows."""
    pooled = np.sort(np.concatenate([before, after]))
    design = design_effect(np.searchsorted(pooled, after)[:, np.newaxis].astype(float), requests)
    effective = len(after) / design
    apart = float(np.abs(_shares_to(before, pooled) - _shares_to(after, pooled)).max())
    size = max(1, round(effective * len(before) / (effective + len(before))))
    edges = np.unique(np.quantile(pooled, np.linspace(*MIDDLE, GRID)))
    value, draws = _distances(before, after, edges, effective)
    spread = _spread(before)
    means = [np.clip(numbers, edges[0], edges[-1]).mean() for numbers in (before, after)]
    return Difference(
        shift=unbiased(min(LARGEST, value / spread), np.minimum(LARGEST, draws / spread)),
        p_value=float(stats.kstwo.sf(apart, size)),
        words=f"on average {_short(means[0])} → {_short(means[1])}",
        likeness=_likeness(before, after, pooled),
        design=design,
    )


def _short(number: float) -> str:
    """Three digits, and all before the point."""
    return f"{number:,.0f}" if 1_000 <= abs(number) < 1_000_000 else f"{number:.3g}"


def _shares_to(numbers: Floats, places: Floats) -> Floats:
    """The share of the numbers up to each place."""
    return np.searchsorted(np.sort(numbers), places, side="right") / len(numbers)


def _distances(before: Floats, after: Floats, edges: Floats, effective: float) -> tuple[float, Floats]:
    """The area between both shares up to each number, and the same of resamples of both."""
    if len(edges) < 2:
        return 0.0, np.zeros(RESAMPLES)
    random = np.random.default_rng(SEED)
    whole, drawn = [], []
    for numbers, rows in ((before, len(before)), (after, max(1, round(effective)))):
        counts = np.bincount(np.searchsorted(edges, numbers), minlength=len(edges) + 1)
        shares = counts / counts.sum()
        whole.append(shares)
        drawn.append(random.multinomial(rows, shares, size=RESAMPLES) / rows)
    areas = [np.abs(np.cumsum(one - other, axis=-1)[..., :-2]) @ np.diff(edges) for one, other in (whole, drawn)]
    return float(areas[0]), np.asarray(areas[1])


def _spread(numbers: Floats) -> float:
    """The standard deviation between the wild numbers on both ends."""
    low, middle, high = np.quantile(numbers, [MIDDLE[0], 0.5, MIDDLE[1]])
    spread = float(np.clip(numbers, low, high).std()) or float(numbers.std())
    return max(spread, LEAST_SPREAD * abs(float(middle))) or 1.0


def _likeness(before: Floats, after: Floats, pooled: Floats) -> Floats:
    """By the logarithm of how much more often such numbers are in the window than in the reference."""
    edges = np.unique(np.quantile(pooled, np.linspace(0, 1, COARSE + 1)[1:-1]))
    bins = [np.searchsorted(edges, numbers) for numbers in (before, after)]
    shares = [(np.bincount(one, minlength=len(edges) + 1) + 0.5) / (len(one) + 0.5 * (len(edges) + 1)) for one in bins]
    ratio = np.log(shares[1] / shares[0])
    return standardized(ratio[bins[0]], ratio[bins[1]])
