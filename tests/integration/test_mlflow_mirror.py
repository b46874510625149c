import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from evergreen.adapters.mlflow.mirror import MlflowMirror
from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import EvergreenError
from evergreen.core.metric import Metric
from evergreen.core.report import Baseline, EvaluationReport, Timings
from evergreen.core.sections import ConfusionMatrix
from evergreen.core.versions import Alias, MirrorState, ModelVersion, RecordState, Register, crown, reconcile
from tests.integration.bbc import TfidfPredictor, bbc_rows, train

MODEL = "news"
LOADER = "tests.integration.bbc:TfidfPredictor"
ROOT = Path(__file__).parents[2]
PREDICT = """
import json, sys, mlflow, pandas
model = mlflow.pyfunc.load_model("models:/news@champion")
instances = json.loads(sys.argv[1])
import evergreen
print(json.dumps([model.predict(instances), model.predict(pandas.DataFrame(instances)), evergreen.__file__]))
"""


@pytest.fixture
def mirror(mlflow_uri: str) -> MlflowMirror:
    return MlflowMirror(loader=LOADER, tracking_uri=mlflow_uri, render=lambda report: f"<p>{report.version}</p>")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[TrainedModel]:
    folder = tmp_path_factory.mktemp("models")
    return [train(folder / str(size), bbc_rows(size)) for size in (4, 8)]


def report(model: TrainedModel) -> EvaluationReport:
    return EvaluationReport(
        kind="classification",
        primary_metric="accuracy",
        primary_class_metric="f1",
        version=model.version,
        splits="0" * 64,
        rows=400,
        labels=("business", "tech & science"),
        metrics={"accuracy": Metric(value=0.9, low=0.8, high=0.95), "macro_f1": Metric(value=0.9, low=0.8, high=0.95)},
        confidence=0.95,
        baseline=Baseline(label="business", metrics={"accuracy": 0.5}),
        slices=(),
        sections=(ConfusionMatrix(labels=("business", "tech & science"), counts=((1, 0), (0, 1))),),
        comparison=None,
        size_bytes=model.size_bytes,
        timings=Timings(latency_p50_ms=1, latency_p95_ms=2, rows_per_s=3),
    )


def version(model: TrainedModel) -> ModelVersion:
    return ModelVersion(
        version=model.version,
        artifact="a",
        report="r",
        recipe="recipe-1",
        run="training-7",
        judged_against=None,
        metrics={"accuracy": 0.9},
        examples=({"text": "shares rose"},),
    )


def follow(record: RecordState, mirror: MlflowMirror, models: list[TrainedModel]) -> int:
    actions = reconcile(record, mirror.read(MODEL))
    by_version = {model.version: model for model in models}
    for action in actions:
        if isinstance(action, Register):
            model = by_version[action.version]
            mirror.register(MODEL, version(model), model, report(model))
        else:
            mirror.set_alias(MODEL, action.alias, action.version)
    return len(actions)


def test_a_model_that_mlflow_does_not_know_is_empty(mirror: MlflowMirror) -> None:
    assert mirror.read(MODEL) == MirrorState()
    mirror.set_alias(MODEL, Alias.CHAMPION, None)


def test_the_mirror_follows_the_record_and_repeating_changes_nothing(
    mirror: MlflowMirror, models: list[TrainedModel]
) -> None:
    old, new = (version(model) for model in models)
    record = RecordState(versions=(old, new), aliases={Alias.CHAMPION: old.version, Alias.CANDIDATE: new.version})
    assert follow(record, mirror, models) == 4
    assert mirror.read(MODEL) == MirrorState(versions={old.version: "1", new.version: "2"}, aliases=record.aliases)
    assert follow(record, mirror, models) == 0

    moves = {move.alias: move.version for move in crown(record, new.version)}
    aliases = {alias: name for alias, name in (record.aliases | moves).items() if name is not None}
    crowned = RecordState(versions=record.versions, aliases=aliases)
    follow(crowned, mirror, models)
    assert mirror.read(MODEL).aliases == {Alias.CHAMPION: new.version, Alias.PREVIOUS: old.version}


def test_registering_again_finds_the_version_by_its_tag(mirror: MlflowMirror, models: list[TrainedModel]) -> None:
    model = models[0]
    numbers = [mirror.register(MODEL, version(model), model, report(model)) for _ in range(2)]
    assert numbers == ["1", "1"]


