"""An endpoint that whoever changes it must be allowed to change at that very moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evergreen.core.answers import Predictions
from evergreen.core.deployment import EndpointStatus
from evergreen.core.protocols import Endpoint
from evergreen.core.shadow import Shadow


@dataclass(frozen=True)
class FencedEndpoint:
    """The `endpoint`, each change of what runs on it after `fence`, which raises when the lease was lost."""

    endpoint: Endpoint
    fence: Callable[[], None]

    def upload(self, version: str, model_dir: Path) -> None:
        """Makes the version deployable."""
        self.fence()
        self.endpoint.upload(version, model_dir)

    def offer(self, version: str, examples: Sequence[Mapping[str, Any]]) -> None:
        """Has the host's page offer these instances, which changes nothing that runs."""
        self.endpoint.offer(version, examples)

    def deploy(self, version: str) -> None:
        """Starts the version."""
        self.fence()
        self.endpoint.deploy(version)

    def renew(self, version: str) -> None:
        """Starts a successor."""
        self.fence()
        self.endpoint.renew(version)

    def switch(self, version: str) -> None:
        """Gives the traffic to the successor."""
        self.fence()
        self.endpoint.switch(version)

    def clear(self) -> None:
        """Stops successors without traffic."""
        self.fence()
        self.endpoint.clear()

    def set_traffic(self, traffic: Mapping[str, int]) -> None:
        """Splits requests among deployed versions."""
        self.fence()
        self.endpoint.set_traffic(traffic)

    def scale(self, version: str, replicas: int | None) -> bool:
        """Has the version keep so many replicas."""
        self.fence()
        return self.endpoint.scale(version, replicas)

    def shadow(self, version: str, plan: Shadow | None) -> None:
        """Has the version get copies of requests, or no more of them."""
        self.fence()
        self.endpoint.shadow(version, plan)

    def undeploy(self, version: str) -> None:
        """Stops the version."""
        self.fence()
        self.endpoint.undeploy(version)

    def park(self) -> None:
        """Stops what runs, and keeps the endpoint."""
        self.fence()
        self.endpoint.park()

    def unpark(self) -> None:
        """Starts again what was parked."""
        self.fence()
        self.endpoint.unpark()

    def predict(self, instances: Sequence[Any], version: str | None = None, *, logged: bool = True) -> Predictions:
        """Predictions; changes nothing."""
        return self.endpoint.predict(instances, version, logged=logged)

    def status(self) -> EndpointStatus:
        """What runs now."""
        return self.endpoint.status()

    def delete(self) -> str | None:
        """Stops everything and forgets it."""
        self.fence()
        return self.endpoint.delete()
