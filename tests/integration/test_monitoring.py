"""A real endpoint's requests beside the reference of its version, by the pipeline and the command."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.monitor import Monitored
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.core.artifacts import ResolvedWindow, Splits, TrainedModel
from evergreen.core.engines import read_engines
from evergreen.core.members import host_of, trainable
from evergreen.core.protocols import Endpoint
from evergreen.core.versions import ModelVersion
from evergreen.monitoring.making import EXAMPLE, make_reference
from evergreen.monitoring.reference import NOTED, Reference
from evergreen.requestlog.arrow import batch_of, rows_in
from tests import tiny_text
from tests.champions import make_champion
from tests.noted import rows
from tests.tiny_engines import INT8, add_text_engines
from tests.waiting import wait_until
from tests.webhooks import listening

MODEL = "watched"
HOST = LocalHostSettings(port=0, startup_timeout_s=60)
TESTED = tiny_text.headlines(60, 1)
KNOWN = tiny_text.headlines(60, 2)
"""Validation rows."""


@dataclass(frozen=True)
class Watched:
    """A live model that was asked about its own test rows, and its reference."""

    model: TrainedModel
    reference: Reference
    endpoint: Endpoint
    home: Path
    answers: list[dict[str, Any]]

    @property
    def until_now(self) -> ResolvedWindow:
        now = datetime.now(UTC) + timedelta(minutes=1)
        return ResolvedWindow(start=now - timedelta(hours=1), end=now)

    def noted(self) -> list[dict[str, Any]]:
        from orchestration.endpoints import state_directory

        return rows(host_of(HOST).request_log(MODEL, state_directory()), self.until_now)

    def configuration(self, **changes: Any) -> Path:
        given = {
            "model_name": MODEL,
            "host": {"kind": "local_endpoint", "port": 0},
            "drift": {"min_rows": 30, "min_requests": 10},
            **changes,
        }
        path = self.home / "monitor.yaml"
        extra = {"pipeline": "monitoring", "stacks": ["default"]}
        path.write_text(yaml.safe_dump({"parameters": given, "extra": extra}), encoding="utf-8")
        return path


def trained(folder: Path) -> tuple[TrainedModel, Splits]:
    parts = {"train": tiny_text.headlines(72), "validation": KNOWN, "test": TESTED}
    splits = tiny_text.write_splits(folder / "splits", parts)
    task = tiny_text.task_with(tiny_text.write_encoder(folder / "encoder"), epochs=1)
    model = trainable(task).train(splits, tiny_text.RecordingRun.below(folder))
    return add_text_engines(model, [{"text": text} for text, _ in KNOWN], folder / "graphs"), splits


@pytest.fixture(scope="module")
def watched(zenml_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    from zenml import save_artifact

    import orchestration.materializers  # noqa: F401 - registers them
    from orchestration.endpoints import state_directory

    folder = tmp_path_factory.mktemp("watched")
    model, splits = trained(folder)
    task = tiny_text.task_with(folder / "encoder", epochs=1)
    (folder / "reference").mkdir()
    reference = make_reference(task, model, read_engines(model.path), splits, folder / "reference")
    kept = {name: str(save_artifact(one, f"{MODEL}-{name}").id) for name, one in (("m", model), ("r", reference))}
    plain: dict[str, Any] = {"artifact": kept["m"], "report": kept["m"], "recipe": "r", "run": "run"}
    made: dict[str, Any] = {"judged_against": None, "metrics": {}, "examples": (), "reference": kept["r"]}
    plain |= {"version": model.version}
    make_champion(MODEL, ModelVersion(**plain, **made))
    endpoint = host_of(HOST).open(MODEL, state_directory())
    try:
        endpoint.upload(model.version, model.path)
        endpoint.deploy(model.version)
        endpoint.set_traffic({model.version: 100})
        answers = [endpoint.predict([{"text": text}])[0] for text, _ in TESTED]
        one = Watched(model, reference, endpoint, folder, answers)
        wait_until(lambda: len(one.noted()) == len(TESTED))
        yield one
    finally:
        endpoint.delete()


def test_a_reference_holds_what_the_log_notes_of_the_same_rows(watched: Watched) -> None:
    logged = sorted(watched.noted(), key=lambda row: row["time"])
    known = watched.reference.table().to_pylist()[len(KNOWN) :]
    assert len(known) == len(logged) == len(TESTED)
    for ours, theirs in zip(known, logged, strict=True):
        assert {name: ours[name] for name in NOTED} == {name: theirs[name] for name in NOTED}
    assert [row["label"] for row in known] == [label for _, label in TESTED]
    manifest = watched.reference.manifest
    assert (manifest.rows, manifest.engine, manifest.labels) == (120, f"onnx-{INT8}", tiny_text.LABELS)


def test_a_reference_keeps_the_beginning_of_each_text(watched: Watched) -> None:
    import pyarrow.parquet as pq

    kept = pq.read_table(watched.reference.path / "rows.parquet", columns=[EXAMPLE]).to_pylist()
    assert [row[EXAMPLE] for row in kept] == [text for text, _ in [*KNOWN, *TESTED]]


def test_the_command_tells_a_quiet_day_and_then_a_shift_with_labels(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = watched.home / "labels.csv"
    traces = [row["trace_id"] for row in sorted(watched.noted(), key=lambda row: row["time"])]
    told = [f"{trace},{label}" for trace, (_, label) in zip(traces, TESTED, strict=True)]
    labels.write_text("\n".join(["trace_id,label", *told, told[0], f"{traces[1]},none of them"]), encoding="utf-8")
    source = {"kind": "files", "path": str(labels), "columns": {"trace_id": "trace_id", "label": "label"}}
    config = watched.configuration(labels=source, quality={"floors": {"accuracy": 1.0}})

    quiet = verdict(config, capsys)
    assert (quiet.rows, quiet.requests, quiet.enough, quiet.drifted) == (60, 60, True, False)
    assert quiet.labels is not None
    assert (quiet.labels.used, quiet.labels.duplicate, quiet.labels.contradicting) == (59, 1, 2)
    assert set(quiet.quality) == {"accuracy", "macro_f1"}

    draw = random.Random(5)
    for _ in range(60):
        words = " ".join(draw.choice(["zyx", "quux", "goal"]) for _ in range(40))
        watched.endpoint.predict([{"text": words}])
    wait_until(lambda: len(watched.noted()) == 120)
    moved = verdict(config, capsys)
    assert moved.drifted
    assert {"tokens", "unknown_share"} <= {one.name for one in moved.alarms}
    assert moved.examples
    assert {example.text for example in moved.examples} <= {text for text, _ in [*KNOWN, *TESTED]}


def verdict(config: Path, capsys: pytest.CaptureFixture[str]) -> Monitored:
    """What `run.py monitor --json` says of the last day, to this minute."""
    from commands.parser import main

    end = datetime.now(UTC) + timedelta(minutes=1)
    capsys.readouterr()
    stretch = f"{end - timedelta(days=1):%Y-%m-%dT%H:%M:%S}..{end:%Y-%m-%dT%H:%M:%S}"
    assert main(["monitor", "--config", str(config), "--json", "--window", stretch]) == 0
    return Monitored.model_validate_json(capsys.readouterr().out)


def test_the_summary_and_status_say_what_became_of_each_alert(
    watched: Watched, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = watched.home / "wrong.csv"
    first, second = tiny_text.LABELS[:2]
    wrong = [f"{row['trace_id']},{second if row['prediction'] == first else first}" for row in watched.noted()]
    labels.write_text("\n".join(["trace_id,label", *wrong]), encoding="utf-8")
    source = {"kind": "files", "path": str(labels), "columns": {"trace_id": "trace_id", "label": "label"}}
    alerts = {"webhook_env": "WATCHED_WEBHOOK", "kinds": ["quality"]}
    window = {"end": (datetime.now(UTC) + timedelta(minutes=1)).isoformat(), "length": "1d", "grain": "1m"}
    config = watched.configuration(labels=source, quality={"floors": {"accuracy": 0.9}}, alerts=alerts, window=window)
    title = f"'version {watched.model.version} is below its floor'"
    with listening(404, 200) as asked:
        monkeypatch.setenv("WATCHED_WEBHOOK", asked.url)
        refused, sent, held_back = (alert_lines(config, capsys) for _ in range(3))
    assert refused[0].startswith(f"alert       {title}: not sent by webhook: it answers with status 404; it knows no")
    assert sent == [f"alert       {title}: sent by webhook"]
    assert held_back[0].startswith(f"alert       {title}: not sent, for the same news was sent on ")
    assert len(asked.messages) == 2
    by_hand = verdict(config, capsys)
    assert f"{title}: not sent, for a window that was given by hand" in by_hand.alerts[-1]
    from orchestration.runs import MONITORING, configuration_of, last_runs

    told = [words for run in last_runs(MODEL, of=MONITORING) for words in run.alerts if title in words]
    from zenml.client import Client

    (newest,) = last_runs(MODEL, 1, of=MONITORING)
    assert configuration_of(Client().get_pipeline_run(newest.name)) == str(config)
    assert [f"alert       {words}" for words in told[1:4]] == [*held_back, *sent, *refused]


def alert_lines(config: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a run's summary says of alerts on quality."""
    from commands.parser import main

    capsys.readouterr()
    assert main(["monitor", "--config", str(config)]) == 0
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("alert ") and "floor" in line]


