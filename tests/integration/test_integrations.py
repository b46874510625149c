"""When ZenML's MLflow tracker disables autologging, and that ZenML is left as it was."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace

import pytest

from orchestration.integrations import ADAPTERS, activated_by_need

pytestmark = pytest.mark.usefixtures("zenml_home")


@pytest.fixture(scope="module")
def tracked_stack(zenml_home: object) -> Iterator[None]:
    """The active stack tracks in MLflow."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    client, name = Client(), "tracked"
    before = client.active_stack_model
    tracker = client.create_stack_component(name, "mlflow", StackComponentType.EXPERIMENT_TRACKER, {})
    components = {kind: of_kind[0].id for kind, of_kind in before.components.items()}
    client.create_stack(name, {**components, StackComponentType.EXPERIMENT_TRACKER: tracker.id})
    client.activate_stack(name)
    try:
        yield
    finally:
        client.activate_stack(before.id)
        client.delete_stack(name)
        client.delete_stack_component(name, StackComponentType.EXPERIMENT_TRACKER)


@pytest.fixture
def disabled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The adapters whose autologging ZenML disables, in order; none is imported."""
    from zenml.integrations.mlflow.experiment_trackers import mlflow_experiment_tracker

    names: list[str] = []

    def adapter(name: str) -> SimpleNamespace:
        return SimpleNamespace(autolog=lambda *, disable: names.append(name) if disable else None)

    monkeypatch.setattr(mlflow_experiment_tracker, "importlib", SimpleNamespace(import_module=adapter))
    for name in ADAPTERS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return names


def methods() -> list[Callable[..., None]]:
    from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker
    from zenml.integrations.registry import IntegrationRegistry

    return [IntegrationRegistry.activate_integrations, MLFlowExperimentTracker.disable_autologging]


def after_a_step() -> None:
    from zenml.client import Client
    from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker

    tracker = Client().active_stack.experiment_tracker
    assert isinstance(tracker, MLFlowExperimentTracker)
    tracker.disable_autologging()


@pytest.mark.usefixtures("tracked_stack")
@pytest.mark.parametrize("imported", sorted(ADAPTERS))
def test_autologging_is_disabled_of_all_once_an_adapter_is_imported(
    imported: str, disabled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, imported, ModuleType(imported))
    with activated_by_need():
        after_a_step()
    assert sorted(disabled) == sorted(ADAPTERS)


@pytest.mark.usefixtures("tracked_stack")
def test_no_adapter_is_imported_to_disable_what_none_enabled(disabled: list[str]) -> None:
    with activated_by_need():
        after_a_step()
    assert disabled == []
    after_a_step()
    assert sorted(disabled) == sorted(ADAPTERS)  # which ADAPTERS would otherwise lack


@pytest.mark.usefixtures("tracked_stack")
def test_zenml_is_as_before_when_a_run_fails() -> None:
    before = methods()
    within: list[Callable[..., None]] = []

    def fail() -> None:
        within.extend(methods())
        raise ValueError("in the run")

    with pytest.raises(ValueError, match="in the run"), activated_by_need():
        fail()
    assert not {*within} & {*before}
    assert methods() == before


@pytest.mark.usefixtures("tracked_stack")
def test_runs_of_one_process_do_not_overlap() -> None:
    before = methods()
    first, second = activated_by_need(), activated_by_need()
    with first:
        within = methods()
        with pytest.raises(RuntimeError, match="another run of this process is under way"), second:
            pass
        assert methods() == within
    assert methods() == before
    with activated_by_need():
        pass
    assert methods() == before