def test_an_alias_of_a_version_that_mlflow_lacks_is_an_error(mirror: MlflowMirror, models: list[TrainedModel]) -> None:
    mirror.register(MODEL, version(models[0]), models[0], report(models[0]))
    with pytest.raises(EvergreenError, match=f"no version 123 of news \\(has: {models[0].version}\\)"):
        mirror.set_alias(MODEL, Alias.CHAMPION, "123")


def test_a_version_carries_its_evaluation(mirror: MlflowMirror, models: list[TrainedModel], mlflow_uri: str) -> None:
    model = models[0]
    mirror.register(MODEL, version(model), model, report(model))
    client = mlflow.MlflowClient(tracking_uri=mlflow_uri)
    held = client.get_model_version(MODEL, "1")
    (logged,) = client.search_logged_models([client.get_experiment_by_name(MODEL).experiment_id])  # type: ignore[union-attr]
    assert held.tags["evergreen.version"] == model.version
    assert held.tags["evergreen.metric.accuracy"] == "0.9000"
    assert {"test/accuracy", "test/accuracy_low", "latency_p95_ms"} <= {metric.key for metric in logged.metrics or []}
    assert client.get_run(str(held.run_id)).info.status == "FINISHED"
    folder = Path(logged.artifact_location)
    assert json.loads((folder / "evaluation" / "report.json").read_text())["version"] == model.version
    assert (folder / "evaluation" / "report.html").read_text() == f"<p>{model.version}</p>"
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pickle")]


@pytest.fixture
def mlflow_here(mlflow_uri: str) -> Iterator[str]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(mlflow_uri)
    yield mlflow_uri
    mlflow.set_tracking_uri(before)


def test_the_active_run_is_the_one_that_its_own_version_leads_to(models: list[TrainedModel], mlflow_here: str) -> None:
    own = version(models[0])
    with mlflow.start_run(run_name=own.run) as run:
        MlflowMirror(loader=LOADER).register(MODEL, own, models[0], report(models[0]))
    assert mlflow.MlflowClient(mlflow_here).get_model_version(MODEL, "1").run_id == run.info.run_id
    assert mlflow.get_run(run.info.run_id).data.metrics["test/accuracy"] == 0.9


def test_repairing_a_version_during_another_run_leaves_that_runs_metrics_alone(
    models: list[TrainedModel], mlflow_here: str
) -> None:
    with mlflow.start_run(run_name="training-8") as run:
        mlflow.log_metric("test/accuracy", 0.7)
        MlflowMirror(loader=LOADER).register(MODEL, version(models[0]), models[0], report(models[0]))
    assert mlflow.get_run(run.info.run_id).data.metrics == {"test/accuracy": 0.7}
    held = mlflow.MlflowClient(mlflow_here).get_model_version(MODEL, "1")
    own = mlflow.get_run(str(held.run_id))
    assert own.data.metrics["test/accuracy"] == 0.9
    assert own.data.tags["evergreen.run"] == "training-7"


def test_another_process_loads_the_champion_offline_and_answers_the_same(
    mirror: MlflowMirror, models: list[TrainedModel], mlflow_uri: str
) -> None:
    model = models[1]
    mirror.register(MODEL, version(model), model, report(model))
    mirror.set_alias(MODEL, Alias.CHAMPION, model.version)
    instances: list[dict[str, Any]] = [{"text": row["text"]} for row in bbc_rows(10)[9::10]]
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, json.dumps(instances)],
        env=os.environ
        | {"MLFLOW_TRACKING_URI": mlflow_uri, "PYTHONPATH": str(ROOT), "http_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    predictor = TfidfPredictor(model.path)
    expected = predictor.encode(predictor.predict(predictor.decode(instances)))
    of_list, of_frame, library = json.loads(done.stdout.splitlines()[-1])
    assert of_list == of_frame == expected
    assert not Path(library).is_relative_to(ROOT), "the version carries the library that it was registered with"


def test_a_server_that_does_not_answer_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with pytest.raises(EvergreenError, match=r"MLflow at http://127.0.0.1:9") as raised:
        MlflowMirror(loader=LOADER, tracking_uri="http://user:hunter2@127.0.0.1:9").read(MODEL)
    assert "hunter2" not in str(raised.value)


def test_a_password_with_a_slash_is_not_told() -> None:
    from evergreen.adapters.mlflow.failures import translated

    address = "postgresql://user:hunter/2?x@db.example.org/mlflow"
    with (
        pytest.raises(EvergreenError, match=r"MLflow at postgresql://db\.example\.org/mlflow: no route to ") as raised,
        translated(address),
    ):
        raise OSError(f"no route to {address}")
    assert "hunter" not in str(raised.value)
