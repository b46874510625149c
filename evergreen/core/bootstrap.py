"""How sure a classification score is: bootstrap intervals, and paired ones for the difference of two models.

Drawing rows with replacement and counting their outcomes (truth, answer of each model) is a multinomial draw over the
distinct outcomes: a resample costs as much as there are distinct outcomes, not as there are rows, and every model
is counted on the very same resample. Percentile intervals: Efron and Tibshirani, *Introduction to the Bootstrap*, §13.

The bare bootstrap is certain of what few rows never showed: 40 right answers of 40 would give 1.0 to 1.0, and two
models that agree on 30 rows would differ by exactly nothing. So resamples, but no values, are drawn from the rows and
two pseudo-rows more: each model is right on one and wrong on the other, two models never on the same one. For one model
that is Laplace's rule; for two it is one disagreement in each direction (Bonett and Price, *J. Educ. Behav. Stat.* 37,
2012).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from evergreen.core.reports import Metric, MetricName

Labels = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]
Scores = dict[str, Floats]
"""One model's metrics by name: index 0 holds the rows as they are, the others one resample each; NaN where 0/0."""

RESAMPLES = 2000
CONFIDENCE = 0.95
SEED = 0
CELLS_PER_CHUNK = 4_000_000


def bootstrap(truth: Labels, predictions: Sequence[Labels], classes: int) -> tuple[Scores, ...]:
    """Overall metrics of each model on shared resamples: (1 + RESAMPLES,) each; equal calls give equal scores.

    Args:
        truth: (rows,) class numbers in [0, classes); at least one row.
        predictions: (rows,) class numbers of one model or two; numbers outside [0, classes) are always wrong.
        classes: how many classes there are.
    """
    seen, counts = np.unique(np.stack([truth, *predictions]), axis=1, return_counts=True)  # (1 + models, outcomes)
    pseudo = _pseudo_outcomes(np.unique(truth), len(predictions), classes)
    outcomes, extra = np.concatenate([seen, pseudo], axis=1), pseudo.shape[1]
    added = np.append(np.zeros(seen.shape[1]), np.full(extra, 2 / extra))
    parts: list[list[Scores]] = [[] for _ in predictions]
    for weights in resamples(np.append(counts, np.zeros(extra)), added):
        actual = weights @ _one_hot(outcomes[0], classes)  # (resamples, classes)
        for model, predicted in enumerate(outcomes[1:]):
            answered = weights @ _one_hot(predicted, classes)
            right = weights @ _one_hot(np.where(predicted == outcomes[0], predicted, -1), classes)
            parts[model].append(_overall(right, answered, actual))
    return tuple({name: np.concatenate([part[name] for part in scores]) for name in scores[0]} for scores in parts)


def bootstrap_classes(truth: Labels, predictions: Sequence[Labels], classes: int) -> tuple[Scores, ...]:
    """Metrics of each class and model on shared resamples: (1 + RESAMPLES, classes) each; arguments of `bootstrap`.

    A class is drawn by itself: of its own rows and the answers that name it, all that its metrics depend on.
    """
    found = [_one_class([column == number for column in (truth, *predictions)]) for number in range(classes)]
    return tuple(
        {
            name: np.stack([models[model][name] for models in found], axis=1)
            for name in MetricName.CLASSIFICATION_PER_CLASS
        }
        for model in range(len(predictions))
    )


def difference(ours: Scores, theirs: Scores) -> Scores:
    """Paired differences: both must come from one call."""
    return {name: values - theirs[name] for name, values in ours.items()}


def interval(samples: Floats) -> Metric:
    """The value at index 0 with the percentile interval of the rest, which holds it; undefined resamples are left out.

    All NaN when the value itself or every resample is undefined.
    """
    value, resampled = float(samples[0]), samples[1:][~np.isnan(samples[1:])]
    if np.isnan(value) or not resampled.size:
        return Metric(value=np.nan, low=np.nan, high=np.nan)
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Metric(value=value, low=min(float(low), value), high=max(float(high), value))


def _pseudo_outcomes(present: Labels, models: int, classes: int) -> Labels:
    """(1 + models, outcomes): of each class that has rows, one that the first model gets right and one not.

    A wrong answer is the next class, so that each class is missed as often as it is wrongly named.
    """
    following = np.roll(present, -1) if len(present) > 1 else present + 1
    following = np.where(following < classes, following, present - 1)
    answers = [[present, following], [following, present]]
    return np.concatenate([np.stack([present, *one[:models]]) for one in answers], axis=1)


def _one_class(members: Sequence[npt.NDArray[np.bool_]]) -> list[Scores]:
    """Precision, recall and F1 of each model: (1 + RESAMPLES,) each.

    `members` says of each row whether the truth, then whether each model's answer, is the class. The pseudo-rows are
    one right answer of each model, one row that it missed and one that it wrongly gave to the class.
    """
    kinds = np.array(list(product((0, 1), repeat=len(members)))[1:])  # rows that have nothing to do with it say nothing
    codes = (1 << np.arange(len(members))[::-1]) @ np.array(members)
    counts = np.bincount(codes, minlength=len(kinds) + 1)[1:].astype(np.float64)
    added = np.ones(len(kinds)) if len(members) < 3 else (kinds[:, 1] != kinds[:, 2]).astype(np.float64)
    weights = np.concatenate(list(resamples(counts, added)))  # (1 + resamples, kinds)
    actual, *answered = (weights @ kinds).T
    right = (weights @ (kinds[:, :1] * kinds[:, 1:])).T
    ratios = [_ratios(*counted, actual) for counted in zip(right, answered, strict=True)]
    return [dict(zip(MetricName.CLASSIFICATION_PER_CLASS, one, strict=True)) for one in ratios]


def resamples(counts: Floats, added: Floats) -> Iterator[Floats]:
    """Blocks of (resamples, outcomes) counts: the true ones first, then draws from these and the pseudo-rows.

    Memory stays bounded for many outcomes.
    """
    random = np.random.default_rng(SEED)
    smoothed = counts + added
    rows = round(smoothed.sum())
    yield counts[np.newaxis]
    block = max(1, CELLS_PER_CHUNK // len(counts))
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        yield random.multinomial(rows, smoothed / smoothed.sum(), size=size).astype(np.float64)


def _one_hot(numbers: Labels, classes: int) -> Floats:
    """(outcomes, classes); all zeros where the number is outside [0, classes)."""
    return np.equal.outer(numbers, np.arange(classes)).astype(np.float64)


def _overall(right: Floats, answered: Floats, actual: Floats) -> Scores:
    """Metrics of (resamples, classes) counts, equal to scikit-learn's with `zero_division=nan`.

    A macro mean is over the classes that have the metric.
    """
    precision, recall, f1 = _ratios(right, answered, actual)
    return {
        MetricName.ACCURACY: right.sum(axis=1) / actual.sum(axis=1),
        MetricName.MACRO_F1: macro_mean(f1),
        MetricName.MACRO_PRECISION: macro_mean(precision),
        MetricName.MACRO_RECALL: macro_mean(recall),
    }


def _ratios(right: Floats, answered: Floats, actual: Floats) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of counts.

    A class that was never answered has no precision, one without rows no recall, one with neither no F1.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return right / answered, right / actual, 2 * right / (answered + actual)


def macro_mean(values: Floats) -> Floats:
    """Mean over classes of (resamples, classes), NaN left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=1), dtype=np.float64)
