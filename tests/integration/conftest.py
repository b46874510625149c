"""A ZenML and an MLflow of the tests' own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.dated_rows import three_days
from tests.own_zenml import python


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


@pytest.fixture(scope="session")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ZenML with nothing in it: tests copy it (`copy_home`), as it takes ZenML seconds to lay one out."""
    home = tmp_path_factory.mktemp("laid-out") / "zenml"
    done = python(home, "-c", "from zenml.client import Client; Client().active_stack_model")
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def another_stack(zenml_home: Path, tmp_path: Path) -> Iterator[str]:
    """A stack beside the active one, with an artifact store of its own; the active one is so again after the test."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    client, name = Client(), f"other-{tmp_path.name}"[:50]
    before = client.active_stack_model
    store = client.create_stack_component(
        name, "local", StackComponentType.ARTIFACT_STORE, {"path": str(tmp_path / "artifacts")}
    )
    components = {kind: of_kind[0].id for kind, of_kind in before.components.items()}
    client.create_stack(name, {**components, StackComponentType.ARTIFACT_STORE: store.id})
    yield name
    client.activate_stack(before.id)
    client.delete_stack(name)
    client.delete_stack_component(store.id, StackComponentType.ARTIFACT_STORE)


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


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Four rows a day, of three days."""
    return three_days(tmp_path)


@pytest.fixture
def model() -> str:
    """A name that no other test's model has."""
    return f"m-{uuid4().hex[:8]}"
