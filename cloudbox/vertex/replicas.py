"""How many replicas of each deployed model are available: one container answers for all of them.

A deployment has its least at once. More, by MutateDeployedModel, come one after the other, `START_S` apart.
Load does not make them more: what autoscaling has up is said by the rule `autoscaled`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import grpc

from cloudbox import faults
from cloudbox.errors import ApiError
from cloudbox.home import Home

START_S = 0.5
POLL_S = 0.05
DEFAULT_MACHINE = "n1-standard-2"


class Replicas:
    """Those of the service by the id of the deployed model; one that starts again has the least of each."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._up: dict[str, int] = {}
        self._lock = threading.Lock()

    def available(self, deployed: Any) -> int:
        """How many of a deployed model that answers are up: what was started, or more by autoscaling up to its most."""
        least, most = _bounds(deployed)
        with self._lock:
            up = self._up.get(deployed.id, least)
        rule = next(filter(None, (faults.take(self._home, "autoscaled", name) for name in _names(deployed))), None)
        return min(max(up, rule.replicas or 0), most) if rule else up

    def keep(self, deployed: Any) -> None:
        """Fixes what is up, whatever its least is from now on."""
        with self._lock:
            self._up.setdefault(deployed.id, _bounds(deployed)[0])

    def reach(self, deployed: Any, cancelled: Callable[[], bool]) -> None:
        """Returns once the least of the deployed model is up; what was started beyond it ends.

        Raises:
            ApiError: RESOURCE_EXHAUSTED where a rule `stockout` has no machine for the next one; CANCELLED.
        """
        least, machine = _bounds(deployed)[0], machine_of(deployed)
        while (up := self.available(deployed)) < least:
            if faults.take(self._home, "stockout", machine):
                raise ApiError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"Resources are insufficient: {up} of {least} replicas on {machine} are available.",
                )
            self._start(machine, cancelled)
            self.have(deployed, up + 1)
        self.have(deployed, least)

    def have(self, deployed: Any, number: int) -> None:
        """So many are up."""
        with self._lock:
            self._up[deployed.id] = number

    def forget(self, deployed_id: str) -> None:
        """Nothing of it is up any more."""
        with self._lock:
            self._up.pop(deployed_id, None)

    def _start(self, machine: str, cancelled: Callable[[], bool]) -> None:
        rule = faults.take(self._home, "queue", machine)
        ready = time.monotonic() + (rule.seconds if rule else START_S)
        while time.monotonic() < ready:
            if cancelled():
                raise ApiError(grpc.StatusCode.CANCELLED, "The change of replicas was cancelled.")
            time.sleep(POLL_S)


def machine_of(deployed: Any) -> str:
    """The machine type that it runs on."""
    return str(deployed.dedicated_resources.machine_spec.machine_type) or DEFAULT_MACHINE


def _names(deployed: Any) -> tuple[str, str]:
    return deployed.id, deployed.display_name


def _bounds(deployed: Any) -> tuple[int, int]:
    """Its least and its most; without a most, the least is meant, and one replica where Vertex AI decides."""
    kind = type(deployed).pb(deployed).WhichOneof("prediction_resources")
    resources = getattr(deployed, kind)
    least = resources.min_replica_count or 1
    return least, max(resources.max_replica_count, least)
