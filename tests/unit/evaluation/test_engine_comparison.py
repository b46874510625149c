from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from evergreen.core.admission import Admission
from evergreen.core.artifacts import SplitName, Splits
from evergreen.core.slices import ColumnSlices
from evergreen.evaluation.agreement import Shares
from evergreen.evaluation.classification import Classification, pairs
from evergreen.evaluation.engine_comparison import EngineComparison
from evergreen.evaluation.evaluator import Evaluator, Loaded
from evergreen.evaluation.measure import Counts, Numbers

ROWS: dict[str, int] = {SplitName.TRAIN: 10_000, SplitName.VALIDATION: 200, SplitName.TEST: 200}
FIRST: dict[str, int] = {SplitName.TEST: 0, SplitName.VALIDATION: 200, SplitName.TRAIN: 400}
Answers = Callable[["Rows"], Numbers]


class Rows(NamedTuple):
    """Rows by their numbers in all splits together."""

    numbers: Numbers
    columns: dict[str, list[Any]]

    @property
    def ids(self) -> list[str]:
        return [str(number) for number in self.numbers]


class Numbered(Evaluator[Rows, Numbers]):
    """Rows of which every second is of class 1; `read` is how many of each split were asked for."""

    def __init__(self) -> None:
        splits = SimpleNamespace(manifest=SimpleNamespace(rows=ROWS))
        super().__init__(cast("Splits", splits), Classification(("even", "odd")), ColumnSlices())
        self.read: list[tuple[str, int]] = []

    def rows(self, columns: Sequence[str]) -> Iterator[Rows]:
        yield Rows(np.arange(ROWS[SplitName.TEST]), {})

    def inputs(self, split: str, chosen: Numbers | None) -> Iterator[Rows]:
        numbers = np.arange(ROWS[split]) if chosen is None else chosen
        self.read.append((split, len(numbers)))
        for part in np.array_split(numbers, 3):
            yield Rows(FIRST[split] + part, {})

    def otherwise(self, one: Numbers, other: Numbers) -> Shares:
        return np.asarray(one != other, dtype=np.float64)

    def counts(self, batch: Rows, answer: Numbers) -> Counts:
        return pairs(batch.numbers % 2, answer)

    def load(self, *_: object) -> Loaded[Rows, Numbers]:
        raise NotImplementedError

    instance = constant = load  # type: ignore[assignment]


def full(batch: Rows) -> Numbers:
    """What float32 answers: it is right but for every tenth row."""
    return np.where(batch.numbers % 10 == 3, 0, batch.numbers % 2)


def otherwise(where: Answers) -> Answers:
    """The same but for these rows."""
    return lambda batch: np.where(where(batch), 1 - full(batch), full(batch))


def engine(answer: Answers) -> Loaded[Rows, Numbers]:
    return Loaded(cast("Any", None), answer)


def compared(where: Answers, **admission: Any) -> tuple[Any, list[tuple[str, int]]]:
    """The verdict on an engine that answers these rows otherwise, and what of further splits was read for it."""
    evaluator = Numbered()
    settings = Admission(**({"max_loss": 0.0} | admission))
    return EngineComparison(evaluator, engine(full), settings).judge(engine(otherwise(where))), evaluator.read


def every(step: int) -> Answers:
    """Answers otherwise at each such row from the middle of the first step on."""
    return lambda batch: batch.numbers % step == step // 2


def never(batch: Rows) -> Numbers:
    return np.zeros(len(batch.numbers), dtype=np.int64)


def test_an_engine_that_loses_nothing_on_the_test_rows_needs_no_further_ones() -> None:
    verdict, read = compared(never, max_loss=0.05)
    assert (verdict.admitted, verdict.compared, read) == (True, 200, [])
    assert verdict.reason == "certainly loses at most 0.050"


def test_one_that_differs_everywhere_is_kept_out_by_the_test_rows() -> None:
    verdict, read = compared(every(4))
    assert not verdict.admitted
    assert (verdict.compared, read) == (200, [])


@pytest.mark.parametrize(
    ("step", "limit", "admitted", "rows"),
    [
        (400, 0.02, True, {}),
        (20, 0.01, False, {"validation": 200}),
        (800, 0.01, True, {"validation": 200, "train": 1000}),
        (40, 0.01, False, {"validation": 200, "train": 1000}),
        (400, 0.01, True, {"validation": 200, "train": 2000}),
    ],
)
def test_validation_and_training_rows_are_compared_until_they_decide(
    step: int, limit: float, admitted: bool, rows: dict[str, int]
) -> None:
    verdict, read = compared(every(step), max_disagreement=limit, max_train_rows=8_000)
    assert verdict.admitted is admitted
    assert {split: sum(count for name, count in read if name == split) for split, _ in read} == rows
    assert verdict.compared == ROWS[SplitName.TEST] + sum(rows.values())


def test_no_more_than_the_training_rows_that_may_be_and_each_once() -> None:
    verdict, read = compared(never, max_train_rows=800, max_disagreement=0.0045)
    assert verdict.admitted
    assert read == [("validation", 200), ("train", 100), ("train", 100), ("train", 200), ("train", 400)]
    assert compared(never, max_train_rows=0, max_disagreement=0.011)[1] == [("validation", 200)]


def test_no_row_is_compared_where_all_that_there_are_could_not_show_that_it_may_serve() -> None:
    verdict, read = compared(every(200), max_train_rows=100)
    assert (verdict.admitted, verdict.compared, read) == (False, 200, [])
    assert "allowed are 1.0%; 500 rows may be compared, which are too few: about " in verdict.reason
    verdict, read = compared(every(100), max_train_rows=800)
    assert (verdict.admitted, read) == (False, [("validation", 200)])
    assert verdict.reason.endswith(
        "1,200 rows may be compared, which are too few: no number of rows like these would decide"
    )


@pytest.mark.parametrize("small", [True, False])
def test_float32_answers_each_batch_once_for_all_engines_where_its_answers_are_small(
    small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Numbered, "small_answers", small)
    asked: list[int] = []

    def counted(batch: Rows) -> Numbers:
        asked.extend(batch.numbers.tolist())
        return full(batch)

    comparison = EngineComparison(Numbered(), engine(counted), Admission(max_loss=0.0))
    first, second = (comparison.judge(engine(otherwise(every(step)))) for step in (100, 1_000_003))
    assert not first.admitted
    assert second.admitted
    assert second.compared < first.compared
    assert len(asked) == first.compared + (0 if small else second.compared)
