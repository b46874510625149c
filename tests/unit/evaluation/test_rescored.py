from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from evergreen.core.admission import Admission, Trial
from evergreen.core.artifacts import FileEntry, Splits, SplitsManifest, TrainedModel, TrainedModelManifest
from evergreen.core.engines import TORCH, EngineChoice, Engines, EnginesManifest, EngineVariant, ServedEngines
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.protocols import Predictor
from evergreen.core.report import Comparison
from evergreen.core.slices import ColumnSlices
from evergreen.evaluation.classification import Classification, pairs
from evergreen.evaluation.evaluate import evaluate
from evergreen.evaluation.evaluator import Constant, Evaluator, Loaded
from evergreen.evaluation.measure import Counts, Numbers

ROWS, INT8 = 40, "int8-u8s8"
NEWCOMER, CHAMPION = (
    TrainedModel(Path("nowhere"), TrainedModelManifest(files=(weights,), task={}, trained_on="", seed=0))
    for weights in (FileEntry(name="weights", sha256=digit * 64, bytes=1) for digit in "12")
)
SPLITS = Splits(
    Path("nowhere"),
    SplitsManifest(
        files=(), dataset="", seed=0, rows={"train": 9, "test": ROWS}, labels={"train": {"a": 9}}, removed={}
    ),
)


class Rows(NamedTuple):
    ids: list[str]
    columns: dict[str, list[Any]]
    truth: Numbers


class Answers:
    """A predictor as the stopwatch asks it."""

    takes_turns = False

    def decode(self, instances: Sequence[Any]) -> list[Any]:
        return list(instances)

    def predict(self, batch: Sequence[Any]) -> Sequence[Any]:
        return batch

    def encode(self, outputs: Sequence[Any]) -> list[dict[str, Any]]:
        return [{} for _ in outputs]


class ByFirstRows(Evaluator[Rows, Numbers]):
    """Torch answers all rows right; the graph answers by `graph`."""

    def __init__(self, graph: Callable[[Rows], Numbers]) -> None:
        super().__init__(SPLITS, Classification(("a", "b")), ColumnSlices())
        self._graph = graph

    def rows(self, columns: Sequence[str]) -> Iterator[Rows]:
        yield Rows([str(row) for row in range(ROWS)], {}, np.arange(ROWS) % 2)

    def load(self, model: TrainedModel) -> Loaded[Rows, Numbers]:
        predictor = cast("Predictor", Answers())
        by_graph = Loaded(predictor, self._graph)
        return Loaded(predictor, lambda rows: rows.truth, lambda _engines, _variant: by_graph)

    def counts(self, batch: Rows, answer: Numbers) -> Counts:
        return pairs(batch.truth, answer)

    def instance(self, batch: Rows, row: int) -> Mapping[str, Any]:
        return {"text": batch.ids[row]}

    def constant(self) -> Constant:
        return Constant("a", 0)


def half_right(rows: Rows) -> Numbers:
    return np.zeros_like(rows.truth)


def fails(rows: Rows) -> Numbers:
    raise RuntimeError(f"no kernel for {len(rows.ids)} rows, among them {'secret row ' * 9}")


def engines(*names: str) -> Engines:
    variants = tuple(EngineVariant(name=name, file=f"{name}.onnx") for name in names)
    return Engines(Path("nowhere"), EnginesManifest(files=(), model="m", variants=variants))


def served(serves: str, *names: str) -> ServedEngines:
    return ServedEngines(engines(*names), EngineChoice(serves=serves, instruction_set="avx2", reason="it was fastest"))


def gone() -> ServedEngines:
    raise InputError("the record names Engines 7, which cannot be read")


def compared(champion: Callable[[], ServedEngines | None], graph: Callable[[Rows], Numbers] = half_right) -> Comparison:
    trial = Trial(engines(), Admission(), "avx2", champion=champion)
    comparison = evaluate(NEWCOMER, CHAMPION, ByFirstRows(graph), trial).comparison
    assert comparison is not None
    return comparison


def test_the_champion_is_scored_by_the_engine_that_serves_it() -> None:
    comparison = compared(partial(served, INT8, "fp32", INT8))
    assert comparison.engine == INT8
    assert comparison.stands_in is None
    assert comparison.metrics["accuracy"].value == 0.5, "torch would have answered all rows right"
    assert comparison.answers == {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize("champion", [lambda: None, partial(served, TORCH, "fp32")])
def test_a_champion_that_torch_serves_is_scored_by_torch(champion: Callable[[], ServedEngines | None]) -> None:
    comparison = compared(champion)
    assert (comparison.engine, comparison.stands_in) == (TORCH, None)
    assert comparison.metrics["accuracy"].value == 1.0


@pytest.mark.parametrize(
    ("champion", "graph", "told"),
    [
        (gone, half_right, "the record names Engines 7, which cannot be read"),
        (partial(served, INT8, "fp32"), half_right, f"engine '{INT8}' was chosen, and is not there \\(has: fp32\\)"),
        (partial(served, INT8, INT8), fails, "^RuntimeError$"),
    ],
)
def test_where_its_engine_is_gone_or_fails_torch_stands_in_and_the_report_says_why(
    champion: Callable[[], ServedEngines | None], graph: Callable[[Rows], Numbers], told: str
) -> None:
    comparison = compared(champion, graph)
    assert comparison.engine == TORCH
    assert comparison.metrics["accuracy"].value == 1.0
    with pytest.raises(EvergreenError, match=told):
        raise EvergreenError(comparison.stands_in)
