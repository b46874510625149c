"""One model's endpoint on Vertex AI. All state is asked of Vertex AI: whatever a killed run left is found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.names import LIVE, PROBE
from evergreen.adapters.vertex.parking import Parking, parked_version
from evergreen.adapters.vertex.registry import ModelRegistry, resource_of
from evergreen.adapters.vertex.replicas import Scaling
from evergreen.adapters.vertex.resource import (
    Deployed,
    EndpointResource,
    deployed_on,
    number_of,
    primary_of,
    ready_in,
    replicas_of,
    successor,
    traffic_of,
)
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.answers import Predictions
from evergreen.core.deployment import EndpointStatus
from evergreen.core.errors import EndpointError, EvergreenError, InputError
from evergreen.core.ramp import ALL_TRAFFIC
from evergreen.core.shadow import Shadow

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import Model

TOKEN_COMMAND = "gcloud auth print-access-token"  # noqa: S105 - prints a token, is none
ONE_REPLICA = (1, 1)


class VertexEndpoint:
    """The `Endpoint` of one model."""

    def __init__(self, host: VertexHostSettings, model: str) -> None:
        clients = Clients(host)
        self._host = host
        self._model = model
        self._registry = ModelRegistry(clients, model)
        self._live = EndpointResource(clients, model, LIVE)
        self._parking = Parking(clients, model, self._live)
        self._scaling = Scaling(clients, model, self._live)
        self._probe = Probe(clients, model)
        self._location = clients.location

    def upload(self, version: str, model_dir: Path) -> None:
        """Puts the version into the Model Registry, and creates the endpoint; does nothing where both are there."""
        self._registry.upload(version, model_dir)
        self._live.ensure(logged=True)

    def offer(self, version: str, examples: Sequence[Mapping[str, Any]]) -> None:
        """Does nothing: Vertex AI has a page of its own."""

    def deploy(self, version: str) -> None:
        """Starts the version at 0 % of the traffic, or a dead one in its place; returns when it is ready.

        One that answers is left alone, and a dead one starts again with the container that it had: what has served
        before depends on no image that is new.

        Raises:
            EndpointError: it never became ready, or was not uploaded.
        """
        running = [deployed for deployed in self._live.running_when_idle() if deployed.version == version]
        kept = own = primary_of(running, version)
        if own is None or not own.ready:
            kept = next(
                (deployed for deployed in running if own and deployed.ready and deployed.number == own.number), None
            )
        if kept is None:
            kept = self._start(version, (own and self._registry.numbered(own.number)) or self._registry.find(version))
        serving = {deployed.id for deployed in running if deployed.ready and deployed.percent}
        self._replace([deployed for deployed in running if deployed.id not in {kept.id, *serving}], kept)

    def renew(self, version: str) -> None:
        """Starts the configured container beside the version's, at 0 % of the traffic; returns when it is ready.

        Raises:
            EndpointError: it never became ready, or the version was not uploaded with that container.
        """
        running = self._live.running_when_idle()
        if version in self._outdated(running) and self._successor(running, version) is None:
            self._start(version, self._registry.find(version))

    def switch(self, version: str) -> None:
        """Gives the version's traffic to its successor and stops the other; Vertex AI lets its requests end.

        Raises:
            EndpointError: there is no successor that is ready, or Vertex AI refuses.
        """
        running = self._live.running()
        if version not in self._outdated(running):
            return
        newer = self._successor(running, version)
        if newer is None:
            raise EndpointError(f"version {version} of {self._model} has no successor that is ready; renew it again")
        self._replace(
            [deployed for deployed in running if deployed.version == version and deployed.id != newer.id], newer
        )

    def clear(self) -> None:
        """Removes the probe endpoint, and of each version what stands by beside the one that stands for it.

        What was started in place of a dead one stays: the next `deploy` takes it. A note of a parking that was cut off
        goes as well, since the endpoint serves.
        """
        self._probe.remove()
        running = self._live.running_when_idle()
        for deployed in running:
            primary = primary_of(running, deployed.version)
            if (
                primary
                and deployed.id != primary.id
                and not deployed.percent
                and (primary.ready or deployed.number != primary.number)
            ):
                self._live.stop(deployed)
        self._parking.forget()

    def set_traffic(self, traffic: Mapping[str, int]) -> None:
        """Splits requests among deployed versions.

        Raises:
            InputError: percents do not sum to 100.
            EndpointError: a version with traffic is not ready.
        """
        shares = {version: percent for version, percent in traffic.items() if percent}
        if sum(shares.values()) != ALL_TRAFFIC or min(shares.values()) < 0:
            raise InputError(f"traffic {dict(traffic)} is no split; percents are 0 or more and sum to 100")
        self._scaling.drop()  # traffic that goes back does not wait for replicas that it needs no more
        endpoint = self._live.find()
        running = [] if endpoint is None else deployed_on(endpoint)
        wanted = {_require_ready(running, version).id: percent for version, percent in shares.items()}
        if endpoint is not None and wanted != {
            deployed.id: deployed.percent for deployed in running if deployed.percent
        }:
            self._live.split(endpoint, wanted)

    def scale(self, version: str, replicas: int | None) -> bool:
        """Has Vertex AI keep so many replicas of the version, at most as many as it was deployed with.

        Raises:
            EndpointError: the version is not ready, or it does not get them in time.
        """
        running = self._live.running()
        if replicas is not None:
            return self._scaling.reach(self._successor(running, version) or _require_ready(running, version), replicas)
        self._scaling.drop()
        mine = [deployed for deployed in running if deployed.version == version]
        if any(deployed.least > self._host.min_replicas for deployed in mine):
            for deployed in self._live.running_when_idle():
                if deployed.version == version:
                    self._scaling.relax(deployed)
        return True

    def shadow(self, version: str, plan: Shadow | None) -> None:
        """Does nothing for None. Raises InputError: Vertex AI copies no requests."""
        if plan is not None:
            raise InputError(f"Vertex AI copies no requests to version {version}; leave rollout.shadow out")

    def undeploy(self, version: str) -> None:
        """Stops the version; Vertex AI lets its requests end. Raises EndpointError while it has traffic."""
        self._scaling.drop()
        running = [deployed for deployed in self._live.running_when_idle() if deployed.version == version]
        percent = sum(deployed.percent for deployed in running)
        if percent:
            raise EndpointError(f"version {version} has {percent} % of the traffic; move it first")
        for deployed in running:
            self._live.stop(deployed)

    def park(self) -> None:
        """Undeploys everything; the endpoint, its id and address stay. Raises EndpointError as the protocol has it."""
        self._parking.park()

    def unpark(self) -> None:
        """Starts the version that had the traffic, with the configured container, at 100 %."""
        self._parking.unpark(
            lambda version: self._start(version, self._registry.find(version), all_traffic=True),
        )

    def predict(
        self,
        instances: Sequence[Any],
        version: str | None = None,
        *,
        logged: bool = True,  # noqa: ARG002 - no header reaches the container for sure
    ) -> Predictions:
        """Predictions by the traffic split, or by one version, which without all traffic is asked on a probe endpoint.

        Of a version that is being renewed its successor is asked. What is not `logged` is noted all the same, for
        Vertex AI does not say that it hands a caller's headers to the container.

        Raises:
            InputError: the model refuses the instances.
            EndpointError: nothing answers.
        """
        endpoint = self._live.find()
        running = [] if endpoint is None else deployed_on(endpoint)
        if parked_version(endpoint):
            raise EndpointError(f"the endpoint of {self._model} is parked; run.py deploy brings it back")
        if version is None and not any(deployed.percent for deployed in running):
            raise EndpointError(f"the endpoint of {self._model} serves nothing; run the pipeline to put a version live")
        if version is None:
            return self._live.ask(instances)
        asked = self._successor(running, version) or _require_ready(running, version)
        if asked.percent != ALL_TRAFFIC:
            return self._probe.predict(version, self._resource(asked), instances)
        return self._live.ask(instances)

    def status(self) -> EndpointStatus:
        """What Vertex AI says runs; no URL when no version has a replica up, or its address is not told yet."""
        endpoint = self._live.find()
        running = [] if endpoint is None else deployed_on(endpoint)
        answering = ready_in(running)
        if parked := self._parking.version(endpoint):
            return EndpointStatus(url=None, traffic={parked: ALL_TRAFFIC}, ready=(), parked=True)
        return EndpointStatus(
            url=self._live.url(endpoint) if endpoint is not None and answering else None,
            traffic=traffic_of(running),
            ready=answering,
            outdated=self._outdated(running),
            token_command=TOKEN_COMMAND if answering else None,
            replicas=replicas_of(running),
        )

    def delete(self) -> str | None:
        """Undeploys everything and deletes the endpoint; the Model Registry keeps its versions."""
        removed = (self._probe.remove(), self._live.remove())
        return "; ".join(filter(None, removed)) or None

    def _outdated(self, running: Sequence[Deployed]) -> tuple[str, ...]:
        """The versions whose traffic goes to another container than the configured one."""
        serving = [deployed for deployed in running if deployed.percent]
        return tuple(
            dict.fromkeys(deployed.version for deployed in serving if deployed.number != self._number(deployed.version))
        )

    def _successor(self, running: Sequence[Deployed], version: str) -> Deployed | None:
        return successor(running, version, self._number(version))

    def _number(self, version: str) -> str | None:
        """Of the version with the configured container; None when the Model Registry does not hold it."""
        held = self._registry.find(version)
        return None if held is None else _number(held)

    def _start(self, version: str, held: Model | None, *, all_traffic: bool = False) -> Deployed:
        """The version of the Model Registry, deployed anew. Raises EndpointError when there is none."""
        if held is None:
            raise EndpointError(f"version {version} of {self._model} is not on Vertex AI so; upload it first")
        replicas = self._host.min_replicas, self._host.max_replicas
        return self._live.start(version, resource_of(held), replicas, all_traffic)

    def _resource(self, deployed: Deployed) -> str:
        """The resource name of what was deployed."""
        return f"{self._location}/models/{deployed.number}"

    def _replace(self, others: Sequence[Deployed], kept: Deployed) -> None:
        """Gives `kept` the traffic of others of its version, which are dead or were started twice, and stops them."""
        moved = sum(other.percent for other in others)
        if moved:
            gone, endpoint = {other.id for other in others}, self._live.require()
            rest = {
                deployed.id: deployed.percent
                for deployed in deployed_on(endpoint)
                if deployed.percent and deployed.id not in gone
            }
            self._live.split(endpoint, {**rest, kept.id: kept.percent + moved})
        for other in others:
            self._live.stop(other)


def _number(held: Model) -> str:
    return number_of(held.name, held.version_id)


def _require_ready(running: Sequence[Deployed], version: str) -> Deployed:
    """The version's deployed model. Raises EndpointError when it is not deployed or does not answer."""
    deployed = primary_of(running, version)
    if deployed is None or not deployed.ready:
        state = "not deployed" if deployed is None else "not ready"
        raise EndpointError(f"version {version} is {state}; deploy it before it is asked or gets traffic")
    return deployed


