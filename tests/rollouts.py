"""Rollouts of named versions to an endpoint in memory."""

from collections.abc import Callable
from pathlib import Path

from evergreen.core.deployment import Deployment
from evergreen.core.ramp import Ramp
from evergreen.core.rollout import Release, roll_out
from tests.memory_endpoint import MemoryEndpoint

INSTANCES = [{"text": "Shares rose."}, {"text": "A late goal."}]
VERBS = ("upload", "deploy", "predict", "set_traffic")


def release(version: str, fetch: Callable[[], Path] = lambda: Path("model"), shares: tuple[int, ...] = ()) -> Release:
    ramp = Ramp(shares=shares, hold_s=0)
    return Release(model="news", version=version, fetch=fetch, smoke=INSTANCES, ramp=ramp)


def put_live(
    endpoint: MemoryEndpoint, version: str, previous: str | None = None, shares: tuple[int, ...] = ()
) -> Deployment:
    return roll_out(endpoint, release(version, shares=shares), previous, lambda: endpoint.calls.append("on_live"))


def no_fetch() -> Path:
    raise AssertionError("the endpoint has the version")
