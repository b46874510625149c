"""Scores of rows that have one class each, from counts of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evergreen.core.metric import MetricName
from evergreen.evaluation.scores import Floats, Scores, macro_mean

Labels = npt.NDArray[np.integer]


def classification_scores(right: Floats, answered: Floats, actual: Floats) -> tuple[Scores, Scores]:
    """Overall metrics, (n,) each, and those by class, (n, classes) each, of (n, classes) rows.

    Equal to scikit-learn's with `zero_division=nan`: a class that was never answered has no precision, one without rows
    no recall, one with neither no F1, and a macro mean is over the classes that have the metric.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall, f1 = right / answered, right / actual, 2 * right / (answered + actual)
        accuracy = right.sum(axis=1) / actual.sum(axis=1)
    overall = {
        MetricName.ACCURACY: accuracy,
        MetricName.MACRO_F1: macro_mean(f1),
        MetricName.MACRO_PRECISION: macro_mean(precision),
        MetricName.MACRO_RECALL: macro_mean(recall),
    }
    return overall, {MetricName.PRECISION: precision, MetricName.RECALL: recall, MetricName.F1: f1}


def measured(truth: Labels, predicted: Labels, classes: int) -> tuple[Scores, Scores]:
    """The scores of (rows,) class numbers as they are, without resamples: (1,) and (1, classes) each."""
    weights = np.ones((1, len(truth)))
    return classification_scores(*counted(weights, truth, predicted, classes))


def counted(weights: Floats, truth: Labels, predicted: Labels, classes: int) -> tuple[Floats, Floats, Floats]:
    """(n, classes) right answers, answers and rows of (n, outcomes) weights."""
    right = weights @ _one_hot(np.where(predicted == truth, predicted, -1), classes)
    return right, weights @ _one_hot(predicted, classes), weights @ _one_hot(truth, classes)


def _one_hot(numbers: Labels, classes: int) -> Floats:
    """(outcomes, classes); all zeros where the number is outside [0, classes)."""
    return np.equal.outer(numbers, np.arange(classes)).astype(np.float64)
