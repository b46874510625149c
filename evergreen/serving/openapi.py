"""The server's description of itself, OpenAPI 3.1: what it takes and answers with the model that it holds.

GET /openapi.json
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from evergreen.core.predictors import Interface
from evergreen.serving.settings import ServerSettings

REFUSALS = {
    400: "The request cannot be used; `instance` is the place of the instance that it fails on.",
    403: "A page of another site asks.",
    408: "The body did not come in time.",
    413: "The body, what it unpacks to, or the answer is too large.",
    415: "The body is something other than JSON in UTF-8.",
    417: "The Expect header asks for more than `100-continue`.",
    421: "The Host header names another host.",
    500: "The server failed; its log has the trace id.",
    503: "The model is loading, the server drains, or the caller's time was over.",
}


def described(settings: ServerSettings, interface: Interface, version: str) -> dict[str, Any]:
    """The document; `interface` and `version` are the model's."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Evergreen prediction server", "version": version or "loading"},
        "paths": {
            settings.predict_route: {"post": _predict(settings, interface)},
            settings.health_route: {"get": _health()},
        },
        "components": {"schemas": {"Error": _ERROR}},
    }


def _predict(settings: ServerSettings, interface: Interface) -> dict[str, Any]:
    instances = {
        "type": "array",
        "items": dict(interface.instance),
        "minItems": 1,
        "maxItems": settings.max_instances,
    }
    parameters = {"anyOf": [dict(interface.parameters), {"type": "null"}]}
    request = _object({"instances": instances}, parameters=parameters)
    if interface.examples:
        request["examples"] = [{"instances": list(interface.examples)}]
    refusals = REFUSALS | {settings.full_status: "Too much waits; ask again after `Retry-After`."}
    return {
        "summary": "Predictions, one an instance",
        "operationId": "predict",
        "requestBody": {"required": True, "content": _json(request)},
        "responses": {
            "200": _answer(interface),
            **{str(status): _refusal(status, refusals[status]) for status in sorted(refusals)},
        },
    }


def _answer(interface: Interface) -> dict[str, Any]:
    text = {"type": "string"}
    metadata = _object({"model_version": text, "trace_id": text, "engine": text})
    predictions = {"type": "array", "items": dict(interface.prediction)}
    content = _json(_object({"predictions": predictions, "metadata": metadata}))
    return {"description": "Predictions in the order of the instances.", "content": content}


def _health() -> dict[str, Any]:
    ready = _object({"status": {"const": "ready"}, "model_version": {"type": "string"}})
    return {
        "summary": "Whether predictions are answered",
        "operationId": "health",
        "responses": {
            "200": {"description": "They are.", "content": _json(ready)},
            **{str(status): _refusal(status, REFUSALS[status]) for status in (400, 403, 417, 421, 503)},
        },
    }


def _refusal(status: int, description: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": description,
        "content": _json({"$ref": "#/components/schemas/Error"}),
    }
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        seconds = {"type": "integer", "minimum": 1}
        answer["headers"] = {"Retry-After": {"description": "Seconds.", "schema": seconds}}
    return answer


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _object(properties: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties | optional,
        "required": list(properties),
        "additionalProperties": False,
    }


_ERROR = _object(
    {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "trace_id": {"type": "string"},
                "instance": {"type": "integer", "minimum": 0},
            },
            "required": ["message", "trace_id"],
            "additionalProperties": False,
        }
    }
)
