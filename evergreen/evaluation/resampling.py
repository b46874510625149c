"""How sure a score is: what the bootstrap of every measure shares.

A measure turns counts of rows into scores with one function; of resampled counts that gives the interval, and index 0,
the rows as they are, gives the value. Percentile intervals: Efron and Tibshirani, *Introduction to the Bootstrap*, §13.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from evergreen.core.metric import Metric
from evergreen.evaluation.scores import Floats, Scores

RESAMPLES = 2000
CONFIDENCE = 0.95
SEED = 0
CELLS_PER_CHUNK = 4_000_000


def resamples(counts: Floats, added: Floats) -> Iterator[Floats]:
    """Blocks of (resamples, outcomes) counts: the true ones first, then draws from these and the pseudo-rows.

    Equal calls give equal draws; memory stays bounded for many outcomes.
    """
    random = np.random.default_rng(SEED)
    smoothed = counts + added
    rows = round(smoothed.sum())
    yield counts[np.newaxis]
    block = max(1, CELLS_PER_CHUNK // len(counts))
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        yield random.multinomial(rows, smoothed / smoothed.sum(), size=size).astype(np.float64)


def resampled_sums(models: Sequence[npt.NDArray[np.generic]]) -> list[Floats]:
    """Of each model (1 + RESAMPLES, …): sums over the rows, and over rows drawn with replacement, the same for all.

    Args:
        models: (rows, …) of each model; at least one row.
    """
    rows = len(models[0])
    flat = [counts.reshape(rows, -1).astype(np.float64) for counts in models]
    parts: list[list[Floats]] = [[] for _ in models]
    for weights in resamples(np.ones(rows), np.zeros(rows)):
        for part, counts in zip(parts, flat, strict=True):
            part.append(weights @ counts)
    return [np.concatenate(part).reshape(-1, *models[0].shape[1:]) for part in parts]


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


def intervals(scores: Scores) -> dict[str, Metric]:
    """Of (1 + RESAMPLES,) scores by name."""
    return {name: interval(samples) for name, samples in scores.items()}


def class_intervals(scores: Scores, labels: Sequence[str]) -> dict[str, dict[str, Metric]]:
    """Of (1 + RESAMPLES, classes) scores by name: by label, then by name."""
    return {
        label: {name: interval(samples[:, number]) for name, samples in scores.items()}
        for number, label in enumerate(labels)
    }
