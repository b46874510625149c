"""One box with Cloud Storage and Vertex AI for all tests: gRPC reads its authority once in a process's life."""

import os
from collections.abc import Iterator
from pathlib import Path

import gcsfs
import pytest

from cloudbox.box import Box
from cloudbox.environment import network
from evergreen.adapters.vertex import clients
from tests.hosted_trial import BUCKET, HostedTrial
from tests.integration.cloudbox.metered_bucket import Meter
from tests.running_box import running_box


@pytest.fixture(scope="session")
def google_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """The running box; the environment does not lead into it yet."""
    with running_box(tmp_path_factory.mktemp("google") / "home", "gcs", "gateway", "vertex", "bigquery") as running:
        yield running.box


@pytest.fixture
def box(google_box: Box, monkeypatch: pytest.MonkeyPatch) -> Box:
    """The box, with this process's environment leading into it while the test runs."""
    lead_into(google_box, monkeypatch)
    return google_box


def lead_into(google_box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leads this process's environment into the box, where there is a bucket, and asks it more often than Google."""
    for name, value in network(google_box).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(clients, "FIRST_POLL_S", 0.05)  # the box does in moments what takes Google minutes
    monkeypatch.setattr(clients, "LONGEST_POLL_S", 0.4)
    files = gcsfs.GCSFileSystem(project=google_box.project, skip_instance_cache=True)
    if not files.exists(BUCKET):
        files.mkdir(BUCKET)


@pytest.fixture(scope="module")
def led(google_box: Box) -> Iterator[Box]:
    """The same while all tests of a module run."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        lead_into(google_box, monkeypatch)
        yield google_box


@pytest.fixture
def trial(box: Box, tmp_path: Path) -> Iterator[HostedTrial]:
    """An endpoint that was never deployed."""
    trial = HostedTrial(box, tmp_path)
    yield trial
    trial.endpoint.delete()


@pytest.fixture
def meter(box: Box, zenml_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Meter]:
    """Before the bucket that the active ZenML stack keeps its artifacts in."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    meter = Meter(os.environ["STORAGE_EMULATOR_HOST"])
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", meter.address)
    gcsfs.GCSFileSystem.clear_instance_cache()
    client, kind = Client(), StackComponentType.ARTIFACT_STORE
    before, path = client.active_stack_model, f"gs://{BUCKET}/{tmp_path.name}"
    client.create_stack_component(tmp_path.name, flavor="gcp", component_type=kind, configuration={"path": path})
    client.create_stack(tmp_path.name, {kind: tmp_path.name, StackComponentType.ORCHESTRATOR: "default"})
    client.activate_stack(tmp_path.name)
    yield meter
    client.activate_stack(before.id)
    gcsfs.GCSFileSystem.clear_instance_cache()
    meter.close()
