"""How good text classifiers are on the test split."""

from __future__ import annotations

from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.report import EvaluationReport
from evergreen.tasks.text_classification.evaluate import evaluate_text
from evergreen.tasks.text_classification.settings import TextClassification


class TextMeasurement:
    """Evaluates classifiers of texts."""

    def __init__(self, task: TextClassification) -> None:
        self._task = task

    def evaluate(self, model: TrainedModel, champion: TrainedModel | None, splits: Splits) -> EvaluationReport:
        """The model, and the champion re-scored, on `test/`; see `evaluate_text`."""
        return evaluate_text(model, champion, splits, task=self._task, slices=self._task.slices)