class Probe:
    """Asks a version that has no traffic.

    Vertex AI cannot address one deployed model of a public endpoint: requests follow the split. So the version is
    deployed a second time, on a probe endpoint of its own with one replica of the same image, files and machine, asked
    there, and removed. It lives as long as one question; one that a killed run left is used again.
    docs/decisions/0006-probe-endpoint.md says what else was weighed.
    """

    def __init__(self, clients: Clients, model: str) -> None:
        self._endpoint = EndpointResource(clients, model, PROBE)

    def predict(self, version: str, resource: str, instances: Sequence[Any]) -> Predictions:
        """What the version answers; it takes as long as its start.

        Raises:
            InputError: it refuses the instances.
            EndpointError: it did not become ready, or does not answer.
        """
        try:
            self._endpoint.ensure(logged=False)
            held = primary_of(self._endpoint.running_when_idle(), version)
            wanted = resource.rpartition("/")[2]
            if held is None or held.number != wanted or held.percent != ALL_TRAFFIC or not held.ready:
                self._endpoint.start(version, resource, ONE_REPLICA, all_traffic=True)
            return self._endpoint.ask(instances)
        finally:
            with suppress(EvergreenError):  # the answer counts; the next rollout removes what is left
                self.remove()

    def remove(self) -> str | None:
        """Undeploys what is here and deletes the endpoint; what that was, in words. None: there was nothing."""
        return self._endpoint.remove()
