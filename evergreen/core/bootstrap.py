"""How sure a classification score is: bootstrap intervals, and paired ones for the difference of two models.

Drawing rows with replacement and counting their outcomes (truth, prediction of each model) is a multinomial draw over
the distinct outcomes: a resample costs as much as there are distinct outcomes, not as there are rows, and every model
is counted on the very same resample. Percentile intervals: Efron and Tibshirani, *Introduction to the Bootstrap*, §13.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evergreen.core.base import Frozen
from evergreen.core.reports import Metric, MetricName

Labels = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]

CELLS_PER_CHUNK = 4_000_000


class BootstrapPlan(Frozen):
    """Equal plans on equal rows give equal intervals."""

    resamples: int = 2000
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Scores:
    """One model's metrics: index 0 holds the rows as they are, the others one resample each.

    `overall` maps a metric to (1 + resamples,), `per_class` to (1 + resamples, classes). NaN where the metric is 0/0.
    """

    overall: dict[str, Floats]
    per_class: dict[str, Floats]

    def minus(self, other: Scores) -> Scores:
        """Paired differences: both must come from one call of `bootstrap`."""
        return Scores(
            overall={name: values - other.overall[name] for name, values in self.overall.items()},
            per_class={name: values - other.per_class[name] for name, values in self.per_class.items()},
        )


def bootstrap(truth: Labels, predictions: Sequence[Labels], classes: int, plan: BootstrapPlan) -> tuple[Scores, ...]:
    """Scores of each model on shared resamples.

    Args:
        truth: (rows,) class numbers in [0, classes); at least one row.
        predictions: (rows,) class numbers of each model; numbers outside [0, classes) are always wrong.
        classes: how many classes there are.
        plan: resamples and seed.
    """
    outcomes, counts = np.unique(np.stack([truth, *predictions]), axis=1, return_counts=True)  # (1 + models, outcomes)
    parts: list[list[Scores]] = [[] for _ in predictions]
    for weights in _resamples(counts, plan):
        actual = weights @ _one_hot(outcomes[0], classes)  # (resamples, classes)
        for model, predicted in enumerate(outcomes[1:]):
            answered = weights @ _one_hot(predicted, classes)
            right = weights @ _one_hot(np.where(predicted == outcomes[0], predicted, -1), classes)
            parts[model].append(_scores(right, answered, actual))
    return tuple(_joined(scores) for scores in parts)


def interval(samples: Floats, confidence: float) -> Metric:
    """The value at index 0 with the percentile interval of the rest; undefined resamples are left out.

    All NaN when the value itself or every resample is undefined.
    """
    resampled = samples[1:][~np.isnan(samples[1:])]
    if np.isnan(samples[0]) or not resampled.size:
        return Metric(value=np.nan, low=np.nan, high=np.nan)
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Metric(value=float(samples[0]), low=float(low), high=float(high))


def _resamples(counts: Labels, plan: BootstrapPlan) -> Iterator[Floats]:
    """Blocks of (resamples, outcomes) row counts, the true counts first; bounded memory for many outcomes."""
    random = np.random.default_rng(plan.seed)
    rows = int(counts.sum())
    yield counts[np.newaxis].astype(np.float64)
    block = max(1, CELLS_PER_CHUNK // len(counts))
    for start in range(0, plan.resamples, block):
        size = min(block, plan.resamples - start)
        yield random.multinomial(rows, counts / rows, size=size).astype(np.float64)


def _one_hot(numbers: Labels, classes: int) -> Floats:
    """(outcomes, classes); all zeros where the number is outside [0, classes)."""
    return np.equal.outer(numbers, np.arange(classes)).astype(np.float64)


def _scores(right: Floats, answered: Floats, actual: Floats) -> Scores:
    """Metrics of (resamples, classes) counts, equal to scikit-learn's with `zero_division=nan`.

    A class that was never answered has no precision, one without rows no recall, one with neither no F1; a macro mean
    is over the classes that have the metric.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = right / answered
        recall = right / actual
        f1 = 2 * right / (answered + actual)
    return Scores(
        overall={
            MetricName.ACCURACY: right.sum(axis=1) / actual.sum(axis=1),
            MetricName.MACRO_F1: _macro(f1),
            MetricName.MACRO_PRECISION: _macro(precision),
            MetricName.MACRO_RECALL: _macro(recall),
        },
        per_class={MetricName.PRECISION: precision, MetricName.RECALL: recall, MetricName.F1: f1},
    )


def _macro(values: Floats) -> Floats:
    """Mean over classes of (resamples, classes), NaN left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=1), dtype=np.float64)


def _joined(parts: Sequence[Scores]) -> Scores:
    """Blocks of resamples as one."""
    first = parts[0]
    return Scores(
        overall={name: np.concatenate([part.overall[name] for part in parts]) for name in first.overall},
        per_class={name: np.concatenate([part.per_class[name] for part in parts]) for name in first.per_class},
    )
