"""How often each class is the answer, or of pictures how much of them it takes: the chi-square test of two samples, for
pictures Hotelling's, and the total variation distance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from evergreen.monitoring.difference import RESAMPLES, SEED, Difference, design_effect, standardized, unbiased
from evergreen.monitoring.observed import Floats, Integers
from evergreen.monitoring.vector import compare_vectors

LEAST_EXPECTED = 5.0
"""Rows: classes of which fewer are to be expected are tested as one. W. G. Cochran, Biometrics 10, 1954."""
ADDED = 0.5


def compare_shares(
    before: Floats, after: Floats, everything: tuple[Floats, int], requests: Integers, labels: Sequence[str]
) -> Difference:
    """The difference of (rows, classes) shares that sum to 1, a single 1 in each row where rows have one class.

    `everything` is the mean and the number of all the rows of the window, of which `after` and `requests` are a sample.
    """
    design = design_effect(after, requests)
    usual, (now, rows) = before.mean(axis=0), everything
    effective = rows / design
    noise = np.cov(before, rowvar=False) / len(before) + np.cov(after, rowvar=False) / effective
    draws = np.random.default_rng(SEED).multivariate_normal(now - usual, noise, RESAMPLES, method="eigh")
    weights = np.log((now + ADDED / effective) / (usual + ADDED / len(before)))
    most = int(np.abs(now - usual).argmax())
    return Difference(
        shift=unbiased(_total(now - usual), np.abs(draws).sum(axis=1) / 2),
        p_value=_p_value(before, after, usual * len(before), now * effective, requests),
        words=f"{labels[most]} {usual[most]:.1%} → {now[most]:.1%}",
        likeness=standardized(before @ weights, after @ weights),
        design=design,
    )


def _total(apart: Floats) -> float:
    """The total variation distance: 0 to 1."""
    return float(np.abs(apart).sum()) / 2


def _p_value(before: Floats, after: Floats, usual: Floats, now: Floats, requests: Integers) -> float:
    if not np.isin(before, (0.0, 1.0)).all():
        moved = compare_vectors(before, after, requests)
        return 1.0 if moved is None else moved.p_value
    table = np.stack([usual, now])
    expected = table.sum(axis=0) * table.sum(axis=1).min() / table.sum()
    rare = expected < LEAST_EXPECTED
    table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    return 1.0 if table.shape[1] < 2 else float(stats.chi2_contingency(table, correction=False).pvalue)
