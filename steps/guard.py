"""Whether anybody asks the endpoint; one that nobody asks is told, and parked where that is configured."""

from __future__ import annotations

from zenml import log_metadata, step
from zenml.logger import get_logger

from evergreen.adapters.kinds import AnyHost
from evergreen.core.alerts import Alert, Alerts
from evergreen.core.idle import Idle
from evergreen.runtime.asides import beside_the_point
from orchestration.alerting import run_link, tell
from orchestration.idle import IDLE_KEY, guard_idle

logger = get_logger(__name__)


@step(enable_cache=False)
def guard(model_name: str, host: AnyHost, idle: Idle, alerts: Alerts) -> None:
    """Notes with the run what there is to tell, and alerts whoever is to know that nobody asks."""
    told = guard_idle(model_name, host, idle)
    if told is None:
        return
    logger.warning("%s", told.words)
    with beside_the_point("the note beside the run that nobody asks"):
        log_metadata({IDLE_KEY: told.words})
    if not told.is_news:
        return
    said = {"key": model_name, "title": "nobody asks the endpoint", "text": told.words}
    tell(model_name, alerts, [Alert(model=model_name, kind="idle", link=run_link(), **said)])
