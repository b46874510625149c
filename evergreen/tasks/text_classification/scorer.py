"""One model's answers, in the task's class numbers, timed; and the errors it was surest of."""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import EvergreenError, InputError, InstanceError
from evergreen.core.protocols import Predictor
from evergreen.core.reports import Timings, WorstError
from evergreen.tasks.comparison import LabelledTask, numbers_by_name, own_task
from evergreen.tasks.slices import Numbers
from evergreen.tasks.text_classification.rows import Batch
from evergreen.tasks.text_classification.settings import TextRules

EXCERPT_CHARS = 300
WORST_ERRORS = 25
WARM_UP = 3


class TextTask(LabelledTask, Protocol):
    """What evaluation asks of a task."""

    @property
    def rules(self) -> TextRules:
        """Which texts can be used."""

    def load(self, model_dir: Path) -> Predictor:
        """A predictor whose outputs are probabilities: (rows, classes) float32."""


class Answers(NamedTuple):
    """(rows,) each: class numbers of the task (its number of labels where it lacks the label), scores, own labels."""

    predicted: Numbers
    scores: npt.NDArray[np.float64]
    labels: list[str]


class Scorer:
    """A loaded model whose labels are aligned with the task's by name."""

    def __init__(self, model: TrainedModel, task: TextTask) -> None:
        own = own_task(model, task, rules=task.rules)  # the rows honour the present rules, not those of the time
        self._version, self._labels = model.version, own.labels
        self._numbers = numbers_by_name(own.labels, task.labels)
        self._predictor: Predictor = own.load(model.path)
        self._rows, self._seconds = 0, 0.0

    def answer(self, batch: Batch) -> Answers:
        """The most probable class of each row.

        Raises:
            InputError: a text cannot be used; the row is named.
            EvergreenError: the outputs are not finite probabilities, one row each.
        """
        start = time.perf_counter()
        try:
            inputs = self._predictor.decode([{"text": text} for text in batch.texts])
        except InstanceError as error:
            raise InputError(f"test row {batch.ids[error.index]} cannot be scored: {error}") from error
        probabilities = np.asarray(self._predictor.predict(inputs), dtype=np.float64)  # (rows, own classes)
        self._seconds += time.perf_counter() - start
        self._rows += len(batch.texts)
        expected = (len(batch.texts), len(self._labels))
        if probabilities.shape != expected or not np.isfinite(probabilities).all():
            got = "values that are not finite" if probabilities.shape == expected else f"shape {probabilities.shape}"
            raise EvergreenError(
                f"model {self._version} gave {got} instead of {expected} probabilities for the rows from "
                f"{batch.ids[0]}; look at its learning curves, then train it again"
            )
        best = probabilities.argmax(axis=1)
        scores = probabilities[np.arange(len(best)), best]
        return Answers(self._numbers[best], scores, [self._labels[number] for number in best])

    def timings(self, texts: Sequence[str]) -> Timings:
        """Latency of the texts one by one, warmed up; rows a second of all that was answered before."""
        spent_ms = []
        for text in [*texts[:WARM_UP], *texts]:
            start = time.perf_counter()
            self._predictor.encode(self._predictor.predict(self._predictor.decode([{"text": text}])))
            spent_ms.append((time.perf_counter() - start) * 1000)
        median, tail = np.quantile(spent_ms[min(WARM_UP, len(texts)) :], [0.5, 0.95])
        return Timings(
            latency_p50_ms=round(float(median), 3),
            latency_p95_ms=round(float(tail), 3),
            rows_per_s=round(self._rows / max(self._seconds, 1e-9), 1),
        )


class WorstErrors:
    """The wrong answers with the highest scores; of equal scores the earliest rows."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._heap: list[tuple[float, int, WorstError]] = []
        self._rows = 0

    def add(self, batch: Batch, answers: Answers) -> None:
        """Looks at the batch's wrong answers and keeps the excerpts of the worst ones."""
        for row in np.flatnonzero(answers.predicted != batch.truth).tolist():
            rank = (float(answers.scores[row]), -(self._rows + row))
            if len(self._heap) == WORST_ERRORS and rank < self._heap[0][:2]:
                continue
            error = WorstError(
                id=batch.ids[row],
                excerpt=" ".join(batch.texts[row].split())[:EXCERPT_CHARS],
                truth=self._labels[batch.truth[row]],
                predicted=answers.labels[row],
                score=rank[0],
            )
            push = heapq.heappush if len(self._heap) < WORST_ERRORS else heapq.heappushpop
            push(self._heap, (*rank, error))
        self._rows += len(batch.ids)

    def sorted(self) -> tuple[WorstError, ...]:
        """The worst first."""
        return tuple(error for _, _, error in sorted(self._heap, key=lambda one: one[:2], reverse=True))
