"""What a task gives the evaluation: its test rows, loaded models and counts of what they answer.

Beside it a stopwatch of their answers, and a keeper of the worst rows.
"""

from __future__ import annotations

import heapq
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.engines import Engines, EngineVariant
from evergreen.core.errors import EvergreenError
from evergreen.core.protocols import Predictor
from evergreen.core.report import Timings
from evergreen.core.sections import Section
from evergreen.core.slices import ColumnSlices
from evergreen.evaluation.agreement import Shares
from evergreen.evaluation.measure import Counts, Measure, Numbers
from evergreen.evaluation.slices import Slice

WARM_UP = 3
T = TypeVar("T")


class Batch(Protocol):
    """Some test rows: their ids, and the values of the slice columns."""

    @property
    def ids(self) -> list[str]:
        """Of the rows."""

    @property
    def columns(self) -> dict[str, list[Any]]:
        """Values by slice column."""


B = TypeVar("B", bound=Batch)
A = TypeVar("A")


class Loaded(NamedTuple, Generic[B, A]):
    """A model whose answers speak of the task's classes, whatever it was trained with.

    `engine` gives the same model, answered by a graph, and raises InputError when that cannot be loaded; None where the
    task's models have no graphs.
    """

    predictor: Predictor
    answer: Callable[[B], A]
    engine: Callable[[Engines, EngineVariant], Loaded[B, A]] | None = None


class Constant(NamedTuple):
    """The answer that is right most often, or is nearest, and what it is called."""

    name: str
    answer: float


class Reference(NamedTuple, Generic[B]):
    """A simple model, fitted on the train split, or on so many rows of it."""

    name: str
    counts: Callable[[B], Counts]
    fitted_on: int | None = None


class Evaluator(ABC, Generic[B, A]):
    """One task's side of one evaluation; what it keeps of the worst rows makes it good for one only.

    `small_answers`: those of thousands of rows fit in memory.
    """

    row_noun: ClassVar[str] = "row"
    latency_samples: ClassVar[int] = 50
    small_answers: ClassVar[bool] = False

    def __init__(self, splits: Splits, measure: Measure, slices: ColumnSlices) -> None:
        self.splits, self.measure, self.slices = splits, measure, slices

    @abstractmethod
    def rows(self, columns: Sequence[str]) -> Iterator[B]:
        """The test split in file order, a batch at a time, with the values of these columns.

        Raises:
            InputError: a column is missing, or a row cannot be used.
        """

    @abstractmethod
    def load(self, model: TrainedModel) -> Loaded[B, A]:
        """The model. Raises InputError when it does not fit the task."""

    def inputs(self, split: str, chosen: Numbers | None) -> Iterator[B]:
        """A split as `rows` gives it, without columns; of it the rows that are `chosen`, by ascending numbers."""
        raise NotImplementedError(f"{type(self).__name__} gives no inputs of {split} rows {chosen}")

    def otherwise(self, one: A, other: A) -> Shares:
        """(rows,) float64: what of each row two engines answer otherwise, 0 to 1."""
        raise NotImplementedError(f"{type(self).__name__} compares no {type(one).__name__} with {type(other).__name__}")

    @abstractmethod
    def counts(self, batch: B, answer: A) -> Counts:
        """What the measure counts of each row."""

    @abstractmethod
    def instance(self, batch: B, row: int) -> Mapping[str, Any]:
        """A row of the batch as a client would send it."""

    @abstractmethod
    def constant(self) -> Constant:
        """The answer of the majority baseline, or of the mean, by the train split."""

    def references(self) -> Sequence[Reference[B]]:
        """Simple models that stand beside every version."""
        return ()

    def facts(self, batch: B) -> Mapping[str, Numbers]:  # noqa: ARG002 - a task that slices by nothing of its own
        """(rows,) numbers by name that own slices go by."""
        return {}

    def own_slices(self, facts: Mapping[str, Numbers], counts: Counts) -> Iterable[Slice]:  # noqa: ARG002 - as above
        """Slices beside those of columns."""
        return ()

    def keep_worst(self, batch: B, answer: A, counts: Counts, first: int) -> None:
        """Keeps what is shown of the batch's worst rows; `first` is the number of its first row."""

    def check(self, counts: Counts) -> None:
        """Nothing when the test split can be measured. Raises InputError otherwise."""

    def sections(self) -> tuple[Section, ...]:
        """What was kept."""
        return ()


class Stopwatch:
    """Rows that were answered in batches, and the seconds that they took."""

    def __init__(self) -> None:
        self._rows, self._seconds = 0, 0.0

    @contextmanager
    def answering(self, rows: int) -> Iterator[None]:
        """Counts what is done within as the answer to so many rows."""
        start = time.perf_counter()
        yield
        self._seconds += time.perf_counter() - start
        self._rows += rows

    def timings(self, predictor: Predictor, instances: Sequence[Mapping[str, Any]]) -> Timings:
        """Latency of the instances asked by themselves, as an endpoint is, warmed up; rows a second of the batches."""
        spent_ms = []
        for instance in [*instances[:WARM_UP], *instances]:
            start = time.perf_counter()
            predictor.encode(predictor.predict(predictor.decode([instance])))
            spent_ms.append((time.perf_counter() - start) * 1000)
        median, tail = np.quantile(spent_ms[min(WARM_UP, len(instances)) :], [0.5, 0.95])
        return Timings(
            latency_p50_ms=round(float(median), 3),
            latency_p95_ms=round(float(tail), 3),
            rows_per_s=round(self._rows / max(self._seconds, 1e-9), 1),
        )


def finite(counts: Counts, model: TrainedModel, ids: Sequence[str]) -> Counts:
    """The counts of the rows with these ids. Raises EvergreenError: the model's answers are not finite."""
    if not np.isfinite(counts).all():
        raise EvergreenError(
            f"model {model.version} gave values that are not finite for the rows from {ids[0]}; "
            "look at its learning curves, then train it again"
        )
    return counts


def every(step: int, rows: int, first: int) -> range:
    """The places in a batch of so many rows, whose first is number `first` of all, of each `step`-th row of all."""
    return range(-first % step, rows, step)


class Worst(Generic[T]):
    """The `most` rows with the highest badness; of equal ones the earliest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[float, int, T]] = []

    def add(self, badness: float, row: int, shown: Callable[[], T]) -> None:
        """Keeps what is `shown` of a row, which is made only of those that are kept; rows have different numbers."""
        rank = (badness, -row)
        if len(self._heap) == self._most and rank < self._heap[0][:2]:
            return
        push = heapq.heappush if len(self._heap) < self._most else heapq.heappushpop
        push(self._heap, (*rank, shown()))

    def sorted(self) -> tuple[T, ...]:
        """The worst first."""
        return tuple(shown for _, _, shown in sorted(self._heap, key=lambda kept: kept[:2], reverse=True))
