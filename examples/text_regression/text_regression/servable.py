"""A loaded model: what the server, the evaluation and batch prediction share.

[{"text": "City bike, 3 years old, worn"}] → ["City bike, …"] → (1,) float64 → [{"value": 187.2}]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evergreen.core.artifacts import SplitName, Splits
from evergreen.core.errors import InstanceError
from evergreen.core.predictors import PlainPredictor
from evergreen.core.protocols import Fetch
from evergreen.data.shards import first_rows
from evergreen.tasks.libraries import loading
from text_regression.settings import TextRegression
from text_regression.trainable import WEIGHTS, Floats, counted, unscaled


class RegressionServing:
    """Loads regressions of texts, and makes what they are asked."""

    def __init__(self, task: TextRegression) -> None:
        self._task = task

    def load(self, model_dir: Path, fetch: Fetch | None = None) -> RegressionPredictor:  # noqa: ARG002 - texts are sent
        """A predictor of a trained-model directory. Raises InputError: no usable model there."""
        from safetensors.numpy import load_file

        with loading("text regression", model_dir):
            weights = load_file(model_dir / WEIGHTS)
            return RegressionPredictor(weights["coefficients"], weights["intercept"], self._task.scale)

    def instance(self, value: Any) -> dict[str, Any]:
        """What the endpoint is asked of a text."""
        return {self._task.input_field: value}

    def examples(self, splits: Splits, count: int = 3) -> list[dict[str, Any]]:
        """The first instances of the test split."""
        return first_rows(splits.shards(SplitName.TEST), ["text"], count)


class RegressionPredictor(PlainPredictor):
    """Predicts in float64."""

    def __init__(self, coefficients: Floats, intercept: Floats, scale: str) -> None:
        self._coefficients, self._intercept, self._scale = coefficients, intercept, scale

    def decode(self, instances: Sequence[Any]) -> list[str]:
        """The texts. Raises InstanceError: an instance is not `{"text": "…"}`, or its text is blank."""
        for index, instance in enumerate(instances):
            if not isinstance(instance, dict) or instance.keys() != {"text"} or not isinstance(instance["text"], str):
                raise InstanceError(index, 'expected {"text": "…"}')
            if not instance["text"].strip():
                raise InstanceError(index, "'text' is blank; send at least one word")
        return [instance["text"] for instance in instances]

    def predict(self, batch: Sequence[str]) -> Floats:
        """(texts,) numbers in the unit of the task."""
        answers: Floats = counted(list(batch), len(self._coefficients)) @ self._coefficients + self._intercept
        return unscaled(answers, self._scale)

    def encode(self, outputs: Floats) -> list[dict[str, Any]]:
        """`{"value": …}` a text."""
        return [{"value": value} for value in outputs.tolist()]
