"""The metrics as `evaluate.Metric` classes, which need no Hub: each calls what the bootstrap calls on resampled counts.

Accuracy().compute(predictions=[0, 1, 0], references=[0, 1, 1], labels=[0, 1])  ->  {"accuracy": 0.667}

A module each kind of measuring, so that who computes one metric depends on no other kind.
"""

from __future__ import annotations

from typing import Any, ClassVar

import datasets
import evaluate


class RowMetric(evaluate.Metric):  # type: ignore[misc]
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
