"""Trainings beside an MLflow server that stops answering, as a process of its own."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import mlflow
import pytest

from evergreen.core.artifacts import HISTORY_NAME, Splits, SplitsManifest, TrainedModel, TrainedModelManifest
from evergreen.core.members import trainable
from evergreen.core.training import Curves, Start
from evergreen.runtime.processes import free_port
from tests.tiny_text import headlines, task_with, write_encoder, write_splits
from tests.waiting import wait_until

CODE = "c" * 64


class Server:
    """`mlflow server` on one port and one database, to be killed and started again."""

    def __init__(self, folder: Path, database: Path) -> None:
        self._folder = folder
        (folder / "mlflow.db").write_bytes(database.read_bytes())
        self._port = free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        state = f"sqlite:///{self._folder}/mlflow.db"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)),
                *("--backend-store-uri", state, "--workers", "1", "--serve-artifacts"),
                *("--artifacts-destination", str(self._folder / "artifacts")),
            ],
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self) -> None:
        wait_until(self._answers, timeout_s=120)

    def kill(self) -> None:
        os.killpg(self._process.pid, 9)
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.uri}/health", trust_env=False, timeout=1).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def server(empty_mlflow_database: Path, tmp_path: Path, zenml_home: Path) -> Iterator[Server]:
    before = mlflow.get_tracking_uri()
    running = Server(tmp_path, empty_mlflow_database)
    mlflow.set_tracking_uri(running.uri)
    running.wait()
    yield running
    running.kill()
    mlflow.set_tracking_uri(before)


def test_every_point_and_page_of_a_training_is_in_mlflow_that_was_down_for_its_middle_third(
    server: Server, tmp_path: Path
) -> None:
    from orchestration.training_run import discard_checkpoints, send_notes, training_run

    rows = headlines(360)
    splits = write_splits(tmp_path / "splits", {"train": rows[:300], "validation": rows[300:]})
    task = task_with(write_encoder(tmp_path / "encoder"), epochs=2)
    down: list[float] = []

    def kill_and_restart(rows: int, total_rows: int, *_: float) -> None:
        if rows > total_rows // 3 and not down:
            server.kill()
            down.append(time.monotonic())
        if rows > 2 * total_rows // 3 and len(down) == 1:
            server.start()
            down.append(time.monotonic())

    with mlflow.start_run() as active, training_run(task, splits, Start(pretrained="p"), 1, CODE) as run:
        model = trainable(task).train(splits, replace(run, progress=kill_and_restart))
    assert len(down) == 2

    server.wait()
    model = TrainedModel(model.path, model.manifest.model_copy(update={"code": CODE}))  # as the step `train` notes it
    send_notes(model, server.uri)
    discard_checkpoints(model)
    client = mlflow.MlflowClient()
    curves = Curves.model_validate_json((model.path / HISTORY_NAME).read_text())
    for part, points in (("train", curves.train), ("validation", curves.validation)):
        for name in set(points[0]) - {"step"}:
            held = client.get_metric_history(active.info.run_id, f"{part}/{name}")
            assert [(metric.step, metric.value) for metric in held] == [
                (point["step"], point[name]) for point in points
            ]
    assert [file.path for file in client.list_artifacts(active.info.run_id)] == ["learning_curves.html"]
    assert client.get_run(active.info.run_id).data.params["seed"] == "1"
    assert not run.checkpoint_dir.exists()


def test_a_training_does_not_wait_for_an_mlflow_that_never_answers(
    mlflow_uri: str,
    tmp_path: Path,
    zenml_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from evergreen.adapters.mlflow import sender
    from orchestration import training_run

    monkeypatch.setattr(sender, "PATIENCE_AT_THE_END_S", 1.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    task = task_with(Path("distilbert/distilbert-base-uncased"))
    splits = Splits(tmp_path, SplitsManifest(files=(), dataset="d", seed=0, rows={}, labels={}, removed={}))
    before = mlflow.get_tracking_uri()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mlflow.set_tracking_uri(mlflow_uri)
        with caplog.at_level(logging.WARNING), mlflow.start_run():
            mlflow.set_tracking_uri(f"http://127.0.0.1:{silent.getsockname()[1]}")
            with training_run.training_run(task, splits, Start(pretrained="p"), 1, CODE) as run:
                began = time.process_time()
                for step in range(200):
                    run.log_metrics({"train/loss": 1.0}, step)
                assert time.process_time() - began < 0.5
            assert mlflow.active_run() is None  # else ZenML would wait for MLflow, and lose the training
        trained_on = splits.manifest.content_hash
        plain = trainable(task).training_configuration()
        manifest = TrainedModelManifest(files=(), task=plain, trained_on=trained_on, seed=1, code=CODE)
        model = TrainedModel(tmp_path, manifest)
        training_run.send_notes(model, mlflow.get_tracking_uri())
        training_run.discard_checkpoints(model)
    mlflow.set_tracking_uri(mlflow_uri)
    try:
        assert "MLflow lacks 201 entries of this training; the step `promote` sends them" in caplog.text
        assert (run.checkpoint_dir / "mlflow.jsonl").exists()
        training_run.send_notes(model, mlflow_uri)  # a later run's `promote`
        training_run.discard_checkpoints(model)
        (held,) = mlflow.MlflowClient().search_runs(["0"])
        assert len(mlflow.MlflowClient().get_metric_history(held.info.run_id, "train/loss")) == 200
        assert not run.checkpoint_dir.exists()
    finally:
        mlflow.set_tracking_uri(before)
