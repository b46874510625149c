"""One endpoint resource of Vertex AI: found by its name or its labels, created once, what runs on it, what can be done.

Lists may lag behind a change, so they only discover; what is read is read by name. A version may run twice for a while,
when a dead one is being replaced.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from evergreen.adapters.vertex.clients import Clients, MissingError, finish, wait_until_idle
from evergreen.adapters.vertex.names import LIVE, ROLE, identity, label_filter, live_id, new_id
from evergreen.adapters.vertex.prediction import post_predict
from evergreen.adapters.vertex.specification import deployed_model_message, endpoint_message, logging_message
from evergreen.core.answers import Predictions
from evergreen.core.base import Frozen
from evergreen.core.errors import EndpointError, EvergreenError

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import DeployedModel, Endpoint

NEW = "0"
"""The key that stands for the model being deployed in a traffic split."""
CHANGE_TIMEOUT_S = 1800.0
ADDRESS_POLL_S = 0.5


class EndpointResource:
    """The endpoint of one model in one role: `live`, or `probe`."""

    def __init__(self, clients: Clients, model: str, role: str) -> None:
        self._clients = clients
        self._host = clients.host
        self._model = model
        self._role = role
        self._known: str | None = None

    def find(self) -> Endpoint | None:
        """The endpoint as it is now; None when there is none."""
        own = self._named(live_id(self._host, self._model)) if self._role == LIVE else None
        for name in filter(None, (self._known, own)):
            if (endpoint := self._get(name)) is not None:
                return endpoint
        listed = self._listed()
        return None if listed is None else self._get(listed)

    def _named(self, identifier: str) -> str:
        return f"{self._clients.location}/endpoints/{identifier}"

    def _get(self, name: str) -> Endpoint | None:
        what, method = f"reading the endpoint of {self._model}", self._clients.endpoints.get_endpoint
        try:
            endpoint = self._clients.call(what, method, {"name": name})
        except MissingError:
            return None
        self._known = name
        return endpoint

    def _listed(self) -> str | None:
        """The name of one that carries our labels under another id; the oldest, should there be several."""
        wanted = identity(self._host, self._model) | {ROLE: self._role}
        request = {"parent": self._clients.location, "filter": label_filter(wanted)}
        what = f"looking for the endpoint of {self._model}"
        endpoints = self._clients.call_list(what, self._clients.endpoints.list_endpoints, request)
        oldest = min(endpoints, key=lambda endpoint: endpoint.create_time, default=None)
        return None if oldest is None else oldest.name

    def ensure(self, logged: bool) -> None:
        """Creates the endpoint when there is none; `logged` with the configured logging, which a live one is given too.

        The id of a live one is its model's, so of two runs at once the second finds what the first creates.
        """
        if (endpoint := self.find()) is not None:
            if logged:
                self._log_as_configured(endpoint)
            return
        message = endpoint_message(self._host, self._model, self._role, logged)
        what = f"creating the endpoint of {self._model}"
        identifier = live_id(self._host, self._model) if self._role == LIVE else new_id()
        request = {"parent": self._clients.location, "endpoint": message, "endpoint_id": identifier}

        def made() -> bool:
            wait_until_idle(self._clients, self._named(identifier), CHANGE_TIMEOUT_S)
            return self._get(self._named(identifier)) is not None

        operation = self._clients.call_once(what, self._clients.endpoints.create_endpoint, request, made)
        if operation is not None:
            try:
                finish(what, operation, CHANGE_TIMEOUT_S)
            except EndpointError:
                if self._get(self._named(identifier)) is None:  # else another run created it meanwhile
                    raise
            self._known = self._named(identifier)

    def _log_as_configured(self, endpoint: Endpoint) -> None:
        """Switches Vertex AI's own logging of requests on, over or off; what is deployed serves on."""
        wanted, held = logging_message(self._host), endpoint.predict_request_response_logging_config
        if wanted == held or not (wanted.enabled or held.enabled):
            return
        request = {
            "endpoint": {
                "name": endpoint.name,
                "etag": endpoint.etag,
                "predict_request_response_logging_config": wanted,
            },
            "update_mask": {"paths": ["predict_request_response_logging_config"]},
        }
        what = f"setting what is logged of {self._model}"
        self._clients.call(what, self._clients.endpoints.update_endpoint, request)

    def running(self) -> list[Deployed]:
        """What is deployed now; nothing when there is no endpoint."""
        endpoint = self.find()
        return [] if endpoint is None else deployed_on(endpoint)

    def running_when_idle(self) -> list[Deployed]:
        """What is deployed once no operation is under way: a killed run may have left one that still goes on."""
        endpoint = self.find()
        if endpoint is None:
            return []
        wait_until_idle(self._clients, endpoint.name, self._host.startup_timeout_s)
        return self.running()

    def start(self, version: str, resource: str, replicas: tuple[int, int], all_traffic: bool = False) -> Deployed:
        """The version deployed anew and ready, at 0 % unless it is to have all the traffic.

        Raises:
            EndpointError: it did not become ready in time; nothing of the attempt is left running, or it says so.
        """
        chosen_id = new_id()
        what = f"deploying version {version} of {self._model}"
        request = {
            "endpoint": self._name(),
            "deployed_model": deployed_model_message(self._host, resource, version, replicas, chosen_id),
            "traffic_split": {NEW: 100} if all_traffic else {},
        }
        try:
            method = self._clients.endpoints.deploy_model
            operation = self._clients.call_once(what, method, request, lambda: self._was_started(chosen_id))
            if operation is not None:
                finish(what, operation, self._host.startup_timeout_s)
        except BaseException as error:  # also Ctrl-C: a failed deployment leaves no machine that costs money
            doubt = self._clear(chosen_id)
            if doubt and isinstance(error, EvergreenError):
                raise EndpointError(f"{error}; {doubt}") from error
            raise
        started = next((deployed for deployed in self.running() if deployed.id == chosen_id), None)
        if started is None:
            raise EndpointError(f"{what}: Vertex AI reports success, but the endpoint does not have it; run again")
        return started

    def stop(self, deployed: Deployed) -> None:
        """Undeploys one, if it is still there; Vertex AI refuses while it has traffic, unless it is the last."""
        what = f"undeploying version {deployed.version} of {self._model}"
        request = {"endpoint": self._name(), "deployed_model_id": deployed.id}
        with suppress(MissingError):  # the first of two attempts may have been carried out
            operation = self._clients.call(what, self._clients.endpoints.undeploy_model, request)
            finish(what, operation, CHANGE_TIMEOUT_S)

    def split(self, endpoint: Endpoint, by_id: Mapping[str, int]) -> None:
        """Sets the traffic split, percent by deployed model's id, of the endpoint as it was when this was decided.

        Raises:
            EndpointError: it was changed meanwhile, or Vertex AI refuses.
        """
        request = {
            "endpoint": {"name": endpoint.name, "etag": endpoint.etag, "traffic_split": dict(by_id)},
            "update_mask": {"paths": ["traffic_split"]},
        }
        what = f"setting the traffic of {self._model}"

        def made() -> bool:
            return {deployed: share for deployed, share in self.require().traffic_split.items() if share} == dict(by_id)

        try:
            self._clients.call_once(what, self._clients.endpoints.update_endpoint, request, made)
        except EndpointError as error:
            if self.require().etag == endpoint.etag:
                raise
            raise EndpointError(f"{what}: another run changed the endpoint meanwhile; run again") from error

    def remove(self) -> str | None:
        """Undeploys everything and deletes the endpoint; what that was, in words. None: there was nothing."""
        endpoint = self.find()
        if endpoint is None:
            return None
        wait_until_idle(self._clients, endpoint.name, self._host.startup_timeout_s)
        endpoint = self.require()
        last_first = deployed_on(endpoint)
        if last_first and last_first[0].percent not in (0, 100):
            self.split(endpoint, {last_first[0].id: 100})
        for deployed in reversed(last_first):
            self.stop(deployed)
        what = f"deleting the endpoint of {self._model}"
        with suppress(MissingError):
            operation = self._clients.call(what, self._clients.endpoints.delete_endpoint, {"name": endpoint.name})
            finish(what, operation, CHANGE_TIMEOUT_S)
        versions = ", ".join(dict.fromkeys(deployed.version for deployed in last_first))
        return f"{f'undeployed {versions}, ' if versions else ''}deleted {endpoint.name}"

    def url(self, endpoint: Endpoint) -> str | None:
        """Where predictions are POSTed; None while Google has not told the address, as before the first deployment."""
        private = endpoint.private_service_connect_config
        if private.enable_private_service_connect:
            ip_address = next(
                (network.ip_address for network in private.psc_automation_configs if network.ip_address), None
            )
            return f"http://{ip_address}/v1/{endpoint.name}:predict" if ip_address else None
        address = endpoint.dedicated_endpoint_dns if endpoint.dedicated_endpoint_enabled else self._clients.address
        return f"https://{address}/v1/{endpoint.name}:predict" if address else None

    def ask(self, instances: Sequence[Any]) -> Predictions:
        """Predictions by the traffic split.

        Raises:
            InputError: the model refuses the instances.
            EndpointError: nothing answers; for a private endpoint it names the network that reaches it.
        """
        private = self._host.private_service_connect
        try:
            return post_predict(self._clients, self._awaited_url(), instances)
        except EndpointError as error:
            if private is None:
                raise
            raise EndpointError(
                f"{error}; it is reached from {private.network} alone: run the pipeline on machines of that network"
            ) from error

    def _awaited_url(self) -> str:
        """The address for predictions. Raises EndpointError when Google does not tell it in time."""
        deadline = time.monotonic() + self._host.retry_timeout_s
        while not (url := self.url(endpoint := self.require())):
            if time.monotonic() >= deadline:
                raise EndpointError(
                    f"Vertex AI has told no address of {endpoint.name} within {self._host.retry_timeout_s:g} s; "
                    "look at its network settings in the console, then run again"
                )
            time.sleep(ADDRESS_POLL_S)
        return url

    def _was_started(self, deployed_id: str) -> bool:
        """Whether a deployment whose answer was lost has ended well. Raises EndpointError while nobody can tell."""
        if not wait_until_idle(self._clients, self._name(), self._host.startup_timeout_s):
            raise EndpointError(f"an operation still goes on after {self._host.startup_timeout_s:g} s; run again")
        return any(deployed.id == deployed_id for deployed in self.running())

    def _clear(self, deployed_id: str) -> str:
        """Stops what a failed deployment left; what to tell when more may come of it, else nothing.

        A cancelled operation may go on and attach its model later, so its end is waited for.
        """
        try:
            sure = wait_until_idle(self._clients, self._name(), self._host.startup_timeout_s)
            for deployed in self.running():
                if deployed.id == deployed_id:
                    self.stop(deployed)
        except EvergreenError as error:
            return f"what it left may still run ({error}); the next run looks for it"
        return "" if sure else "its operation still goes on and may leave a machine running; the next run looks for it"

    def _name(self) -> str:
        return self.require().name

    def require(self) -> Endpoint:
        """The endpoint as it is now. Raises EndpointError when there is none."""
        endpoint = self.find()
        if endpoint is None:
            raise EndpointError(f"model {self._model} has no endpoint on Vertex AI; upload a version first")
        return endpoint


