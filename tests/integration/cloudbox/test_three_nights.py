"""Three scheduled nights of the training pipeline, whose artifacts lie in the box's bucket: news, none, and news again.

`make nights` lets ten nights be fired by a schedule in the box.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from zenml.client import Client
from zenml.models import PipelineRunResponse

from evergreen.core.artifacts import REPLAYED, Dataset
from evergreen.data.shards import iter_batches
from tests.integration.cloudbox.metered_bucket import Meter
from tests.tiny_text import LABELS, headlines, write_encoder

pytestmark = pytest.mark.e2e

MB = 1_000_000
MODEL = "three-nights"
START = datetime(2026, 5, 1, tzinfo=UTC)
ROWS = headlines(700)
NOISE = random.Random(0)
CACHED = ("fetch", "validate", "split", "train", "evaluate")


def arrive(folder: Path, first: int, last: int, day: int) -> None:
    """Rows that arrive on a day, some kilobytes each: a night that moved them would be noticed."""
    with (folder / f"{day}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "arrived"])
        for number in range(first, last):
            text, label = ROWS[number]
            arrived = START + timedelta(days=day, seconds=number)
            writer.writerow([number, f"{text} {NOISE.randbytes(2000).hex()}", label, arrived.isoformat()])


@dataclass(frozen=True)
class Nights:
    """A model whose rows arrive in `rows`; each night is a run of the pipeline as a schedule freezes it."""

    config: Path
    rows: Path

    def run(self) -> PipelineRunResponse:
        from orchestration.configuration import load
        from orchestration.runs import model_tag
        from pipelines.training import training

        options = load(self.config, training).options()
        run = training.with_options(**options, tags=[model_tag(MODEL)])()
        assert run is not None
        return Client().get_pipeline_run(run.id)

    @property
    def status(self) -> Any:
        from orchestration.configuration import load
        from orchestration.status import status_of
        from pipelines.training import training

        return status_of(MODEL, load(self.config, training).parameters.host)


def numbers_of(run: PipelineRunResponse, *, replayed: bool) -> set[int]:
    """The rows that were new to the run, or those that it read once more."""
    dataset = run.steps["fetch"].outputs["dataset"][0].load()
    assert isinstance(dataset, Dataset)
    rows = (row for batch in iter_batches(dataset.shards, ["id", REPLAYED]) for row in batch.to_pylist())
    return {int(row["id"]) for row in rows if row[REPLAYED] is replayed}


@pytest.fixture
def nights(meter: Meter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nights]:
    from orchestration.configuration import load
    from orchestration.endpoints import open_endpoint
    from pipelines.training import training

    rows, config = tmp_path / "rows", tmp_path / "nightly.yaml"
    rows.mkdir()
    write_encoder(tmp_path / "encoder")
    parameters = {
        "model_name": MODEL,
        "source": {
            "kind": "files",
            "path": str(rows),
            "columns": {"id": "id", "text": "text", "label": "label", "arrived": "arrived"},
        },
        "task": {
            "kind": "text_classification",
            "labels": list(LABELS),
            "encoder": str(tmp_path / "encoder"),
            "batch_size": 8,
            "max_length_tokens": 32,
            "epochs": 1,
        },
        "refresh": {"data": "incremental", "min_new_rows": 50, "replay_share": 0.1},
        "gate": {"min_test_rows": 1, "baselines": "report", "beat_baseline": False, "margin": {}},
        "host": {"kind": "local_endpoint", "port": 0},
    }
    steps = {name: {"experiment_tracker": False} for name in ("train", "evaluate", "promote", "deploy")}
    document = {"parameters": parameters, "steps": steps, "extra": {"stacks": [tmp_path.name]}}
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setattr("steps.identify.is_scheduled", lambda: True)
    yield Nights(config, rows)
    open_endpoint(MODEL, load(config, training).parameters.host).delete()


def test_each_row_is_trained_on_once_and_a_night_without_news_moves_next_to_nothing(
    nights: Nights, meter: Meter
) -> None:
    arrive(nights.rows, 0, 500, day=0)
    first = nights.run()
    assert str(first.status) == "completed"
    assert meter.served > MB  # what a night with news reads of the bucket
    champion = nights.status
    assert champion.coverage.edge_rows == 500

    arrive(nights.rows, 500, 520, day=1)
    meter.served = 0
    quiet = nights.run()
    assert meter.served < MB
    assert str(quiet.status) == "completed"
    assert {str(quiet.steps[name].status) for name in CACHED} == {"cached"}
    after = nights.status
    assert after.champion == champion.champion
    assert after.coverage == champion.coverage

    arrive(nights.rows, 520, 700, day=2)
    third = nights.run()
    assert str(third.status) == "completed"
    last = nights.status
    assert last.champion.version != champion.champion.version
    assert last.coverage.until == START + timedelta(days=2, seconds=699, hours=-1)
    assert numbers_of(first, replayed=False) == set(range(500))
    assert numbers_of(third, replayed=False) == set(range(500, 700))
    assert 20 < len(numbers_of(third, replayed=True)) < 100
    assert numbers_of(third, replayed=True) < set(range(500))
