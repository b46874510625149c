"""One model's endpoint on Vertex AI. All state is asked of Vertex AI: whatever a killed run left is found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.deployed import Deployed, leading, number_of, ready, successor, traffic
from evergreen.adapters.vertex.deployed import deployed_on as deployed_models
from evergreen.adapters.vertex.host import VertexEndpoint
from evergreen.adapters.vertex.names import LIVE
from evergreen.adapters.vertex.probe import Probe
from evergreen.adapters.vertex.registry import ModelRegistry, resource_of
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.core.errors import EndpointError, EvergreenError, InputError
from evergreen.core.ramp import ALL_TRAFFIC
from evergreen.core.reports import EndpointStatus

TOKEN_COMMAND = "gcloud auth print-access-token"  # noqa: S105 - prints a token, is none


class HostedEndpoint:
    """The `Endpoint` of one model."""

    def __init__(self, host: VertexEndpoint, model: str) -> None:
        clients = Clients(host)
        self._host = host
        self._model = model
        self._registry = ModelRegistry(clients, model)
        self._live = EndpointResource(clients, model, LIVE)
        self._probe = Probe(clients, model)
        self._location = clients.location

    def upload(self, version: str, model_dir: Path) -> None:
        """Puts the version into the Model Registry, and creates the endpoint; does nothing where both are there."""
        self._registry.upload(version, model_dir)
        self._live.ensure(logged=True)

    def deploy(self, version: str) -> None:
        """Starts the version at 0 % of the traffic, or one that is dead in its place; returns when it is ready.

        One with traffic and another container than the configured one gets a successor, to which `set_traffic` moves
        it. One that stands by keeps the container with which it has served: so a rollback is quick.

        Raises:
            EndpointError: it never became ready, or was not uploaded.
        """
        held = None if self._live.find() is None else self._registry.find(version)
        number = None if held is None else _number(held)
        self._probe.remove()
        running = [one for one in self._live.settled() if one.version == version]
        answering = [one for one in running if one.ready]
        if any(one.percent for one in answering):
            kept = next((one for one in answering if one.number == number), None)
        else:
            kept = next(iter(sorted(answering, key=lambda one: one.number != number)), None)
        if kept is None:
            if held is None:
                raise EndpointError(f"version {version} of {self._model} is not on Vertex AI so; upload it first")
            replicas = (self._host.min_replicas, self._host.max_replicas)
            kept = self._live.start(version, resource_of(held), replicas)
        serving = [one.id for one in answering if one.percent and one.number != number]
        self._replace([one for one in running if one.id not in (kept.id, *serving)], kept)

    def set_traffic(self, traffic: Mapping[str, int]) -> None:
        """Splits requests among deployed versions.

        Raises:
            InputError: percents do not sum to 100.
            EndpointError: a version with traffic is not ready.
        """
        shares = {version: percent for version, percent in traffic.items() if percent}
        if sum(shares.values()) != ALL_TRAFFIC or min(shares.values()) < 0:
            raise InputError(f"traffic {dict(traffic)} is no split; percents are 0 or more and sum to 100")
        found = self._live.find()
        running = [] if found is None else deployed_models(found)
        chosen = {version: self._successor(running, version) or _require_ready(running, version) for version in shares}
        wanted = {chosen[version].id: percent for version, percent in shares.items()}
        if wanted != {one.id: one.percent for one in running if one.percent}:
            self._live.split(found, wanted)
        for one in running:
            if one.version in shares and one.id not in wanted:
                self._live.stop(one)

    def undeploy(self, version: str) -> None:
        """Stops the version; Vertex AI lets its requests end. Raises EndpointError while it has traffic."""
        running = [one for one in self._live.settled() if one.version == version]
        percent = sum(one.percent for one in running)
        if percent:
            raise EndpointError(f"version {version} has {percent} % of the traffic; move it first")
        for one in running:
            self._live.stop(one)

    def predict(self, instances: Sequence[Any], version: str | None = None) -> list[dict[str, Any]]:
        """Predictions by the traffic split, or by one version: without all the traffic it is asked on a probe endpoint.

        Raises:
            InputError: the model refuses the instances.
            EndpointError: nothing answers.
        """
        found = self._live.find()
        running = [] if found is None else deployed_models(found)
        if version is None and not any(one.percent for one in running):
            raise EndpointError(f"the endpoint of {self._model} serves nothing; run the pipeline to put a version live")
        if version is None:
            return self._live.ask(instances)
        if (newer := self._successor(running, version)) is not None:
            return self._ask_successor(newer, instances)
        asked = _require_ready(running, version)
        if asked.percent != ALL_TRAFFIC:
            return self._probe.predict(version, self._resource(asked), instances)
        return self._live.ask(instances)

    def status(self) -> EndpointStatus:
        """What Vertex AI says runs; no URL when no version has a replica up, or its address is not told yet."""
        found = self._live.find()
        running = [] if found is None else deployed_models(found)
        answering = ready(running)
        return EndpointStatus(
            url=self._live.url(found) if answering else None,
            traffic=traffic(running),
            ready=answering,
            outdated=self._outdated(running),
            token_command=TOKEN_COMMAND if answering else None,
        )

    def delete(self) -> None:
        """Undeploys everything and deletes the endpoint; the Model Registry keeps its versions."""
        self._probe.remove()
        self._live.remove()

    def _outdated(self, running: Sequence[Deployed]) -> tuple[str, ...]:
        """The versions whose traffic goes to another container than the configured one."""
        serving = [one for one in running if one.percent and one.ready]
        return tuple(dict.fromkeys(one.version for one in serving if one.number != self._number(one.version)))

    def _successor(self, running: Sequence[Deployed], version: str) -> Deployed | None:
        return successor(running, version, self._number(version))

    def _number(self, version: str) -> str | None:
        """Of the version with the configured container; None when the Model Registry does not hold it."""
        held = self._registry.find(version)
        return None if held is None else _number(held)

    def _ask_successor(self, newer: Deployed, instances: Sequence[Any]) -> list[dict[str, Any]]:
        """What it answers; one that does not is stopped, and the one that has the traffic serves on."""
        try:
            return self._probe.predict(newer.version, self._resource(newer), instances)
        except EvergreenError:
            with suppress(EvergreenError):  # why it does not answer counts; what is left stands by at 0 %
                self._live.stop(newer)
            raise

    def _resource(self, deployed: Deployed) -> str:
        """The resource name of what was deployed."""
        return f"{self._location}/models/{deployed.number}"

    def _replace(self, others: Sequence[Deployed], kept: Deployed) -> None:
        """Gives `kept` the traffic of others of its version, which are dead or were started twice, and stops them."""
        moved = sum(one.percent for one in others)
        if moved:
            gone, found = {one.id for one in others}, self._live.find()
            rest = {one.id: one.percent for one in deployed_models(found) if one.percent and one.id not in gone}
            self._live.split(found, {**rest, kept.id: kept.percent + moved})
        for one in others:
            self._live.stop(one)


def _number(held: Any) -> str:
    return number_of(held.name, held.version_id)


def _require_ready(running: Sequence[Deployed], version: str) -> Deployed:
    """The version's deployed model. Raises EndpointError when it is not deployed or does not answer."""
    found = leading(running, version)
    if found is None or not found.ready:
        state = "not deployed" if found is None else "not ready"
        raise EndpointError(f"version {version} is {state}; deploy it before it is asked or gets traffic")
    return found
