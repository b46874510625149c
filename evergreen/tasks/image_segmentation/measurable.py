"""How good segmentation models are on the test split."""

from __future__ import annotations

from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.report import EvaluationReport
from evergreen.tasks.image_segmentation.evaluate import evaluate_images
from evergreen.tasks.image_segmentation.settings import ImageSegmentation


class ImageMeasurement:
    """Evaluates segmentation models."""

    def __init__(self, task: ImageSegmentation) -> None:
        self._task = task

    def evaluate(self, model: TrainedModel, champion: TrainedModel | None, splits: Splits) -> EvaluationReport:
        """The model, and the champion re-scored, on `test/`; see `evaluate_images`."""
        return evaluate_images(model, champion, splits, task=self._task)
