"""Keeps ZenML from importing what is merely installed: torch, scikit-learn and Google's clients, for no step's sake.

Before a run ZenML activates every integration whose packages it finds, to know their materializers; our steps name
those of all that they return, and the components of a stack import what they are made of. After each tracked step it
imports MLflow's adapters of all frameworks, to disable an autologging that nobody enabled.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.integrations.registry import IntegrationRegistry

from orchestration.replaced import replaced

ADAPTERS = frozenset(
    f"mlflow.{framework}"
    for framework in ("tensorflow", "xgboost", "lightgbm", "statsmodels", "spark", "sklearn", "fastai", "pytorch")
)
"""What enables autologging: the modules for which ZenML's tracker disables it."""
_UNDER_WAY = threading.Lock()


@contextmanager
def activated_by_need() -> Iterator[None]:
    """Within the block a run of the active stack opens the integrations of its components, and no others.

    A process has one such block at a time: of two that overlap, the one that ends last would put back what the other
    had put in the place of ZenML's methods.

    Raises:
        RuntimeError: another block has not ended.
    """
    if not _UNDER_WAY.acquire(blocking=False):
        raise RuntimeError("another run of this process is under way; start this one when it has ended")
    try:
        with replaced(IntegrationRegistry, "activate_integrations", lambda _registry: None), _disabled_by_need():
            yield
    finally:
        _UNDER_WAY.release()


@contextmanager
def _disabled_by_need() -> Iterator[None]:
    """Within the block the MLflow tracker of the active stack, if any, disables autologging where it may be enabled."""
    trackers = Client().active_stack_model.components.get(StackComponentType.EXPERIMENT_TRACKER, [])
    if not any(tracker.flavor_name == "mlflow" for tracker in trackers):
        yield
        return
    from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker

    disable = MLFlowExperimentTracker.disable_autologging

    def disable_enabled(tracker: MLFlowExperimentTracker) -> None:
        if ADAPTERS & sys.modules.keys():
            disable(tracker)

    with replaced(MLFlowExperimentTracker, "disable_autologging", disable_enabled):
        yield
