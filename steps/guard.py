"""Whether anybody asks the endpoint; one that nobody asks is told, and parked where that is configured."""

from __future__ import annotations

from zenml import log_metadata, step
from zenml.logger import get_logger

from evergreen.adapters.kinds import AnyHost
from evergreen.core.idle import Idle
from orchestration.idle import IDLE_KEY, guard_idle

logger = get_logger(__name__)


@step(enable_cache=False)
def guard(model_name: str, host: AnyHost, idle: Idle) -> None:
    """Notes with the run what there is to tell."""
    if told := guard_idle(model_name, host, idle):
        logger.warning("%s", told)
        log_metadata({IDLE_KEY: told})
