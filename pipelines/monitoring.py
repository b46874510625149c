"""From requests to a verdict: whether the world has moved away from what the champion was trained on."""

from __future__ import annotations

from zenml import pipeline

from evergreen.adapters.kinds import AnyHost, AnySource
from evergreen.core.alerts import Alerts
from evergreen.core.base import ModelName
from evergreen.core.idle import Idle
from evergreen.core.monitor import DriftRules
from evergreen.core.quality import Quality
from evergreen.core.refresh import Backfill
from evergreen.core.window import Window
from orchestration.uploaded_code import check_library
from steps.guard import guard
from steps.monitor import monitor


@pipeline(enable_cache=False, on_init=check_library)
def monitoring(
    model_name: ModelName,
    host: AnyHost,
    window: Window = Window(length="1d", grain="1m"),
    drift: DriftRules = DriftRules(),
    labels: AnySource | None = None,
    quality: Quality = Quality(),
    backfill: Backfill | None = None,
    alerts: Alerts = Alerts(),
    idle: Idle | None = None,
) -> None:
    """Compares the requests of a window with what the champion was evaluated on; with `labels`, columns `trace_id` and
    `label`, also measures how good its answers were. `alerts` tell of a window that moved or is below a floor. With
    `idle` an endpoint that nobody asks is told, and parked where that is asked for.
    """
    monitor(model_name, host, window, drift, labels, quality, backfill, alerts)
    if idle is not None:
        guard(model_name, host, idle, alerts, after=["monitor"])
