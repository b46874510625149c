"""REST addresses of Vertex AI, read from the `google.api.http` annotations that the real clients carry."""

from __future__ import annotations

import importlib
import re
from typing import Any

from cloudbox.rest import Route

FIRE = "/cloudbox.vertex.Schedules/Fire"
"""The box's own method, which Google does not have: a run of a schedule now."""
SERVICES = ("pipeline", "job", "schedule", "model", "endpoint", "prediction")


def routes() -> list[Route]:
    """Every address of the services, v1 and v1beta1, and of long-running operations of any resource."""
    return [route for service in SERVICES for route in _service_routes(service)] + _operation_routes()


def _service_routes(service: str) -> list[Route]:
    module = importlib.import_module(f"google.cloud.aiplatform_v1.services.{service}_service.transports.rest_base")
    class_name = f"{service.capitalize()}Service"
    transport = getattr(module, f"_Base{class_name}RestTransport")
    service_routes = []
    for name, method in vars(transport).items():
        options: Any = getattr(method, "_get_http_options", None)
        if (
            not name.startswith("_Base")
            or options is None
            or name.endswith(("Operation", "Operations", "Location", "Locations"))
        ):
            continue
        path = f"/google.cloud.aiplatform.v1.{class_name}/{name.removeprefix('_Base')}"
        service_routes += [
            Route(binding["method"].upper(), _pattern(binding["uri"]), path, binding.get("body", ""))
            for binding in options()
            if binding["uri"].startswith("/v1/") and "/publishers/" not in binding["uri"]
        ]
    return service_routes


def _operation_routes() -> list[Route]:
    service, prefix = "/google.longrunning.Operations", "/(?:v1|v1beta1|ui)/"
    pattern = prefix + r"(?P<name>projects/.+/operations/[^/:]+)"
    return [
        Route("GET", re.compile(pattern), f"{service}/GetOperation"),
        Route("DELETE", re.compile(pattern), f"{service}/DeleteOperation"),
        Route("POST", re.compile(pattern + ":cancel"), f"{service}/CancelOperation"),
        Route("POST", re.compile(pattern + ":wait"), f"{service}/WaitOperation", "*"),
        Route("POST", re.compile("/box/(?P<name>projects/.+/schedules/[^/:]+):fire"), FIRE),
        Route("GET", re.compile(prefix + "(?P<name>projects/.+)/operations"), f"{service}/ListOperations"),
    ]


def _pattern(uri: str) -> re.Pattern[str]:
    """`/v1/{parent=projects/*}/endpoints` as a pattern; a dot in a field's path becomes `__`."""
    pieces = re.split(r"(\{[^}]+\})", uri.removeprefix("/v1/"))
    return re.compile("/(?:v1|v1beta1)/" + "".join(_piece(piece) for piece in pieces))


def _piece(piece: str) -> str:
    if not piece.startswith("{"):
        return re.escape(piece)
    field, _, shape = piece[1:-1].partition("=")
    shape = "".join(
        {"**": ".+", "*": "[^/:]+"}.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*)", shape or "*")
    )
    return f"(?P<{field.replace('.', '__')}>{shape})"
