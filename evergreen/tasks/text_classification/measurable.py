"""How good text classifiers are: test rows, answers in the task's class numbers, the worst texts.

The test split is streamed: numbers are kept of its rows, texts are not, so that memory grows by some tens of bytes a
row, whatever the texts weigh.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from evergreen.core.admission import Trial
from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.engines import Engines, EngineVariant
from evergreen.core.errors import EvergreenError, InputError, InstanceError
from evergreen.core.members import servable
from evergreen.core.protocols import Predictor
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import WorstText, WorstTexts
from evergreen.data.shards import split_batches, split_columns
from evergreen.evaluation.agreement import Shares
from evergreen.evaluation.champion import numbers_by_name, own_labelled_task
from evergreen.evaluation.classification import Classification, pairs
from evergreen.evaluation.evaluate import evaluate
from evergreen.evaluation.evaluator import Constant, Evaluator, Loaded, Reference, Worst
from evergreen.evaluation.measure import Counts, Numbers
from evergreen.evaluation.slices import Slice, require_columns
from evergreen.tasks.text_classification import tfidf
from evergreen.tasks.text_classification.servable import TextPredictor
from evergreen.tasks.text_classification.settings import LENGTH_COLUMN, TextClassification
from evergreen.tasks.text_classification.slices import by_length
from evergreen.tasks.text_classification.tfidf import TfidfRegression

BATCH_ROWS = 512
EXCERPT_CHARS = 300
WORST_TEXTS = 25


class TextMeasurement:
    """Evaluates classifiers of texts."""

    def __init__(self, task: TextClassification) -> None:
        self._task = task

    def evaluate(
        self, model: TrainedModel, champion: TrainedModel | None, splits: Splits, trial: Trial | None = None
    ) -> EvaluationReport:
        """The model, and the champion re-scored, on the test split; see `evaluation.evaluate`.

        A champion with other labels is compared by label name: its answers with labels that the task lacks are wrong
        answers.

        Raises:
            InputError: the test split is empty, or rows, slices or champion do not fit the task.
        """
        return evaluate(model, champion, TextEvaluator(splits, self._task), trial)


class TextBatch(NamedTuple):
    """Rows of the test split; `truth` holds class numbers, `columns` the values of the slice columns."""

    ids: list[str]
    texts: list[str]
    truth: Numbers
    columns: dict[str, list[Any]]


class TextAnswers(NamedTuple):
    """(rows,) each: class numbers of the task (its number of labels where it lacks the label), scores, own labels."""

    predicted: Numbers
    scores: npt.NDArray[np.float64]
    labels: list[str]


@dataclass(frozen=True)
class TextModel:
    """A loaded model whose labels are aligned with the task's by name: `numbers[own]` is the task's of its own."""

    version: str
    labels: tuple[str, ...]
    numbers: Numbers
    predictor: Predictor

    @classmethod
    def load(cls, model: TrainedModel, task: TextClassification) -> TextModel:
        """The model of a trained-model directory. Raises InputError when it does not fit the task."""
        own = own_labelled_task(model, task, rules=task.rules)  # rows honour the present rules, not those of the time
        numbers = numbers_by_name(own.labels, task.labels)
        return cls(model.version, own.labels, numbers, servable(own).load(model.path))

    def loaded(self) -> Loaded[TextBatch, TextAnswers]:
        """What the evaluation knows of it."""
        return Loaded(self.predictor, self.answer, self._by)

    def _by(self, engines: Engines, variant: EngineVariant) -> Loaded[TextBatch, TextAnswers]:
        """The model, answered by a graph."""
        predictor = cast("TextPredictor", self.predictor).by(engines, variant)
        return replace(self, predictor=predictor).loaded()

    def answer(self, batch: TextBatch) -> TextAnswers:
        """The most probable class of each row.

        Raises:
            InputError: a text cannot be used; the row is named.
            EvergreenError: the outputs are not finite probabilities, one row each.
        """
        try:
            inputs = self.predictor.decode([{"text": text} for text in batch.texts])
        except InstanceError as error:
            raise InputError(f"test row {batch.ids[error.index]} cannot be scored: {error}") from error
        probabilities = np.asarray(self.predictor.predict(inputs), dtype=np.float64)  # (rows, own classes)
        expected = (len(batch.texts), len(self.labels))
        if probabilities.shape != expected or not np.isfinite(probabilities).all():
            got = "values that are not finite" if probabilities.shape == expected else f"shape {probabilities.shape}"
            raise EvergreenError(
                f"model {self.version} gave {got} instead of {expected} probabilities for the rows from "
                f"{batch.ids[0]}; look at its learning curves, then train it again"
            )
        best = probabilities.argmax(axis=1)
        scores = probabilities[np.arange(len(best)), best]
        return TextAnswers(self.numbers[best], scores, [self.labels[number] for number in best])


class TextEvaluator(Evaluator[TextBatch, TextAnswers]):
    """Counts are those of `Classification`."""

    small_answers = True

    def __init__(self, splits: Splits, task: TextClassification) -> None:
        super().__init__(splits, Classification(task.labels), task.slices)
        self._task = task
        self._worst: Worst[WorstText] = Worst(WORST_TEXTS)

    def rows(self, columns: Sequence[str]) -> Iterator[TextBatch]:
        """The test split, BATCH_ROWS at a time.

        Raises:
            InputError: a slice column is missing.
        """
        require_columns(tuple(columns), split_columns(self.splits, SplitName.TEST))
        yield from self._read(SplitName.TEST, columns, None)

    def _read(self, split: str, columns: Sequence[str], chosen: Numbers | None) -> Iterator[TextBatch]:
        numbers = {label: number for number, label in enumerate(self._task.labels)}
        for batch in split_batches(self.splits, split, ("id", "text", "label", *columns), BATCH_ROWS, chosen):
            yield _batch(batch.to_pydict(), numbers)

    def load(self, model: TrainedModel) -> Loaded[TextBatch, TextAnswers]:
        """The model, aligned by label name."""
        return TextModel.load(model, self._task).loaded()

    def inputs(self, split: str, chosen: Numbers | None) -> Iterator[TextBatch]:
        """Rows of a split, BATCH_ROWS at a time."""
        yield from self._read(split, (), chosen)

    def otherwise(self, one: TextAnswers, other: TextAnswers) -> Shares:
        """1 where the classes differ, 0 where not."""
        differs: Shares = (one.predicted != other.predicted).astype(np.float64)
        return differs

    def counts(self, batch: TextBatch, answer: TextAnswers) -> Counts:
        """(rows, 2) true class and answer."""
        return pairs(batch.truth, answer.predicted)

    def instance(self, batch: TextBatch, row: int) -> Mapping[str, Any]:
        """The whole text."""
        return {"text": batch.texts[row]}

    def constant(self) -> Constant:
        """The label with most training rows; of equals the one that the task names first."""
        labels, rows = self._task.labels, self.splits.manifest.labels.get(SplitName.TRAIN, {})
        majority = max(labels, key=lambda label: rows.get(label, 0))
        return Constant(majority, labels.index(majority))

    def references(self) -> Sequence[Reference[TextBatch]]:
        """A regression of words and characters."""
        regression = TfidfRegression(self.splits, self._task.labels)
        return [
            Reference(
                tfidf.NAME,
                lambda batch: pairs(batch.truth, regression.answer(batch.texts)),
                regression.fitted_on,
            )
        ]

    def facts(self, batch: TextBatch) -> Mapping[str, Numbers]:
        """Characters of each text."""
        return {LENGTH_COLUMN: np.array([len(text) for text in batch.texts], dtype=np.int64)}

    def own_slices(self, facts: Mapping[str, Numbers], counts: Counts) -> Iterable[Slice]:  # noqa: ARG002 - by length
        """Buckets of length."""
        return by_length(facts[LENGTH_COLUMN], self._task.slices.length_edges_chars)

    def keep_worst(self, batch: TextBatch, answer: TextAnswers, counts: Counts, first: int) -> None:  # noqa: ARG002
        """Keeps the wrong answers with the highest scores."""
        for row in np.flatnonzero(answer.predicted != batch.truth).tolist():
            self._worst.add(float(answer.scores[row]), first + row, partial(self._wrong, batch, answer, row))

    def _wrong(self, batch: TextBatch, answer: TextAnswers, row: int) -> WorstText:
        return WorstText(
            id=batch.ids[row],
            excerpt=" ".join(batch.texts[row].split())[:EXCERPT_CHARS],
            truth=self._task.labels[batch.truth[row]],
            predicted=answer.labels[row],
            score=float(answer.scores[row]),
        )

    def sections(self) -> tuple[WorstTexts, ...]:
        """The worst texts."""
        return (WorstTexts(rows=self._worst.sorted()),)


def _batch(values: dict[str, list[Any]], numbers: dict[str, int]) -> TextBatch:
    ids, texts, labels = values.pop("id"), values.pop("text"), values.pop("label")
    truth = np.array([numbers[label] for label in labels], dtype=np.int64)
    return TextBatch(ids=ids, texts=texts, truth=truth, columns=values)
