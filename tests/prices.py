"""A task whose target is a number: prices by floor area, as a third kind of task evaluates them; nothing is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evergreen.core.artifacts import FileEntry, Splits, SplitsManifest, TrainedModel, TrainedModelManifest
from evergreen.core.metric import MetricSpec
from evergreen.core.predictors import PlainPredictor
from evergreen.core.slices import ColumnSlices
from evergreen.evaluation.evaluator import Constant, Evaluator, Loaded, Reference
from evergreen.evaluation.measure import Counts
from evergreen.evaluation.regression import MEAN, Regression, RowMetric
from evergreen.evaluation.scores import Floats

WITHIN_TENTH = RowMetric(
    MetricSpec(name="within_tenth", bounds=(0, 1)), lambda truth, answers: abs(answers / truth - 1) <= 0.1
)
PRICES = Regression(unit="EUR", further=(WITHIN_TENTH,))
ROWS = 400
BATCH = 64


class PriceSlices(ColumnSlices):
    own_report = {}
    reserved = ()


class Prices(NamedTuple):
    ids: list[str]
    areas: Floats
    truth: Floats
    columns: dict[str, list[Any]]


class PricePredictor(PlainPredictor):
    """EUR for an area: `rate` EUR a square metre."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def decode(self, instances: Sequence[Any]) -> list[float]:
        return [float(instance["area"]) for instance in instances]

    def predict(self, batch: Sequence[float]) -> Floats:
        return np.asarray(batch, dtype=np.float64) * self.rate

    def encode(self, outputs: Floats) -> list[dict[str, Any]]:
        return [{"price": float(price)} for price in outputs]


def priced_by(rate: float) -> TrainedModel:
    """A model of so many EUR a square metre: its version is the hash of that."""
    weights = FileEntry(name="rate", sha256=hashlib.sha256(str(rate).encode()).hexdigest(), bytes=8)
    manifest = TrainedModelManifest(
        files=(weights,), task={"kind": "prices", "rate": rate}, trained_on="0" * 64, seed=0
    )
    return TrainedModel(Path("model"), manifest)


def splits() -> Splits:
    manifest = SplitsManifest(
        files=(), dataset="0" * 64, seed=0, rows={"train": 900, "test": ROWS}, labels={}, removed={}
    )
    return Splits(Path("splits"), manifest)


class PriceEvaluator(Evaluator[Prices, Floats]):
    def __init__(self) -> None:
        super().__init__(splits(), PRICES, PriceSlices(columns=("town",), min_rows=10))
        draw = np.random.default_rng(0)
        self.areas = draw.uniform(20, 120, ROWS)
        self.truth = 3000 * self.areas + draw.normal(0, 9000, ROWS)

    def rows(self, columns: Sequence[str]) -> Iterator[Prices]:
        for start in range(0, ROWS, BATCH):
            at = range(start, min(start + BATCH, ROWS))
            towns = {column: ["Bonn" if row % 3 else "Unna" for row in at] for column in columns}
            yield Prices(
                [f"house-{row}" for row in at], self.areas[at.start : at.stop], self.truth[at.start : at.stop], towns
            )

    def load(self, model: TrainedModel) -> Loaded[Prices, Floats]:
        predictor = PricePredictor(float(str(model.manifest.task["rate"])))

        def answer(batch: Prices) -> Floats:
            return predictor.predict(batch.areas.tolist())

        return Loaded(predictor, answer)

    def counts(self, batch: Prices, answer: Floats) -> Counts:
        return np.column_stack([batch.truth, answer])

    def instance(self, batch: Prices, row: int) -> Mapping[str, Any]:
        return {"area": float(batch.areas[row])}

    def constant(self) -> Constant:
        return Constant(MEAN, 3000 * 70.0)

    def references(self) -> Sequence[Reference[Prices]]:
        return [Reference("price of the last town", lambda batch: np.column_stack([batch.truth, batch.areas * 2500]))]
