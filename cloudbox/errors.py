"""What a service of the box answers when it says no, in gRPC's and in Google's REST shape.

raise ApiError(grpc.StatusCode.NOT_FOUND, "Endpoint `projects/p/locations/l/endpoints/1` is not found.")
-> {"error": {"code": 404, "message": "Endpoint `…` is not found.", "status": "NOT_FOUND"}}
"""

from __future__ import annotations

from typing import Any

import grpc

HTTP_STATUS = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
"""HTTP status by gRPC status, as google.rpc.Code documents it."""


class ApiError(Exception):
    """An answer that is an error: its gRPC status and the sentence that the caller reads."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def number(self) -> int:
        """Number of the status, as google.rpc.Status carries it: 5 for NOT_FOUND."""
        number: int = self.code.value[0]
        return number

    @property
    def http_status(self) -> int:
        """HTTP status of the REST answer."""
        return HTTP_STATUS[self.code]

    def body(self) -> dict[str, Any]:
        """Body of the REST answer, in Google's error shape."""
        return {"error": {"code": self.http_status, "message": self.message, "status": self.code.name}}


def invalid(message: str) -> ApiError:
    """The request is wrong whatever the state of the service."""
    return ApiError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(kind: str, name: str) -> ApiError:
    """No resource of this kind has this name."""
    return ApiError(grpc.StatusCode.NOT_FOUND, f"{kind} `{name}` is not found.")


def already_exists(kind: str, name: str) -> ApiError:
    """A resource of this name is there already."""
    return ApiError(grpc.StatusCode.ALREADY_EXISTS, f"{kind} `{name}` already exists.")


def failed_precondition(message: str) -> ApiError:
    """The request is well formed; the state of the resource forbids it."""
    return ApiError(grpc.StatusCode.FAILED_PRECONDITION, message)
