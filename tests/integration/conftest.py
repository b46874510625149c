"""A ZenML and an MLflow of the tests' own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def zenml_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """ZenML's configuration directory of this test session, with no server and no telemetry."""
    home = tmp_path_factory.mktemp("zenml")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("ZENML_")]:
            patch.delenv(name)
        patch.setenv("ZENML_CONFIG_PATH", str(home))
        patch.setenv("ZENML_ANALYTICS_OPT_IN", "false")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield home


@pytest.fixture
def beam_in_this_process() -> Iterator[None]:
    """Preparations on Beam's own runner without its processes."""
    from tests.beam import in_this_process

    with in_this_process():
        yield


@pytest.fixture(scope="session")
def empty_mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes seconds to lay out a database; tests copy this one."""
    import mlflow

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def mlflow_uri(empty_mlflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tracking database of its own; the test stands where MLflow puts the artifacts of such a database."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_mlflow_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"