def test_the_plan_reads_no_request(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    from commands.parser import main

    assert main(["monitor", "--config", str(watched.configuration()), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "compared with what it was evaluated on" in told
    assert "no step was run, and no request was read" in told
    assert "alerts      nobody is told of anything" in told
    assert main(["monitor", "--config", str(watched.configuration(alerts={"slack": True})), "--dry-run"]) == 0
    planned = capsys.readouterr()
    assert "alerts      by slack: drift, quality, idle; the same news again after 6h" in planned.out
    assert "note: alerts by slack reach nobody: alerts.slack is set, and stack 'default' has no alerter" in planned.err


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"host": {"kind": "local_endpoint", "port": 0, "log": None}}, "log"),
        ({"labels": {"kind": "files", "path": "/nowhere.csv", "columns": {"trace_id": "t"}}}, "/nowhere.csv"),
        ({"labels": {"kind": "files", "path": "/nowhere.csv"}}, "columns.trace_id"),
        ({"labels": {"kind": "shapes"}}, "a source of kind shapes has no labels of requests"),
        ({"model_name": "never-trained"}, "no champion to watch"),
        ({"labels": {"kind": "files", "path": "/nowhere.csv", "columns": {"trace_id": "t"}}}, "set labels.path"),
    ],
)
def test_a_wrong_configuration_is_told_before_any_step(
    watched: Watched, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], told: str
) -> None:
    from commands.parser import main

    assert main(["monitor", "--config", str(watched.configuration(**changes))]) in (1, 2)
    assert told in capsys.readouterr().err


