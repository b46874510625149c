"""Mean intersection over union as an `evaluate` module that loads without the Hub."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np


class MeanIou(evaluate.Metric):  # type: ignore[misc]
    """`{"mean_iou": mean over the classes, "iou": [of each class]}`: pixels that are and were answered a class, over
    those that are or were.

    NaN where undefined (a class that is neither there nor answered); the mean leaves NaN out.
    """

    def _info(self) -> Any:
        counts = datasets.Sequence(datasets.Sequence(datasets.Value("int64")))
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="Pixels of one picture a row, by true class and answer: a last column is always wrong.",
            features=datasets.Features({"confusions": counts}),
        )

    def _compute(self, confusions: list[list[list[int]]]) -> dict[str, Any]:
        counts = np.asarray(confusions, dtype=np.int64).sum(axis=0)  # (classes, classes + 1)
        right = np.diagonal(counts).astype(np.float64)
        union = counts.sum(axis=1) + counts[:, : len(counts)].sum(axis=0) - right
        iou = np.divide(right, union, out=np.full(len(counts), np.nan), where=union > 0)
        return {"mean_iou": float(np.nanmean(iou)) if not np.isnan(iou).all() else np.nan, "iou": iou.tolist()}
