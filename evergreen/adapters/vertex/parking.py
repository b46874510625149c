"""An endpoint on Vertex AI that is parked: its id and address stay, nothing is deployed on it or billed.

Which version had the traffic is a label of the endpoint: `evergreen_parked: a1b2c3d4e5f6`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.names import label
from evergreen.adapters.vertex.resource import Deployed, EndpointResource, deployed_on
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
        """Undeploys everything; the label comes first, so that one that was cut off is finished by the next call.

        Raises:
            EndpointError: no version has all the traffic, or Vertex AI refuses.
        """
        running = self._live.running_when_idle()
        endpoint = self._live.require()
        if parked_version(endpoint, running):
            return
        if not running or running[0].percent != ALL_TRAFFIC:
            raise EndpointError(f"no version of {self._model} has all the traffic, so that none can be parked")
        self._note(endpoint, running[0].version)
        for deployed in reversed(running):  # those without traffic first: Vertex AI refuses another order
            self._live.stop(deployed)

    def forget(self) -> None:
        """Takes the label off."""
        self._note(self._live.require(), None)

    def _note(self, endpoint: Endpoint, version: str | None) -> None:
        kept = {key: value for key, value in endpoint.labels.items() if key != PARKED}
        labels = kept if version is None else {**kept, PARKED: label(version)}
        request = {
            "endpoint": {"name": endpoint.name, "etag": endpoint.etag, "labels": labels},
            "update_mask": {"paths": ["labels"]},
        }
        what = f"noting whether the endpoint of {self._model} is parked"
        self._clients.call(what, self._clients.endpoints.update_endpoint, request)


def parked_version(endpoint: Endpoint | None, running: Sequence[Deployed] | None = None) -> str | None:
    """The version that had the traffic of an endpoint that is parked; None of one that is not."""
    if endpoint is None or (deployed_on(endpoint) if running is None else running):
        return None
    return dict(endpoint.labels).get(PARKED)
