"""PredictionService: a request goes to one deployed model, drawn by traffic, and its container's answer comes back."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import grpc
import httpx
from google.api import httpbody_pb2
from google.cloud import aiplatform_v1 as v1
from google.protobuf import json_format

from cloudbox.errors import ApiError, failed_precondition, invalid
from cloudbox.rpc import Method, Reply, asked_through, raw
from cloudbox.vertex.serving import Serving
from cloudbox.vertex.store import Store
from cloudbox.vertex.traffic import chosen

SHARED_BYTES, SHARED_S = 1_500_000, 60.0
DEDICATED_BYTES, DEDICATED_S = 10_000_000, 600.0
DEPLOYED_HEADER = "x-vertex-ai-deployed-model-id"


class Predictions:
    """Online predictions through the endpoints of the service."""

    def __init__(self, store: Store, serving: Serving) -> None:
        self._store = store
        self._serving = serving
        self._http = httpx.Client(trust_env=False, limits=httpx.Limits(max_connections=None))

    def methods(self) -> dict[str, Method]:
        """The methods of PredictionService by name."""
        return {
            "Predict": Method(self.predict, v1.PredictRequest),
            "RawPredict": Method(self.raw_predict, v1.RawPredictRequest),
        }

    def predict(self, request: Any) -> Any:
        """Predict: `instances` and `parameters` in, `predictions` out, with what answered them."""
        message = raw(request)
        body: dict[str, Any] = {
            "instances": [plain(json_format.MessageToDict(instance)) for instance in message.instances]
        }
        if message.HasField("parameters"):
            body["parameters"] = plain(json_format.MessageToDict(message.parameters))
        answer, deployed = self._ask(request.endpoint, json.dumps(body).encode(), "application/json")
        if answer.status_code != 200:
            raise _refused(answer)
        try:
            content = answer.json()
            predictions = content["predictions"]
        except (ValueError, KeyError, TypeError) as error:
            raise ApiError(
                grpc.StatusCode.INTERNAL, f"The model server's answer has no `predictions`: {answer.text[:200]}"
            ) from error
        response = v1.PredictResponse(
            deployed_model_id=deployed.id,
            model=deployed.model,
            model_version_id=deployed.model_version_id,
            model_display_name=self._store.get(v1.Model, f"{deployed.model}@{deployed.model_version_id}").display_name,
        )
        json_format.ParseDict(
            {"predictions": predictions, **({"metadata": content["metadata"]} if "metadata" in content else {})},
            raw(response),
        )
        return response

    def raw_predict(self, request: Any) -> Reply:
        """RawPredict: any body in, the container's own answer out; its deployed model in a header."""
        content_type = request.http_body.content_type or "application/json"
        answer, deployed = self._ask(request.endpoint, request.http_body.data, content_type)
        if answer.status_code >= 400:
            raise _refused(answer)
        body = httpbody_pb2.HttpBody(
            content_type=answer.headers.get("content-type", "application/octet-stream"), data=answer.content
        )
        return Reply(body, {DEPLOYED_HEADER: deployed.id, "x-vertex-ai-model-version-id": deployed.model_version_id})

    def _ask(self, name: str, body: bytes, content_type: str) -> tuple[httpx.Response, Any]:
        with ExitStack() as lease:
            with self._store.lock:  # nobody undeploys between the choice and the lease
                endpoint = self._store.get(v1.Endpoint, name)
                _check_way(endpoint)
                deployed_id = chosen(endpoint.traffic_split)
                replica = lease.enter_context(self._serving.lease(deployed_id))
            dedicated = endpoint.dedicated_endpoint_enabled
            limit_bytes, limit_s = (DEDICATED_BYTES, DEDICATED_S) if dedicated else (SHARED_BYTES, SHARED_S)
            if len(body) > limit_bytes:
                raise invalid(f"Request payload size exceeds the limit: {limit_bytes} bytes.")
            deployed = next(model for model in endpoint.deployed_models if model.id == deployed_id)
            return self._send(replica.url(replica.predict_route), body, content_type, limit_s), deployed

    def _send(self, url: str, body: bytes, content_type: str, limit_s: float) -> httpx.Response:
        try:
            return self._http.post(url, content=body, headers={"content-type": content_type}, timeout=limit_s)
        except httpx.TimeoutException as error:
            raise ApiError(
                grpc.StatusCode.DEADLINE_EXCEEDED, f"The model server did not answer within {limit_s:g} s."
            ) from error
        except httpx.HTTPError as error:
            raise ApiError(grpc.StatusCode.UNAVAILABLE, f"The model server is not available: {error}") from error


def plain(value: Any) -> Any:
    """JSON as Google sends it on: a number without fraction, which a protobuf Value holds as float, is an integer."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_way(endpoint: Any) -> None:
    """A dedicated endpoint answers under its own name alone. Raises ApiError(FAILED_PRECONDITION) in Google's words."""
    own_name, own_id = endpoint.dedicated_endpoint_dns, endpoint.name.rpartition("/")[2]
    if endpoint.dedicated_endpoint_enabled and asked_through.get() not in (own_name, own_id):
        raise failed_precondition(
            "This endpoint is a dedicated endpoint via CloudESF and cannot be accessed through the Vertex AI API. "
            f"Please access the endpoint using its dedicated dns name '{own_name}'"
        )


def _refused(answer: httpx.Response) -> ApiError:
    by_status = {
        404: grpc.StatusCode.NOT_FOUND,
        429: grpc.StatusCode.RESOURCE_EXHAUSTED,
        503: grpc.StatusCode.UNAVAILABLE,
        504: grpc.StatusCode.DEADLINE_EXCEEDED,
    }
    default = grpc.StatusCode.INVALID_ARGUMENT if answer.status_code < 500 else grpc.StatusCode.INTERNAL
    return ApiError(
        by_status.get(answer.status_code, default),
        f"Prediction failed: the model server answered {answer.status_code}: {answer.text[:2000]}",
    )
