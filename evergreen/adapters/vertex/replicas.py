"""Replicas of a deployed model: raised before it gets a share of the traffic, left to autoscaling again afterwards.

Google tells how many are up (`DeployedModel.status.available_replica_count`). `MutateDeployedModel` changes the least
that autoscaling keeps, `dedicated_resources.min_replica_count`, while the deployed model serves on; its operation is
done once so many are available, for `required_replica_count`, which is left out, is the least then.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from evergreen.adapters.google.calls import retry_policy
from evergreen.adapters.vertex.clients import Clients, cancel, finish, translated, wait_until_idle
from evergreen.adapters.vertex.resource import CHANGE_TIMEOUT_S, Deployed, EndpointResource
from evergreen.core.errors import EndpointError

logger = logging.getLogger(__name__)

LEAST = "dedicated_resources.min_replica_count"
CANCELLED_WITHIN_S = 10


@dataclass
class Asked:
    """What one deployed model is to have, until when on the monotonic clock, and the operation that sees to it."""

    deployed_id: str
    wanted: int
    deadline: float
    operation: Any = None


class Scaling:
    """The replicas of what runs on the live endpoint of a model."""

    def __init__(self, clients: Clients, model: str, live: EndpointResource) -> None:
        self._clients = clients
        self._model = model
        self._live = live
        self._asked: Asked | None = None

    def reach(self, deployed: Deployed, replicas: int) -> bool:
        """Whether so many are available, or as many as it may have; else asks Google for them, once.

        What a killed run has asked for is waited for. Given up after `startup_timeout_s`, as a deployment is.

        Raises:
            EndpointError: Google refuses, fails, or takes too long.
        """
        wanted = min(replicas, deployed.most)
        asked = self._asked_for(deployed, wanted)
        lacks = _available(deployed) < wanted
        if lacks and asked.operation is None and deployed.least < wanted and self._is_idle():
            logger.info("%s: it has %d", self._words(deployed, wanted), _available(deployed))
            asked.operation = self._mutate(deployed, wanted)
        done = asked.operation is None or self._is_done(deployed, asked)
        if lacks or not done:  # counts are told a little later than the end of an operation
            return self._goes_on(deployed, asked)
        self._asked = None
        return True

    def drop(self) -> None:
        """Asks Google to end what it was asked for and has not done, and waits for that a little: an end changes the
        endpoint, and who has just read it could not change it any more.
        """
        asked, self._asked = self._asked, None
        if asked is not None and asked.operation is not None and not asked.operation.operation.done:
            cancel(asked.operation)
            wait_until_idle(self._clients, self._live.require().name, CANCELLED_WITHIN_S)

    def relax(self, deployed: Deployed) -> None:
        """Lets autoscaling keep as few as configured, where it was told to keep more.

        Raises:
            EndpointError: Google refuses or fails.
        """
        least = self._clients.host.min_replicas
        if deployed.least > least:
            what = self._words(deployed, least)
            finish(what, self._mutate(deployed, least), CHANGE_TIMEOUT_S)
            logger.info("%s: autoscaling decides again", what)

    def _asked_for(self, deployed: Deployed, wanted: int) -> Asked:
        asked = self._asked
        if asked is None or (asked.deployed_id, asked.wanted) != (deployed.id, wanted):
            asked = Asked(deployed.id, wanted, time.monotonic() + self._clients.host.startup_timeout_s)
            self._asked = asked
        return asked

    def _is_done(self, deployed: Deployed, asked: Asked) -> bool:
        """Whether the operation ended well. Raises EndpointError where it failed."""
        with translated(self._words(deployed, asked.wanted)):
            if not asked.operation.done(retry=retry_policy(self._clients.host.retry_timeout_s)):
                return False
            asked.operation.result()
            return True

    def _is_idle(self) -> bool:
        return wait_until_idle(self._clients, self._live.require().name, 0)

    def _goes_on(self, deployed: Deployed, asked: Asked) -> bool:
        """False while there is time. Raises EndpointError once there is none."""
        if time.monotonic() < asked.deadline:
            return False
        self.drop()
        limit_s = self._clients.host.startup_timeout_s
        raise EndpointError(
            f"{self._words(deployed, asked.wanted)}: it has {_available(deployed)} after {limit_s:g} s, so it gets no "
            "more traffic; run again later, or set parameters.host.startup_timeout_s higher or max_replicas lower"
        )

    def _mutate(self, deployed: Deployed, least: int) -> Any:
        """The operation that changes the least; what else is deployed so stays."""
        endpoint, what = self._live.require(), self._words(deployed, least)
        found = next((model for model in endpoint.deployed_models if model.id == deployed.id), None)
        if found is None:
            raise EndpointError(f"{what}: it is not deployed any more; run again")
        resources = found.dedicated_resources
        resources.min_replica_count = least
        request = {
            "endpoint": endpoint.name,
            "deployed_model": {"id": deployed.id, "dedicated_resources": resources},
            "update_mask": {"paths": [LEAST]},
        }
        return self._clients.call(what, self._clients.endpoints.mutate_deployed_model, request)  # twice is as once

    def _words(self, deployed: Deployed, replicas: int) -> str:
        return f"scaling version {deployed.version} of {self._model} to {replicas} replica{'s' if replicas > 1 else ''}"


def _available(deployed: Deployed) -> int:
    """Replicas that are up, as far as Google tells: its operations end when the least is."""
    return deployed.least if deployed.replicas is None else deployed.replicas