def test_a_label_that_is_wrong_leaves_no_failed_run_behind(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    from commands.parser import main
    from orchestration.runs import MONITORING, last_runs

    before = [run.name for run in last_runs(MODEL, of=MONITORING)]
    labels = watched.home / "late.csv"
    labels.write_text("trace_id,label,at\nabc,goal,2026-05-05T07:00:00Z\nabd,goal,yesterday\n", encoding="utf-8")
    columns = {"trace_id": "trace_id", "label": "label", "arrived": "at"}
    config = watched.configuration(labels={"kind": "files", "path": str(labels), "columns": columns})
    assert main(["monitor", "--config", str(config)]) == 2
    assert "row 2 of the labels: arrived is 'yesterday', which is not a time" in capsys.readouterr().err
    assert [run.name for run in last_runs(MODEL, of=MONITORING)] == before


def test_what_is_noted_of_a_request_is_read_as_a_reference_is(watched: Watched) -> None:
    """Both have the columns of the log, so that one function reads either."""
    line = {"log": "evergreen.requests", "time": "2026-05-04T09:30:00Z", "model": "m", "version": "v", "trace_id": "t"}
    row = {"index": 0, "features": {"tokens": 3.0}, "prediction": "a", "score": 1.0, "probabilities": [1.0]}
    batch = batch_of(
        rows_in(json.dumps({**line, "engine": "e", "status": 200, "latency_ms": 1, "count": 1, "rows": [row]}))
    )
    assert batch.select(NOTED).schema == watched.reference.table().select(NOTED).schema
