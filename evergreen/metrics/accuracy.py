"""Accuracy as an `evaluate` module: `evaluate.load(<this file>)` works without the Hub."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
from sklearn.metrics import accuracy_score


class Accuracy(evaluate.Metric):  # type: ignore[misc]
    """`{"accuracy": share of rows whose prediction equals the reference}`."""

    def _info(self) -> Any:
        number = datasets.Value("int32")
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="Class numbers, one a row.",
            features=datasets.Features({"predictions": number, "references": number}),
        )

    def _compute(self, predictions: list[int], references: list[int], **_: object) -> dict[str, float]:
        return {"accuracy": float(accuracy_score(references, predictions))}
