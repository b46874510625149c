"""BigQuery's errors, in the shape that its REST interface and its jobs give them.

{"error": {"code": 404, "message": "Not found: Table p:d.t", "errors": [{"reason": "notFound", …}], "status": …}}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

_CODES = {
    "accessDenied": 403,
    "conditionNotMet": 412,
    "duplicate": 409,
    "notFound": 404,
    "notImplemented": 501,
    "quotaExceeded": 403,
    "backendError": 503,
}
_STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
    412: grpc.StatusCode.FAILED_PRECONDITION,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
}


@dataclass(eq=False)
class BigQueryError(Exception):
    """What a call or a job fails with; `reason` is Google's word for it, `location` the part of the request."""

    reason: str
    message: str
    location: str | None = None

    def __str__(self) -> str:
        return self.message

    @property
    def code(self) -> int:
        """The HTTP status: 400 for every reason that Google gives no other."""
        return _CODES.get(self.reason, 400)

    @property
    def status(self) -> grpc.StatusCode:
        """The same for gRPC."""
        return _STATUS[self.code]

    @property
    def proto(self) -> dict[str, str]:
        """The error as a job's status and a row's insert error carry it."""
        located = {"location": self.location} if self.location else {}
        return {"reason": self.reason, **located, "message": self.message}

    @property
    def body(self) -> dict[str, Any]:
        """The error as the answer of a REST call."""
        error = {
            "code": self.code,
            "message": self.message,
            "errors": [{"domain": "global", **self.proto}],
            "status": self.status.name,
        }
        return {"error": error}


def not_found(kind: str, name: str) -> BigQueryError:
    """`kind` is Project, Dataset, Table or Job; `name` is `project:dataset.table`."""
    return BigQueryError("notFound", f"Not found: {kind} {name}")


def duplicate(kind: str, name: str) -> BigQueryError:
    """The thing is there already."""
    return BigQueryError("duplicate", f"Already Exists: {kind} {name}")


def invalid(message: str) -> BigQueryError:
    """A request or a row that cannot be used."""
    return BigQueryError("invalid", message)


def invalid_query(message: str) -> BigQueryError:
    """SQL that cannot be run."""
    return BigQueryError("invalidQuery", message, "query")


def not_simulated(what: str) -> BigQueryError:
    """Something that BigQuery has and the box has not."""
    return BigQueryError("notImplemented", f"{what}: BigQuery in the box does not simulate this")


def failed_query(error: Exception) -> BigQueryError:
    """What DuckDB says of a query that it cannot run; a function that it lacks is the box's fault, not the query's."""
    first = str(error).splitlines()[0]
    return not_simulated(first) if "Function with name" in first else invalid_query(first)
