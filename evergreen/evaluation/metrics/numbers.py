"""Of rows that have a number each."""

from __future__ import annotations

import numpy as np

from evergreen.core.metric import MetricName
from evergreen.evaluation.metrics import RowMetric
from evergreen.evaluation.regression import measured


class _Regression(RowMetric):
    value_type = "float64"

    def _compute(self, predictions: list[float], references: list[float]) -> dict[str, float]:
        scores = measured(np.asarray(references), np.asarray(predictions))
        return {self.name_of_value: float(scores[self.name_of_value][0])}


class MeanAbsoluteError(_Regression):
    """Mean of the absolute errors."""

    name_of_value = MetricName.MAE


class RootMeanSquaredError(_Regression):
    """Root of the mean of the squared errors."""

    name_of_value = MetricName.RMSE


class R2(_Regression):
    """Share of the variance that is explained; NaN where all true numbers are equal."""

    name_of_value = MetricName.R2
