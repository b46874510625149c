"""Keeps ZenML from importing what is merely installed: torch, scikit-learn and Google's clients, for no step's sake.

Before a run ZenML activates every integration whose packages it finds, to know their materializers; our steps name
those of all that they return, and the components of a stack import what they are made of. After each tracked step it
imports MLflow's adapters of all frameworks, to disable an autologging that nobody enabled.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.integrations.registry import IntegrationRegistry

ADAPTERS = {"mlflow.pytorch", "mlflow.sklearn"}
"""What enables autologging, of the frameworks that are installed with the project."""


@contextmanager
def activated_by_need() -> Iterator[None]:
    """Within the block a run of the active stack opens the integrations of its components, and no others."""
    trackers = Client().active_stack_model.components.get(StackComponentType.EXPERIMENT_TRACKER, [])
    with _replaced(IntegrationRegistry, "activate_integrations", lambda _registry: None):
        if not any(one.flavor_name == "mlflow" for one in trackers):
            yield
            return
        from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker

        disable = MLFlowExperimentTracker.disable_autologging

        def disable_enabled(tracker: MLFlowExperimentTracker) -> None:
            if ADAPTERS & sys.modules.keys():
                disable(tracker)

        with _replaced(MLFlowExperimentTracker, "disable_autologging", disable_enabled):
            yield


@contextmanager
def _replaced(owner: type[Any], name: str, instead: Callable[[Any], None]) -> Iterator[None]:
    """The method of a class replaced within the block."""
    before = getattr(owner, name)
    setattr(owner, name, instead)
    try:
        yield
    finally:
        setattr(owner, name, before)
