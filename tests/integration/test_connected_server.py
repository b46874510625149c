"""What commands say of the ZenML server that this machine is connected to."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands.project import Project
from evergreen.core.errors import EvergreenError, InputError
from evergreen.runtime.processes import free_port
from orchestration.configuration import Configuration
from stacks.server import refuse_dead_server, remote_store

REMOTE = "https://zenml.example.org"


@pytest.fixture
def connect(zenml_home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says that ZenML's store is at an address; nothing is connected."""
    from zenml.config.global_config import GlobalConfiguration
    from zenml.enums import StoreType

    def to(url: str) -> None:
        kind = StoreType.REST if url.startswith("http") else StoreType.SQL
        store = SimpleNamespace(type=kind, url=url)
        monkeypatch.setattr(GlobalConfiguration, "get_store_configuration", lambda _: store)

    return to


def test_a_database_that_takes_connections_is_alive_and_its_password_is_not_told(connect: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}/zenml"
        connect(f"mysql://user:s3cret@{address}")
        refuse_dead_server()
        assert remote_store() == f"mysql://{address}"


def test_a_database_that_does_not_answer_is_dead(connect: Any) -> None:
    connect(f"mysql://user:s3cret@127.0.0.1:{free_port()}/zenml")
    with pytest.raises(EvergreenError, match="which does not answer") as caught:
        refuse_dead_server()
    assert "s3cret" not in str(caught.value)


def project(*stacks: str) -> Project:
    configuration = Configuration(Path("news.yaml"), stacks, None, {})
    unused: Any = None
    return Project(configuration, "news", unused, unused, unused, None)


def activate(monkeypatch: pytest.MonkeyPatch, name: str, artifact_store: str) -> None:
    """Makes a stack the active one, and others registered, as ZenML's client tells it."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    components = {StackComponentType.ARTIFACT_STORE: [SimpleNamespace(flavor_name=artifact_store)]}
    active = SimpleNamespace(name=name, components=components)
    monkeypatch.setattr(Client, "active_stack_model", active)
    registered = SimpleNamespace(items=[active, SimpleNamespace(name="local")])
    monkeypatch.setattr(Client, "list_stacks", lambda _, **_options: registered)


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize("active", ["local", "mine"])
def test_a_stack_without_a_file_may_be_named(monkeypatch: pytest.MonkeyPatch, active: str) -> None:
    activate(monkeypatch, active, "local")
    project("local", "mine").check_stack()


def test_a_remote_server_is_refused_for_an_active_local_stack_only(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(REMOTE)
    activate(monkeypatch, "vertex", "gcp")
    project("local", "vertex").check_stack()
    activate(monkeypatch, "local", "local")
    with pytest.raises(InputError, match=f"connected to {REMOTE}, and stack 'local' lives on this machine only"):
        project("local", "vertex").check_stack()


def test_the_doctor_refuses_what_run_refuses(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from commands import doctor

    connect(REMOTE)
    activate(monkeypatch, "local", "local")
    (finding,) = doctor._guarded("stack", lambda: doctor._check_stack(project("local")))
    assert not finding.fine
    assert finding.fix.endswith('export ZENML_CONFIG_PATH="$PWD/.zenml"')


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize("name", ["rollback", "teardown", "run"])
def test_a_command_that_changes_something_stops_on_another_stack(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    import importlib

    from commands import project as module

    activate(monkeypatch, "default", "local")
    command = importlib.import_module(f"commands.{name}")
    for place, opens in itertools.product({module, command}, ("open_project", "open_served")):
        monkeypatch.setattr(place, opens, lambda *_, **__: project("local"), raising=False)
    with pytest.raises(InputError, match=r"zenml stack set local"):
        command.main(SimpleNamespace(config="local.yaml", name=None, window=None, scheduled=False))
