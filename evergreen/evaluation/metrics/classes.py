"""Of rows that have one class each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evergreen.core.metric import MetricName
from evergreen.evaluation.class_scores import measured
from evergreen.evaluation.metrics import RowMetric


class _Classification(RowMetric):
    def _compute(self, predictions: list[int], references: list[int], labels: Sequence[int]) -> dict[str, float]:
        scores, _ = measured(np.asarray(references), np.asarray(predictions), len(labels))
        return {self.name_of_value: float(scores[self.name_of_value][0])}


class Accuracy(_Classification):
    """Share of rows whose answer is their class."""

    name_of_value = MetricName.ACCURACY


class MacroPrecision(_Classification):
    """Right answers over answers, mean over the classes; one that was never answered has none and is left out."""

    name_of_value = MetricName.MACRO_PRECISION


class MacroRecall(_Classification):
    """Right answers over rows, mean over the classes; one without rows has none and is left out."""

    name_of_value = MetricName.MACRO_RECALL


class MacroF1(_Classification):
    """Harmonic mean of precision and recall, mean over the classes; one without rows and answers is left out."""

    name_of_value = MetricName.MACRO_F1
