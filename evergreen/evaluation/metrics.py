"""The metrics as `evaluate.Metric` classes, which need no Hub: each calls what the bootstrap calls on resampled counts.

Accuracy().compute(predictions=[0, 1, 0], references=[0, 1, 1], labels=[0, 1])  ->  {"accuracy": 0.667}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import datasets
import evaluate
import numpy as np

from evergreen.core.metric import MetricName
from evergreen.evaluation import classification, regression, segmentation


class _RowMetric(evaluate.Metric):  # type: ignore[misc]
    """A metric of one value a row."""

    name_of_value: ClassVar[str]
    value_type: ClassVar[str] = "int32"

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"keep_in_memory": True} | options))

    def _info(self) -> Any:
        value = datasets.Value(self.value_type)
        return evaluate.MetricInfo(
            description=type(self).__doc__,
            citation="",
            inputs_description="One value a row; of classes their numbers, and `labels`: all class numbers.",
            features=datasets.Features({"predictions": value, "references": value}),
        )


class _Classification(_RowMetric):
    def _compute(self, predictions: list[int], references: list[int], labels: Sequence[int]) -> dict[str, float]:
        scores, _ = classification.measured(np.asarray(references), np.asarray(predictions), len(labels))
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


class _Regression(_RowMetric):
    value_type = "float64"

    def _compute(self, predictions: list[float], references: list[float]) -> dict[str, float]:
        scores = regression.measured(np.asarray(references), np.asarray(predictions))
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


class _Segmentation(_RowMetric):
    def _info(self) -> Any:
        counts = datasets.Sequence(datasets.Sequence(datasets.Value("int64")))
        return evaluate.MetricInfo(
            description=type(self).__doc__,
            citation="",
            inputs_description="Pixels of one picture a row, by true class and answer: a last column is always wrong.",
            features=datasets.Features({"confusions": counts}),
        )

    def _compute(self, confusions: list[list[list[int]]]) -> dict[str, float]:
        total = np.asarray(confusions, dtype=np.int64).sum(axis=0, keepdims=True)
        scores, _ = segmentation.segmentation_scores(total)
        return {self.name_of_value: float(scores[self.name_of_value][0])}


class MeanIou(_Segmentation):
    """Pixels that are and were answered a class, over those that are or were, mean over the classes that have one."""

    name_of_value = MetricName.MEAN_IOU


class Dice(_Segmentation):
    """Twice the pixels that are and were answered a class, over the sum of both; the F1 of pixels."""

    name_of_value = MetricName.DICE


class PixelAccuracy(_Segmentation):
    """Share of the pixels whose answer is their class."""

    name_of_value = MetricName.PIXEL_ACCURACY
