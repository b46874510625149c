"""Rows that have a number each: errors of a regression, and how sure they are.

Regression(unit="EUR", further=(RowMetric(WITHIN_TENTH, lambda truth, answers: abs(answers / truth - 1) <= 0.1),))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from evergreen.core.metric import MetricName, MetricSpec
from evergreen.core.sections import Residuals
from evergreen.evaluation import specs
from evergreen.evaluation.measure import Counts, Paired, Scored
from evergreen.evaluation.resampling import SEED, difference, resampled_sums
from evergreen.evaluation.scores import Floats, Scores

MEAN = "mean"
"""What the baseline is called that always answers the mean of the training rows."""
MOST_GROUPS = 10_000
BINS = 20
SUMS = 5
"""Of each row that the three metrics need: one, absolute error, squared error, truth and its square."""


class RowMetric(NamedTuple):
    """A further metric: the mean over the rows of what `of` gives for (rows,) true numbers and answers."""

    spec: MetricSpec
    of: Callable[[Floats, Floats], npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Regression:
    """Counts are (rows, 2) numbers, the true one and the answer, in `unit`."""

    unit: str = ""
    further: tuple[RowMetric, ...] = ()

    kind: ClassVar[str] = "regression"
    labels: ClassVar[tuple[str, ...]] = ()
    class_metrics: ClassVar[tuple[MetricSpec, ...]] = ()
    primary_class_metric: ClassVar[str | None] = None

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """Those of every regression, the mean absolute error first, and the further ones."""
        return (*specs.regression(self.unit), *(metric.spec for metric in self.further))

    def score(self, ours: Counts, baselines: Sequence[Counts] = (), champion: Counts | None = None) -> Scored:
        """All models, on rows that are drawn once."""
        others = [*baselines, *([] if champion is None else [champion])]
        overall, *theirs = self._bootstrap([ours, *others])
        paired = [Paired(scores, difference(overall, scores)) for scores in theirs]
        return Scored(overall, {}, tuple(paired[: len(baselines)]), None if champion is None else paired[-1])

    def overall(self, ours: Counts) -> Scores:
        """The model's scores alone."""
        (overall,) = self._bootstrap([ours])
        return overall

    def constant(self, ours: Counts, answer: float) -> Counts:
        """Every row answered with one number."""
        return np.column_stack([ours[:, 0], np.full(len(ours), answer)])

    def support(self, ours: Counts) -> list[int]:  # noqa: ARG002 - there are no classes
        """Of no class."""
        return []

    def sections(self, ours: Counts) -> tuple[Residuals, ...]:
        """How the answers minus the true numbers are spread."""
        errors = ours[:, 1] - ours[:, 0]
        counts, edges = np.histogram(errors, bins=BINS)
        low, median, high = np.quantile(errors, [0.05, 0.5, 0.95])
        return (
            Residuals(
                unit=self.unit,
                mean=float(errors.mean()),
                low=float(low),
                median=float(median),
                high=float(high),
                edges=tuple(edges.tolist()),
                counts=tuple(counts.tolist()),
            ),
        )

    def _bootstrap(self, models: Sequence[Counts]) -> list[Scores]:
        centre = models[0][:, 0].mean()  # sums of squares around it are small: no digit is lost
        rows = [_grouped(self._sums(counts, centre)) for counts in models]
        return [self._scores(sums) for sums in resampled_sums(rows)]

    def _sums(self, counts: Counts, centre: float) -> Floats:
        """(rows, SUMS + further)."""
        truth, answers = np.asarray(counts, dtype=np.float64).T
        errors, around = answers - truth, truth - centre
        further = [np.asarray(metric.of(truth, answers), dtype=np.float64) for metric in self.further]
        return np.column_stack([np.ones(len(truth)), abs(errors), errors**2, around, around**2, *further])

    def _scores(self, sums: Floats) -> Scores:
        names = [metric.spec.name for metric in self.further]
        further = {name: sums[:, SUMS + at] / sums[:, 0] for at, name in enumerate(names)}
        return regression_scores(sums[:, :SUMS]) | further


def regression_scores(sums: Floats) -> Scores:
    """(n,) each, of (n, SUMS): mean absolute error, root of the mean squared error, R².

    R² is 1 − Σ(answer − truth)² / Σ(truth − mean)², NaN where all true numbers are equal.
    """
    rows, absolute, squared, truth, truth_squared = sums.T
    variance = truth_squared - truth**2 / rows
    varies = variance > 1e-12 * truth_squared
    explained = 1 - np.divide(squared, variance, out=np.full_like(squared, np.nan), where=varies)
    return {MetricName.MAE: absolute / rows, MetricName.RMSE: np.sqrt(squared / rows), MetricName.R2: explained}


def measured(truth: Floats, predicted: Floats) -> Scores:
    """The scores of (rows,) numbers as they are, without resamples: (1,) each."""
    measure, counts = Regression(), np.column_stack([truth, predicted])
    return measure._scores(measure._sums(counts, float(np.mean(truth))).sum(axis=0, keepdims=True))


def _grouped(sums: Floats) -> Floats:
    """The rows; many of them dealt out at random to groups, which are drawn instead: their sums vary as rows do."""
    if len(sums) <= MOST_GROUPS:
        return sums
    dealt = np.random.default_rng(SEED).permutation(np.arange(len(sums)) % MOST_GROUPS)
    return np.stack([np.bincount(dealt, weights=column, minlength=MOST_GROUPS) for column in sums.T], axis=1)
