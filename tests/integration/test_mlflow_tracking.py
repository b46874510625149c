from collections.abc import Iterator
from pathlib import Path

import matplotlib.figure
import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.adapters.mlflow.tracking import MlflowTrainingRun, flatten, log_metrics, log_params, log_text


@pytest.fixture
def client(mlflow_uri: str) -> Iterator[mlflow.MlflowClient]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(mlflow_uri)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def test_parameters_curves_figures_and_texts_reach_the_active_run(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    seen: list[int] = []
    training = MlflowTrainingRun(tmp_path, tmp_path, 0, lambda rows, *_: seen.append(rows))
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
