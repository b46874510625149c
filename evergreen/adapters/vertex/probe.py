"""Asks a version that has no traffic.

Vertex AI cannot address one deployed model of a public endpoint: requests follow the split. So the version is deployed
a second time, on a probe endpoint of its own with one replica of the same image, files and machine, asked there, and
removed. docs/decisions/0006-probe-endpoint.md says what else was weighed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.deployed import leading
from evergreen.adapters.vertex.names import PROBE
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.core.errors import EvergreenError
from evergreen.core.ramp import ALL_TRAFFIC

ONE_REPLICA = (1, 1)


class Probe:
    """The probe endpoint of one model. It lives as long as one question; one that a killed run left is used again."""

    def __init__(self, clients: Clients, model: str) -> None:
        self._endpoint = EndpointResource(clients, model, PROBE)

    def predict(self, version: str, resource: str, instances: Sequence[Any]) -> list[dict[str, Any]]:
        """What the version answers; it takes as long as its start.

        Raises:
            InputError: it refuses the instances.
            EndpointError: it did not become ready, or does not answer.
        """
        try:
            self._endpoint.ensure(logged=False)
            held = leading(self._endpoint.settled(), version)
            wanted = resource.rpartition("/")[2]
            if held is None or held.number != wanted or held.percent != ALL_TRAFFIC or not held.ready:
                self._endpoint.start(version, resource, ONE_REPLICA, all_traffic=True)
            return self._endpoint.ask(instances)
        finally:
            with suppress(EvergreenError):  # the answer counts; the next rollout removes what is left
                self.remove()

    def remove(self) -> None:
        """Undeploys what is here and deletes the endpoint; does nothing when there is none."""
        self._endpoint.remove()
