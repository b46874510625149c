"""The example's task on rows that are not its own: a CSV's numbers, trained, asked, measured, shown, or refused."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf.json_format import MessageToDict

from evergreen.adapters.huggingface_publish.card import model_card
from evergreen.adapters.vertex.evaluation import evaluation_message
from evergreen.core.artifacts import Dataset, SourceIdentity
from evergreen.core.errors import DatasetError, InputError, InstanceError
from evergreen.core.members import examinable, measurable, presentable, servable, trainable
from evergreen.core.publication import Edition
from evergreen.core.sections import ScoredRows
from evergreen.data.canonical import canonical_rows
from evergreen.data.columns import ROW_NAME
from evergreen.data.dataset import write_dataset
from evergreen.data.labelled import TrainedOn
from evergreen.data.row_fields import RowFields
from evergreen.data.split import split
from evergreen.data.split_plan import SplitPlan
from evergreen.tasks.scored import Live, scored
from tests.own_zenml import ROOT
from tests.tiny_text import RecordingRun

FIELDS = RowFields(columns={"text": "advert", "target": "price"}, numbers=("target",))
IDENTITY = SourceIdentity(kind="files", fingerprint="f", description="offers.csv")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The settings of the example, found where its folder is."""
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "text_regression"))
    return importlib.import_module("text_regression.settings")


def dataset(folder: Path, adverts: list[str], prices: list[str]) -> Dataset:
    names = [f"offers.csv:{line}" for line, _ in enumerate(adverts, start=2)]
    rows = pa.RecordBatch.from_pydict({"advert": adverts, "price": prices, ROW_NAME: names})
    return write_dataset(canonical_rows([rows], FIELDS, None), folder, IDENTITY)


def test_numbers_of_a_csv_are_trained_on_asked_measured_and_shown(example: Any, tmp_path: Path) -> None:
    adverts = [f"{kind} bike number {n}" for n in range(60) for kind in ("cheap", "dear")]
    rows = dataset(tmp_path / "rows", adverts, ["100", "400.5"] * 60)
    task = example.TextRegression(unit="EUR", scale="log")
    report = examinable(task).examine(rows)
    assert (report.rows, report.labels, report.columns["target"].type) == (120, {}, "double")

    splits = split(rows, SplitPlan(train=0.6, validation=0.2, test=0.2, near_duplicate_similarity=None), tmp_path / "s")
    run = RecordingRun.below(tmp_path / "run")
    model = trainable(task).train(splits, run)
    predictor = servable(task).load(model.path)
    asked = [{"text": f"{kind} bike number 7"} for kind in ("cheap", "dear")]
    answers = predictor.encode(predictor.predict(predictor.decode(asked)))
    assert [answer["value"] for answer in answers] == [pytest.approx(100, rel=0.2), pytest.approx(400.5, rel=0.2)]
    assert len(run.points) == 2 * len(task.alphas)
    assert run.curves is not None
    assert len(run.curves.validation) == len(task.alphas)
    with pytest.raises(InstanceError, match=r"instances\[1\]: 'text' is blank"):
        predictor.decode([{"text": "a bike"}, {"text": " "}])

    measured = measurable(task).evaluate(model, None, splits)
    live = scored(task, Live(model, TrainedOn(splits), None), rows, tmp_path / "scored")
    told = live.section(ScoredRows)
    assert told is not None
    assert (live.rows, told.trained_on) == (120, splits.manifest.rows["train"])
    assert live.metrics["mae"].value > 0
    drawn = MessageToDict(evaluation_message(measured)._pb)
    assert drawn["metricsSchemaUri"].endswith("regression_metrics_1.0.0.yaml")
    assert drawn["metrics"]["meanAbsoluteError"] == pytest.approx(measured.metrics["mae"].value)
    description = presentable(task).describe()
    edition = Edition("bicycle-prices", model, measured, IDENTITY, description, servable(task).examples(splits))
    card = model_card(edition, "me/bicycle-prices", model.version, None)
    assert "mae, EUR (lower is better)" in card
    assert "Gives a text a number in EUR." in card


def test_rows_without_a_usable_number_are_named(example: Any, tmp_path: Path) -> None:
    rows = dataset(tmp_path, ["a bike", "a lamp", " "], ["1", "-2", "3"])
    with pytest.raises(DatasetError, match=r"not a text and a number: 1 rows \(offers\.csv:4\)"):
        examinable(example.TextRegression()).examine(rows)
    with pytest.raises(DatasetError, match=r"number above 0: 2 rows \(offers\.csv:3, offers\.csv:4\)"):
        examinable(example.TextRegression(scale="log")).examine(rows)


def test_offers_follow_from_their_numbers_and_have_no_time(example: Any, tmp_path: Path) -> None:
    source = importlib.import_module("text_regression.source").BicycleOffersSource
    few, more = (source(example.BicycleOffersSettings(count=count)) for count in (3, 5))
    read = [offers.read(None, tmp_path / str(place)) for place, offers in enumerate((few, more))]
    tables = [pq.read_table(offers.shards[0]).to_pylist() for offers in read]
    assert tables[1][:3] == tables[0]
    assert few.identity(None) != more.identity(None)
    with pytest.raises(InputError, match="no time that a window could choose by"):
        few.identity(object())
