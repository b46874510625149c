"""How good text classifiers are on the test split."""

from __future__ import annotations

from pathlib import Path

from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.protocols import Fetch, Predictor
from evergreen.core.reports import EvaluationReport
from evergreen.tasks.text_classification.evaluate import evaluate_text
from evergreen.tasks.text_classification.servable import TextServing
from evergreen.tasks.text_classification.settings import TextClassification


class TextMeasurement:
    """Evaluates classifiers of texts."""

    def __init__(self, task: TextClassification) -> None:
        self._task = task

    def evaluate(self, model: TrainedModel, champion: TrainedModel | None, splits: Splits) -> EvaluationReport:
        """The model, and the champion re-scored, on `test/`; see `evaluate_text`."""
        task = _LoadingTask.model_validate(self._task.model_dump())
        return evaluate_text(model, champion, splits, task=task, slices=task.slices)


class _LoadingTask(TextClassification):
    """The task as evaluation asks for it: it loads its models itself."""

    def load(self, model_dir: Path, fetch: Fetch | None = None) -> Predictor:
        """A predictor of a trained-model directory of this configuration."""
        return TextServing(self).load(model_dir, fetch)
