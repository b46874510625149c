"""DeployModel, UndeployModel, MutateDeployedModel: a model version becomes a container behind an endpoint."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.cloud import aiplatform_v1 as v1

from cloudbox import faults
from cloudbox.errors import ApiError, already_exists, failed_precondition, invalid, not_found
from cloudbox.home import Home
from cloudbox.vertex.masks import apply_mask
from cloudbox.vertex.models import Models
from cloudbox.vertex.operations import Operations
from cloudbox.vertex.replicas import Replicas, machine_of
from cloudbox.vertex.serving import Replica, Serving
from cloudbox.vertex.store import Store, copy_of, etag, new_id, now
from cloudbox.vertex.traffic import NEW, check_traffic, without

log = logging.getLogger(__name__)

PRIVATE_ADDRESS = "10.128.0.2"
"""Told as that of a private endpoint; nothing of the box leads there."""
_DEPLOYED_ID = re.compile(r"[0-9]{1,10}")


class Deployments:
    """What EndpointService does with deployed models."""

    def __init__(self, home: Home, store: Store, operations: Operations, models: Models, serving: Serving) -> None:
        self._home = home
        self._store = store
        self._operations = operations
        self._models = models
        self._serving = serving
        self._replicas = Replicas(home)

    def recover(self) -> None:
        """Start the container of every deployed model again."""
        for endpoint in self._store.listed(v1.Endpoint):
            for deployed in endpoint.deployed_models:
                model = self._models.version(f"{deployed.model}@{deployed.model_version_id}")
                log.info("starting deployed model %s of %s again", deployed.id, endpoint.name)
                self._serving.resume(Replica(endpoint.name, deployed, model))

    def with_status(self, endpoint: Any) -> Any:
        """The endpoint, telling of each deployed model how many replicas are available now."""
        for deployed in endpoint.deployed_models:
            available = self._replicas.available(deployed) if self._serving.is_ready(deployed.id) else 0
            deployed.status = v1.DeployedModel.Status(last_update_time=now(), available_replica_count=available)
        return endpoint

    def tells_status(self, method: str) -> bool:
        """Whether the method tells of replicas: Google documents it for single endpoints alone, and did not ever."""
        return faults.take(self._home, "no-status", method) is None

    def deploy(self, request: Any) -> Any:
        """DeployModel: the operation is done when the container is ready and the traffic is set."""
        endpoint = self._store.get(v1.Endpoint, request.endpoint)
        deployed = request.deployed_model
        model = self._models.version(deployed.model)
        _check_resources(deployed)
        present = [deployed_model.id for deployed_model in endpoint.deployed_models]
        _check_id(deployed.id, present)
        check_traffic(request.traffic_split, [NEW, *present])
        machine = machine_of(deployed)
        if faults.take(self._home, "quota", machine):
            raise quota_exceeded(machine, "custom_model_serving")
        deployed.id = deployed.id or new_id()
        deployed.model, deployed.model_version_id = model.name, model.version_id
        deployed.display_name = deployed.display_name or model.display_name
        deployed.create_time = now()
        split = {deployed.id if key == NEW else key: share for key, share in request.traffic_split.items()}

        def work(cancelled: Callable[[], bool]) -> Any:
            self._serving.deploy(Replica(endpoint.name, deployed, model), cancelled)
            try:
                self._attach(endpoint.name, deployed, split, cancelled)
            except ApiError:
                self._serving.stop(deployed.id)
                raise
            return v1.DeployModelResponse(deployed_model=deployed)

        return self._operations.start(endpoint.name, v1.DeployModelOperationMetadata(), work)

    def undeploy(self, request: Any) -> Any:
        """UndeployModel: traffic leaves at once; the container stops when its last request is answered."""
        with self._store.lock:
            endpoint = self._store.get(v1.Endpoint, request.endpoint)
            self._deployed(endpoint, request.deployed_model_id)
            split = without(endpoint.traffic_split, request.deployed_model_id, request.traffic_split)
            left = [
                deployed_model
                for deployed_model in endpoint.deployed_models
                if deployed_model.id != request.deployed_model_id
            ]
            check_traffic(split, [deployed_model.id for deployed_model in left])
            endpoint.deployed_models, endpoint.traffic_split = left, split
            self._put(endpoint)

        def work(_: Callable[[], bool]) -> Any:
            self._serving.stop(request.deployed_model_id)
            self._replicas.forget(request.deployed_model_id)
            return v1.UndeployModelResponse()

        return self._operations.start(endpoint.name, v1.UndeployModelOperationMetadata(), work)

    def mutate(self, request: Any) -> Any:
        """MutateDeployedModel: the operation is done when the least is available; one that fails changes nothing."""
        with self._store.lock:
            endpoint = self._store.get(v1.Endpoint, request.endpoint)
            deployed = self._deployed(endpoint, request.deployed_model.id)
            before = copy_of(deployed)
            self._replicas.keep(deployed)
            allowed = (
                "dedicated_resources",
                "automatic_resources",
                "disable_container_logging",
                "enable_access_logging",
            )
            apply_mask(deployed, request.deployed_model, request.update_mask.paths, allowed)
            _check_resources(deployed)
            grows = deployed.dedicated_resources.min_replica_count > before.dedicated_resources.min_replica_count
            if grows and faults.take(self._home, "quota", machine_of(deployed)):
                raise quota_exceeded(machine_of(deployed), "custom_model_serving")
            self._put(endpoint)

        def work(cancelled: Callable[[], bool]) -> Any:
            try:
                self._replicas.reach(deployed, cancelled)
            except ApiError:
                self._set_back(endpoint.name, before)
                raise
            return v1.MutateDeployedModelResponse(deployed_model=deployed)

        return self._operations.start(endpoint.name, v1.MutateDeployedModelOperationMetadata(), work)

    def _set_back(self, name: str, before: Any) -> None:
        """The deployed model as it was, where it still is."""
        with self._store.lock:
            endpoint = self._store.find(v1.Endpoint, name)
            if endpoint is None or before.id not in [deployed.id for deployed in endpoint.deployed_models]:
                return
            endpoint.deployed_models = [
                before if deployed.id == before.id else deployed for deployed in endpoint.deployed_models
            ]
            self._put(endpoint)
            self._replicas.have(before, before.dedicated_resources.min_replica_count or 1)

    def _attach(self, name: str, deployed: Any, split: dict[str, int], cancelled: Callable[[], bool]) -> None:
        """Under the lock: the endpoint may have changed while the container started."""
        with self._store.lock:
            if cancelled():
                raise ApiError(grpc.StatusCode.CANCELLED, "The deployment was cancelled.")
            self._models.version(f"{deployed.model}@{deployed.model_version_id}")
            endpoint = self._store.get(v1.Endpoint, name)
            endpoint.deployed_models = [*endpoint.deployed_models, deployed]
            for automation in endpoint.private_service_connect_config.psc_automation_configs:
                automation.ip_address = PRIVATE_ADDRESS
            if split:
                check_traffic(split, [deployed_model.id for deployed_model in endpoint.deployed_models])
                endpoint.traffic_split = split
            self._put(endpoint)

    def _deployed(self, endpoint: Any, deployed_id: str) -> Any:
        for deployed_model in endpoint.deployed_models:
            if deployed_model.id == deployed_id:
                return deployed_model
        raise not_found("DeployedModel", deployed_id)

    def _put(self, endpoint: Any) -> None:
        endpoint.update_time = now()
        endpoint.etag = etag()
        self._store.put(endpoint)


def quota_exceeded(machine: str, metric: str) -> ApiError:
    """Google's answer when a project may not have another machine of this type."""
    return ApiError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"The following quotas are exceeded: aiplatform.googleapis.com/{metric}_cpus for machine type {machine}.",
    )


def _check_id(wanted: str, present: Sequence[str]) -> None:
    if wanted and not _DEPLOYED_ID.fullmatch(wanted):
        raise invalid(f"Invalid DeployedModel.id `{wanted}`: 1 to 10 digits.")
    if wanted in present:
        raise already_exists("DeployedModel", wanted)


def _check_resources(deployed: Any) -> None:
    kind = type(deployed).pb(deployed).WhichOneof("prediction_resources")
    if kind is None:
        raise invalid("DeployedModel has no prediction resources; give dedicated_resources.")
    if kind == "shared_resources":
        raise failed_precondition("Shared resources (deployment resource pools) are not supported here.")
    resources = getattr(deployed, kind)
    if kind == "dedicated_resources" and resources.min_replica_count < 1:
        raise invalid(f"min_replica_count is at least 1, got {resources.min_replica_count}.")
    if resources.max_replica_count and resources.max_replica_count < resources.min_replica_count:
        raise invalid(f"max_replica_count {resources.max_replica_count} is below min_replica_count.")
