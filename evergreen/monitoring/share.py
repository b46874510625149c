"""How often each class is the answer, or of pictures how much of them it takes: Hotelling's test of two samples of
probabilities, whose means are surer than counts of answers, and the total variation distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from evergreen.monitoring.difference import (
    LEAST_ROWS,
    RESAMPLES,
    SEED,
    Difference,
    design_effect,
    standardized,
    unbiased,
)
from evergreen.monitoring.observed import Floats, Integers
from evergreen.monitoring.vector import p_value_of_means

LEAST_EXPECTED = 5.0
"""Rows: classes of which fewer are to be expected are tested as one. W. G. Cochran, Biometrics 10, 1954."""
ADDED = 0.5


@dataclass(frozen=True)
class Answers:
    """Rows as they were answered: (rows, classes) `shares` that sum to 1, a single 1 in each row where rows have one
    class, and (rows, classes) `probabilities`, none of which may be known; rows of one request share its number.
    """

    shares: Floats
    probabilities: Floats
    requests: Integers

    def with_probabilities(self, classes: int) -> Answers:
        """The rows that have a probability of each class."""
        fits = self.probabilities.shape[1] == classes
        mine = np.isfinite(self.probabilities).all(axis=1) & fits
        return Answers(self.shares[mine], self.probabilities[mine], self.requests[mine])


def compare_shares(
    before: Answers, after: Answers, everything: tuple[Floats, int], labels: Sequence[str]
) -> Difference:
    """The difference of the answers; `everything` is the mean of the shares, and the number, of all the rows of the
    window, of which `after` is a sample.
    """
    design = design_effect(after.shares, after.requests)
    usual, (now, rows) = before.shares.mean(axis=0), everything
    effective, known = rows / design, len(before.shares)
    noise = np.cov(before.shares, rowvar=False) / known + np.cov(after.shares, rowvar=False) / effective
    draws = np.random.default_rng(SEED).multivariate_normal(now - usual, noise, RESAMPLES, method="eigh")
    weights = np.log((now + ADDED / effective) / (usual + ADDED / known))
    most = int(np.abs(now - usual).argmax())
    counts = np.stack([usual * known, now * effective])
    return Difference(
        shift=unbiased(_total(now - usual), np.abs(draws).sum(axis=1) / 2),
        p_value=_p_value(before, after, counts),
        words=f"{labels[most]} {usual[most]:.1%} → {now[most]:.1%}",
        likeness=standardized(before.shares @ weights, after.shares @ weights),
        design=design,
    )


def _total(apart: Floats) -> float:
    """The total variation distance: 0 to 1."""
    return float(np.abs(apart).sum()) / 2


def _p_value(before: Answers, after: Answers, counts: Floats) -> float:
    """By the probabilities of the rows that have them, where these suffice, else by the counts."""
    rare = _expected(counts) < LEAST_EXPECTED
    known, seen = (rows.with_probabilities(counts.shape[1]) for rows in (before, after))
    by_means = None
    if min(len(known.requests), len(seen.requests)) >= LEAST_ROWS:
        usual, now = (_merged(rows.probabilities, rare) for rows in (known, seen))
        by_means = p_value_of_means(usual, now, seen.requests)
    return _by_counts(_merged(counts, rare)) if by_means is None else by_means


def _expected(counts: Floats) -> Floats:
    """The smaller of the two counts of each class that are to be expected if nothing moved."""
    return np.asarray(counts.sum(axis=0) * counts.sum(axis=1).min() / counts.sum())


def _merged(columns: Floats, rare: npt.NDArray[np.bool_]) -> Floats:
    """The columns of all classes but the rare ones, and one of these together."""
    return np.column_stack([columns[:, ~rare], columns[:, rare].sum(axis=1)])


def _by_counts(table: Floats) -> float:
    table = table[:, table.sum(axis=0) > 0]
    return 1.0 if table.shape[1] < 2 else float(stats.chi2_contingency(table, correction=False).pvalue)