class Deployed(Frozen):
    """One deployed model: Google's `id` for it, our version, its percent of the traffic, and whether it answers.

    `number` is what it was deployed from, as `number_of` tells it: one version may be there with several containers.
    `replicas` are available (None: Google has not told); autoscaling decides between the `least` and the `most`.
    """

    id: str
    version: str
    number: str
    percent: int
    ready: bool
    replicas: int | None
    least: int
    most: int


def deployed_on(endpoint: Endpoint) -> list[Deployed]:
    """The deployed models of a Vertex AI endpoint, those with traffic first, then the older ones."""
    split = dict(endpoint.traffic_split)
    running = [
        Deployed(
            id=deployed_model.id,
            version=deployed_model.display_name,
            number=number_of(deployed_model.model, deployed_model.model_version_id),
            percent=split.get(deployed_model.id, 0),
            ready=_replicas(deployed_model) != 0,
            replicas=_replicas(deployed_model),
            least=deployed_model.dedicated_resources.min_replica_count,
            most=max(
                deployed_model.dedicated_resources.max_replica_count,
                deployed_model.dedicated_resources.min_replica_count,
            ),
        )
        for deployed_model in sorted(endpoint.deployed_models, key=_created)
    ]
    return sorted(running, key=lambda deployed: -deployed.percent)


