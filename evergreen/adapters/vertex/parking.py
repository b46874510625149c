"""An endpoint on Vertex AI that is parked: its id and address stay, nothing is deployed on it or billed.

Which version had the traffic is a label of the endpoint: `evergreen_parked: a1b2c3d4e5f6`. It is set before the first
version is undeployed and goes once one is back, so that whatever is cut off between is finished or undone by the next
call: an endpoint is parked where it has the label and nothing runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from evergreen.adapters.vertex.clients import Clients, wait_until_idle
from evergreen.adapters.vertex.names import label
from evergreen.adapters.vertex.resource import EndpointResource, deployed_on
from evergreen.core.errors import EndpointError
from evergreen.core.ramp import ALL_TRAFFIC

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import Endpoint

PARKED = "evergreen_parked"


class Parking:
    """Empties the live endpoint of a model, and knows what was there."""

    def __init__(self, clients: Clients, model: str, live: EndpointResource) -> None:
        self._clients = clients
        self._model = model
        self._live = live

    def park(self) -> None:
        """Undeploys everything; what a call that was cut off left running, too.

        Raises:
            EndpointError: no version has all the traffic, or Vertex AI refuses.
        """
        running = self._live.running_when_idle()
        endpoint = self._live.require()
        if parked_version(endpoint):
            return
        if not running or running[0].percent != ALL_TRAFFIC:
            raise EndpointError(f"no version of {self._model} has all the traffic, so that none can be parked")
        self._note(endpoint, label(running[0].version))
        for deployed in reversed(running):  # those without traffic first: Vertex AI refuses another order
            self._live.stop(deployed)

    def unpark(self, start: Callable[[str], object]) -> None:
        """Gives what had the traffic to `start`, unless that runs: one that was cut off before it was parked, or after
        it was back.
        """
        self._live.running_when_idle()
        if (version := parked_version(self._live.find())) is not None:
            start(version)
        self.forget()

    def forget(self) -> None:
        """Takes the label off an endpoint on which something runs: it is not parked."""
        endpoint = self._live.find()
        if endpoint is not None and deployed_on(endpoint):
            self._note(endpoint, None)

    def version(self, endpoint: Endpoint | None) -> str | None:
        """The version that had the traffic of an endpoint that is parked, or that an operation under way parks or
        brings back; None of another one.
        """
        noted = _noted(endpoint)
        if endpoint is None or noted is None or not deployed_on(endpoint):
            return noted
        return None if wait_until_idle(self._clients, endpoint.name, 0) else noted

    def _note(self, endpoint: Endpoint, noted: str | None) -> None:
        if _noted(endpoint) == noted:
            return
        kept = {key: value for key, value in endpoint.labels.items() if key != PARKED}
        request = {
            "endpoint": {
                "name": endpoint.name,
                "etag": endpoint.etag,
                "labels": kept if noted is None else {**kept, PARKED: noted},
            },
            "update_mask": {"paths": ["labels"]},
        }
        what = f"noting whether the endpoint of {self._model} is parked"
        method = self._clients.endpoints.update_endpoint
        self._clients.call_once(what, method, request, lambda: _noted(self._live.require()) == noted)


def parked_version(endpoint: Endpoint | None) -> str | None:
    """The version that had the traffic of an endpoint that is parked; None of one that is not."""
    return None if endpoint is None or deployed_on(endpoint) else _noted(endpoint)


def _noted(endpoint: Endpoint | None) -> str | None:
    return None if endpoint is None else dict(endpoint.labels).get(PARKED)
