"""Of pictures whose pixels have a class each."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from evergreen.core.metric import MetricName
from evergreen.evaluation.metrics import RowMetric
from evergreen.evaluation.pixel_scores import segmentation_scores


class _Segmentation(RowMetric):
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
        scores, _ = segmentation_scores(total)
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
