"""How good models are on the test split: what `evergreen.evaluation` asks of a task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.report import EvaluationReport
from evergreen.data.shards import split_batches
from evergreen.evaluation.champion import own_task
from evergreen.evaluation.evaluate import evaluate
from evergreen.evaluation.evaluator import Constant, Evaluator, Loaded
from evergreen.evaluation.measure import Counts
from evergreen.evaluation.regression import MEAN, Regression, RowMetric
from text_regression.servable import RegressionServing
from text_regression.settings import WITHIN_FIFTH, TextRegression
from text_regression.trainable import ROWS_AT_ONCE, Floats

FURTHER = (RowMetric(WITHIN_FIFTH, lambda truth, answers: abs(answers - truth) <= 0.2 * abs(truth)),)


class RegressionMeasurement:
    """Evaluates regressions of texts."""

    def __init__(self, task: TextRegression) -> None:
        self._task = task

    def evaluate(self, model: TrainedModel, champion: TrainedModel | None, splits: Splits) -> EvaluationReport:
        """The model, and the champion re-scored, on `test/`."""
        return evaluate(model, champion, RegressionEvaluator(splits, self._task))


class Batch(NamedTuple):
    """Rows of the test split, with the values of the slice columns."""

    ids: list[str]
    texts: list[str]
    truth: Floats
    columns: dict[str, list[Any]]


class RegressionEvaluator(Evaluator[Batch, Floats]):
    """Answers are (rows,) numbers; counts those of `Regression`."""

    def __init__(self, splits: Splits, task: TextRegression) -> None:
        super().__init__(splits, Regression(task.unit, FURTHER), task.slices)
        self._task = task

    def rows(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The test split, ROWS_AT_ONCE at a time."""
        for record in split_batches(self.splits, SplitName.TEST, ("id", "text", "target", *columns), ROWS_AT_ONCE):
            values = record.to_pydict()
            yield Batch(values.pop("id"), values.pop("text"), np.array(values.pop("target")), values)

    def load(self, model: TrainedModel) -> Loaded[Batch, Floats]:
        """The model, with its own settings."""
        predictor = RegressionServing(own_task(model, self._task)).load(model.path)

        def answer(batch: Batch) -> Floats:
            return predictor.predict(batch.texts)

        return Loaded(predictor, answer)

    def counts(self, batch: Batch, answer: Floats) -> Counts:
        """(rows, 2) true number and answer."""
        return np.column_stack([batch.truth, answer])

    def instance(self, batch: Batch, row: int) -> Mapping[str, Any]:
        """The text."""
        return {"text": batch.texts[row]}

    def constant(self) -> Constant:
        """The mean of the training rows."""
        batches = split_batches(self.splits, SplitName.TRAIN, ("target",), ROWS_AT_ONCE)
        return Constant(MEAN, float(np.concatenate([batch["target"].to_numpy() for batch in batches]).mean()))
