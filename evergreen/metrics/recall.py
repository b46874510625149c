"""Recall of each class and its macro mean, as an `evaluate` module that loads without the Hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn.metrics import recall_score


class Recall(evaluate.Metric):  # type: ignore[misc]
    """`{"recall": [by class], "macro_recall": mean}`: right answers over rows.

    NaN where undefined (a class without rows has none); the macro mean leaves NaN out.
    """

    def _info(self) -> Any:
        number = datasets.Value("int32")
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="Class numbers, one a row; `labels`: the class numbers to report, in order.",
            features=datasets.Features({"predictions": number, "references": number}),
        )

    def _compute(self, predictions: list[int], references: list[int], labels: Sequence[int]) -> dict[str, object]:
        options: dict[str, Any] = {"labels": labels, "zero_division": np.nan}
        return {
            "recall": recall_score(references, predictions, average=None, **options).tolist(),
            "macro_recall": float(recall_score(references, predictions, average="macro", **options)),
        }
