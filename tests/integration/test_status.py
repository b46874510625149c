"""What `status` shows of where a model's runs are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evergreen.adapters.local_endpoint.settings import LocalHostSettings


@pytest.fixture
def tracked(zenml_home: Path) -> Iterator[None]:
    """The active stack tracks in MLflow on a database whose address holds a password."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    client = Client()
    before = client.active_stack_model
    address = {"tracking_uri": "mysql+pymysql://user:s3cret@host/mlflow"}
    client.create_stack_component("tracked", "mlflow", StackComponentType.EXPERIMENT_TRACKER, address)
    components = {kind: components_of_kind[0].id for kind, components_of_kind in before.components.items()}
    client.create_stack("tracked", {**components, StackComponentType.EXPERIMENT_TRACKER: "tracked"})
    client.activate_stack("tracked")
    yield
    client.activate_stack(before.id)
    client.delete_stack("tracked")
    client.delete_stack_component("tracked", StackComponentType.EXPERIMENT_TRACKER)


@pytest.mark.usefixtures("tracked")
@pytest.mark.parametrize("json", [True, False])
def test_the_password_of_the_tracking_database_is_not_shown(json: bool) -> None:
    from commands.status import _text
    from orchestration.status import status_of

    shown = status_of("never-trained", LocalHostSettings(port=0))
    assert shown.mlflow == "mysql+pymysql://host/mlflow"
    text = shown.model_dump_json() if json else _text(shown, "--config own.yaml")
    assert "s3cret" not in text
    assert "host/mlflow" in text
