"""Recall, averaged over the classes, as an `evaluate` module that loads without the Hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn.metrics import recall_score


class Recall(evaluate.Metric):  # type: ignore[misc]
    """`{"macro_recall": mean over the classes}`: right answers over rows.

    NaN where undefined (a class without rows has none); the macro mean leaves NaN out.
    """

    def _info(self) -> Any:
        number = datasets.Value("int32")
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="Class numbers, one a row; `labels`: all class numbers.",
            features=datasets.Features({"predictions": number, "references": number}),
        )

    def _compute(self, predictions: list[int], references: list[int], labels: Sequence[int]) -> dict[str, float]:
        options: dict[str, Any] = {"labels": labels, "zero_division": np.nan}
        return {"macro_recall": float(recall_score(references, predictions, average="macro", **options))}
