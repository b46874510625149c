"""F1, averaged over the classes, as an `evaluate` module that loads without the Hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn.metrics import f1_score


class F1(evaluate.Metric):  # type: ignore[misc]
    """`{"macro_f1": mean over the classes}`: harmonic mean of precision and recall.

    NaN where undefined (a class without rows and answers has none); the macro mean leaves NaN out.
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
        return {"macro_f1": float(f1_score(references, predictions, average="macro", **options))}