def number_of(model: str, version_id: str) -> str:
    """`ID@NUMBER` of a version in the Model Registry; in names a project stands by its id or its number."""
    return f"{model.rpartition('/')[2].partition('@')[0]}@{version_id}"


def primary_of(running: Iterable[Deployed], version: str) -> Deployed | None:
    """The deployed model that stands for the version: of several, one with traffic, one that answers, the oldest."""
    mine = [deployed for deployed in running if deployed.version == version]
    return max(mine, key=lambda deployed: (deployed.percent, deployed.ready), default=None)


def traffic_of(running: Sequence[Deployed]) -> dict[str, int]:
    """Percent by version, 0 for one that stands by."""
    return {
        deployed.version: sum(same.percent for same in running if same.version == deployed.version)
        for deployed in running
    }


def ready_in(running: Sequence[Deployed]) -> tuple[str, ...]:
    """The versions that answer."""
    versions = dict.fromkeys(deployed.version for deployed in running)
    return tuple(version for version in versions if (primary := primary_of(running, version)) and primary.ready)


def replicas_of(running: Sequence[Deployed]) -> dict[str, int]:
    """How many replicas of each version are available, of those of which Google tells."""
    versions = dict.fromkeys(deployed.version for deployed in running)
    primaries = {version: primary_of(running, version) for version in versions}
    return {
        version: primary.replicas
        for version, primary in primaries.items()
        if primary is not None and primary.replicas is not None
    }


def successor(running: Iterable[Deployed], version: str, number: str | None) -> Deployed | None:
    """The deployed model of that number, which answers and stands by while an older one of the version has traffic."""
    mine = [deployed for deployed in running if deployed.version == version]
    if number is None or any(deployed.percent and deployed.number == number for deployed in mine):
        return None
    has_traffic = any(deployed.percent for deployed in mine)
    return next((deployed for deployed in mine if has_traffic and deployed.ready and deployed.number == number), None)


def _created(deployed_model: DeployedModel) -> float:
    """When it was deployed, in seconds since the epoch."""
    return float(deployed_model.create_time.timestamp()) if "create_time" in deployed_model else 0.0


def _replicas(deployed_model: DeployedModel) -> int | None:
    """How many are up; None where Google has not told yet, of one that was ready when its deployment ended."""
    has_status = "status" in deployed_model and "last_update_time" in deployed_model.status
    return deployed_model.status.available_replica_count if has_status else None
