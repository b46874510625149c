"""What the classes' shares are now, from what is answered now and from what the answers were worth on labelled rows.

Right as far as the classes themselves look as they did: of a class more rows come, it does not change its words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evergreen.core.metric import Metric
from evergreen.monitoring.difference import RESAMPLES, SEED, TAIL
from evergreen.monitoring.observed import Floats

STEPS = 500
ENOUGH = 1e-6
MOST_CLASSES = 100
ADDED = 0.5


def class_shares_now(confusion: Floats, answers: Floats, design: float, labels: Sequence[str]) -> dict[str, Metric]:
    """The shares by label with 95 % intervals; none of more than MOST_CLASSES classes, or without answers.

    The likeliest shares under which rows of each true class are answered as the reference's were: the estimate of
    Lipton et al., *Detecting and Correcting for Label Shift with Black Box Predictors*, 2018, kept to possible shares
    by the expectation maximization of Saerens, Latinne and Decaestecker, 2002. The intervals resample both.

    Args:
        confusion: (true classes, answers) counts of the reference's labelled rows; a class without any counts as known
            by its answer.
        answers: (answers,) counts of the window's rows.
        design: the design effect of the latter.
        labels: the classes.
    """
    if not answers.sum() or not confusion.sum() or len(labels) > MOST_CLASSES:
        return {}
    random = np.random.default_rng(SEED)
    known = confusion + ADDED * np.eye(len(labels))
    rates = known / known.sum(axis=1, keepdims=True)
    drawn = [random.dirichlet(row + ADDED / len(labels), size=RESAMPLES) for row in known]
    rows = max(1, round(answers.sum() / design))
    counts = random.multinomial(rows, answers / answers.sum(), size=RESAMPLES)
    (best,) = _likeliest(rates[np.newaxis], answers[np.newaxis])
    resampled = _likeliest(np.stack(drawn, axis=1), counts.astype(float))
    low, high = np.quantile(resampled, [TAIL, 1 - TAIL], axis=0)
    return {
        label: Metric(value=float(value), low=float(min(below, value)), high=float(max(above, value)))
        for label, value, below, above in zip(labels, best, low, high, strict=True)
    }


def _likeliest(rates: Floats, answers: Floats) -> Floats:
    """(draws, classes) shares of (draws, classes, answers) rates and (draws, answers) counts."""
    observed = answers / answers.sum(axis=1, keepdims=True)
    shares = np.full(rates.shape[:2], 1 / rates.shape[1])
    for _ in range(STEPS):
        expected = np.einsum("dc,dca->da", shares, rates)
        better = shares * np.einsum("dca,da->dc", rates, observed / np.maximum(expected, 1e-12))
        better /= better.sum(axis=1, keepdims=True)
        if np.abs(better - shares).max() < ENOUGH:
            return np.asarray(better)
        shares = better
    return shares
