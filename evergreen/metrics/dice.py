"""The Dice coefficient, averaged over the classes, as an `evaluate` module that loads without the Hub."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np


class Dice(evaluate.Metric):  # type: ignore[misc]
    """`{"dice": mean over the classes, "class_dice": [of each class]}`: twice the pixels that are and were answered a
    class, over the sum of both; the F1 of pixels.

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
        total = counts.sum(axis=1) + counts[:, : len(counts)].sum(axis=0)
        dice = np.divide(2.0 * np.diagonal(counts), total, out=np.full(len(counts), np.nan), where=total > 0)
        return {"dice": float(np.nanmean(dice)) if not np.isnan(dice).all() else np.nan, "class_dice": dice.tolist()}
