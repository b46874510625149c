"""What MLflow has of a ramp."""

from __future__ import annotations

from collections.abc import Iterator

import mlflow
import pytest

from evergreen.core.deployment import Deployment
from tests.judgements import shares


@pytest.fixture
def client(mlflow_uri: str) -> Iterator[mlflow.MlflowClient]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(mlflow_uri)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def test_each_share_is_a_step_of_the_active_run_and_its_page_an_artifact(client: mlflow.MlflowClient) -> None:
    from orchestration.tracking import track_rollout

    done = Deployment(
        outcome="live", model="news", url=None, version="c3", traffic={"c3": 100}, message="", transitions=shares()
    )
    with mlflow.start_run() as run:
        track_rollout(done)
    points = client.get_metric_history(run.info.run_id, "rollout/share")
    assert sorted((point.step, point.value) for point in points) == [(0, 5.0), (1, 25.0), (2, 50.0)]
    held = client.get_run(run.info.run_id).data.metrics
    assert (held["rollout/newcomer_requests"], held["rollout/errors"], held["rollout/seconds"]) == (1234, 0.012, 60)
    names = {file.path for file in client.list_artifacts(run.info.run_id, "rollout")}
    assert names == {"rollout/deployment.html", "rollout/transitions.json"}


def test_without_a_ramp_nothing_is_noted(client: mlflow.MlflowClient) -> None:
    from orchestration.tracking import track_rollout

    with mlflow.start_run() as run:
        track_rollout(Deployment(outcome="live", model="news", url=None, version="c3", traffic={}, message=""))
    assert client.get_run(run.info.run_id).data.metrics == {}
