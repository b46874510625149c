import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import matplotlib.figure
import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.adapters.mlflow.tracking import MlflowTrainingRun, flatten, log_metrics, log_params, log_text
from evergreen.core.errors import EvergreenError


@pytest.fixture
def client(mlflow_uri: str) -> Iterator[mlflow.MlflowClient]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(mlflow_uri)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def test_parameters_curves_figures_and_texts_reach_the_active_run(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    seen: list[int] = []
    training = MlflowTrainingRun(tmp_path, tmp_path, 0, lambda rows, *_: seen.append(rows), no_op)
    with mlflow.start_run() as run:
        log_params({"task": {"epochs": 2, "rules": {"min_rows": 5}}})
        for step in (10, 20):
            training.log_metrics({"loss": 1 / step}, step)
        training.log_figure("learning_curves.png", matplotlib.figure.Figure())
        training.report_progress(64, 128, 0.5, 3.0)
        log_text("report.json", "{}")
    held = client.get_run(run.info.run_id)
    assert held.data.params == {"task.epochs": "2", "task.rules.min_rows": "5"}
    assert [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, "loss")] == [
        (10, 0.1),
        (20, 0.05),
    ]
    assert {one.path for one in client.list_artifacts(run.info.run_id)} == {"learning_curves.png", "report.json"}
    assert seen == [64]


def test_without_an_active_run_nothing_is_written(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    log_params({"a": 1})
    log_metrics({"a": 1.0})
    log_text("a.txt", "a")
    assert client.search_runs(["0"]) == []
    assert not (tmp_path / "mlruns").exists()


@pytest.fixture
def broken(client: mlflow.MlflowClient, tmp_path: Path) -> Iterator[MlflowTrainingRun]:
    """A training whose MLflow loses its tables while it runs."""
    with mlflow.start_run():
        (tmp_path / "mlflow.db").rename(tmp_path / "away.db")
        sqlite3.connect(tmp_path / "mlflow.db").close()
        yield MlflowTrainingRun(tmp_path, tmp_path, 0, lambda *_: None, no_op)
        (tmp_path / "away.db").replace(tmp_path / "mlflow.db")


def test_a_tracker_that_fails_costs_curve_points_and_not_the_training(
    broken: MlflowTrainingRun, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="evergreen"):
        broken.log_metrics({"loss": 0.5}, 10)
        broken.log_metrics({"loss": 0.4}, 20)
        (tmp_path / "away.db").replace(tmp_path / "mlflow.db")
        broken.log_metrics({"loss": 0.3}, 30)
        (tmp_path / "mlflow.db").rename(tmp_path / "away.db")
        for step in (40, 50, 60, 70):
            broken.log_metrics({"loss": 0.2}, step)
    said = [record.message for record in caplog.records if "evergreen" in record.name]
    assert [one.split(":")[0] for one in said] == [
        "step 10 of the learning curves not recorded",
        "step 20 of the learning curves not recorded",
        "step 40 of the learning curves not recorded",
        "step 50 of the learning curves not recorded",
        "step 60 of the learning curves not recorded, nor will be what follows",
    ]


def test_what_a_report_needs_of_the_tracker_fails_in_one_line(broken: MlflowTrainingRun) -> None:
    with pytest.raises(EvergreenError, match="MLflow at sqlite:"):
        log_params({"a": 1})


def test_secrets_are_hidden_and_names_of_variables_and_counts_are_not() -> None:
    params = {"source": {"token": "hf_123", "token_env": "HF_TOKEN"}, "db_password": "x", "max_length_tokens": 128}
    assert flatten(params) == {
        "source.token": "(hidden)",
        "source.token_env": "HF_TOKEN",
        "db_password": "(hidden)",
        "max_length_tokens": 128,
    }


@given(st.recursive(st.integers(), lambda inner: st.dictionaries(st.text("abc", min_size=1), inner), max_leaves=8))
def test_every_leaf_is_kept_once(tree: object) -> None:
    def leaves(one: object) -> int:
        return sum(map(leaves, one.values())) or 1 if isinstance(one, dict) else 1

    params = {"root": tree}
    assert len(flatten(params)) == leaves(params)


def no_op() -> None:
    """Checkpoints stay where they are."""
