"""Runs of one step that tells alerts, as steps of the project do."""

from __future__ import annotations

from typing import Annotated

from zenml import pipeline, step

from evergreen.core.alerts import Alert, Alerts
from orchestration.alerting import alert


@step(enable_cache=False)
def telling(model_name: str, alerts: Alerts, keys: list[str]) -> Annotated[list[bool], "sent"]:
    return [bool(alert(model_name, alerts, news(model_name, key)).taken) for key in keys]


@pipeline(enable_cache=False)
def told(model_name: str, alerts: Alerts, keys: list[str]) -> None:
    telling(model_name, alerts, keys)


def news(model: str, key: str = "3fa41c") -> Alert:
    return Alert(model=model, kind="rollback", key=key, title="rolled back", text="It answered with faults.")
