"""EndpointService: endpoints, their traffic, and the models deployed to them."""

from __future__ import annotations

import re
from typing import Any

import grpc
from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2

from cloudbox.errors import ApiError, already_exists, failed_precondition, invalid, not_found
from cloudbox.rpc import Method
from cloudbox.vertex.deployments import Deployments
from cloudbox.vertex.labels import check_labels
from cloudbox.vertex.listing import page
from cloudbox.vertex.masks import apply_mask
from cloudbox.vertex.operations import Operations
from cloudbox.vertex.store import Store, etag, location_of, new_id, now
from cloudbox.vertex.traffic import check_traffic

_UPDATABLE = ("display_name", "description", "labels", "traffic_split", "predict_request_response_logging_config",
              "client_connection_config", "dedicated_endpoint_enabled")  # fmt: skip
_ENDPOINT_ID = re.compile(r"[1-9][0-9]{0,8}|[a-z][a-z0-9-]{0,62}")


class Endpoints:
    """The endpoints of the service."""

    def __init__(self, store: Store, operations: Operations, deployments: Deployments, project_number: int) -> None:
        self._store = store
        self._operations = operations
        self._deployments = deployments
        self._project_number = project_number

    def methods(self) -> dict[str, Method]:
        """The methods of EndpointService by name."""
        return {
            "CreateEndpoint": Method(self.create, v1.CreateEndpointRequest),
            "GetEndpoint": Method(self.read, v1.GetEndpointRequest),
            "ListEndpoints": Method(self.list_endpoints, v1.ListEndpointsRequest),
            "UpdateEndpoint": Method(self.update, v1.UpdateEndpointRequest),
            "DeleteEndpoint": Method(self.delete, v1.DeleteEndpointRequest),
            "DeployModel": Method(self._deployments.deploy, v1.DeployModelRequest),
            "UndeployModel": Method(self._deployments.undeploy, v1.UndeployModelRequest),
            "MutateDeployedModel": Method(self._deployments.mutate, v1.MutateDeployedModelRequest),
        }

    def get(self, name: str) -> Any:
        """The endpoint of this name. Raises ApiError(NOT_FOUND)."""
        return self._store.get(v1.Endpoint, name)

    def read(self, request: Any) -> Any:
        """GetEndpoint, with the replicas that are available now."""
        endpoint = self.get(request.name)
        return self._deployments.with_status(endpoint) if self._deployments.tells_status("GetEndpoint") else endpoint

    def create(self, request: Any) -> Any:
        """CreateEndpoint; the name of a dedicated one is below prediction.vertexai.goog."""
        endpoint = request.endpoint
        _check(endpoint)
        if endpoint.deployed_models or endpoint.traffic_split:
            raise invalid("A new Endpoint has no deployed models and no traffic split.")
        if request.endpoint_id and not _ENDPOINT_ID.fullmatch(request.endpoint_id):
            raise invalid(f"Invalid endpoint_id `{request.endpoint_id}`: a number of at most 9 digits, or [a-z0-9-].")
        location = location_of(request.parent)
        endpoint.name = f"{location}/endpoints/{request.endpoint_id or new_id()}"
        endpoint.create_time = endpoint.update_time = now()
        endpoint.etag = etag()
        if endpoint.dedicated_endpoint_enabled:
            region, identifier = location.rpartition("/")[2], endpoint.name.rpartition("/")[2]
            endpoint.dedicated_endpoint_dns = f"{identifier}.{region}-{self._project_number}.prediction.vertexai.goog"
        with self._store.lock:
            if self._store.find(v1.Endpoint, endpoint.name):
                raise already_exists("Endpoint", endpoint.name)
            self._store.put(endpoint)
        return self._operations.finished(endpoint.name, v1.CreateEndpointOperationMetadata(), endpoint)

    def list_endpoints(self, request: Any) -> Any:
        """ListEndpoints."""
        below = self._store.listed(v1.Endpoint, f"{location_of(request.parent)}/endpoints")
        endpoints, token = page(below, request)
        if self._deployments.tells_status("ListEndpoints"):
            endpoints = [self._deployments.with_status(endpoint) for endpoint in endpoints]
        return v1.ListEndpointsResponse(endpoints=endpoints, next_page_token=token)

    def update(self, request: Any) -> Any:
        """UpdateEndpoint: a stale etag is refused, so that two writers do not undo each other."""
        with self._store.lock:
            endpoint = self.get(request.endpoint.name)
            if request.endpoint.etag and request.endpoint.etag != endpoint.etag:
                raise ApiError(
                    grpc.StatusCode.ABORTED,
                    f"Etag mismatch: Endpoint `{endpoint.name}` was changed meanwhile; read it again.",
                )
            apply_mask(endpoint, request.endpoint, request.update_mask.paths, _UPDATABLE)
            _check(endpoint)
            check_traffic(endpoint.traffic_split, [deployed_model.id for deployed_model in endpoint.deployed_models])
            endpoint.update_time = now()
            endpoint.etag = etag()
            self._store.put(endpoint)
        return endpoint

    def delete(self, request: Any) -> Any:
        """DeleteEndpoint: refused while models are deployed to it."""
        with self._store.lock:
            endpoint = self._store.find(v1.Endpoint, request.name)
            if endpoint is None:
                raise not_found("Endpoint", request.name)
            if endpoint.deployed_models:
                present = ", ".join(deployed_model.id for deployed_model in endpoint.deployed_models)
                raise failed_precondition(
                    f"Endpoint `{endpoint.name}` has deployed models: {present}; undeploy them first."
                )
            self._store.delete(endpoint.name)
        return self._operations.finished(endpoint.name, v1.DeleteOperationMetadata(), empty_pb2.Empty())


def _check(endpoint: Any) -> None:
    if not 1 <= len(endpoint.display_name) <= 128:
        raise invalid(f"Endpoint.display_name has 1 to 128 characters, got {len(endpoint.display_name)}.")
    check_labels(endpoint.labels)
