"""The state of a local endpoint for tests that start no process of its own."""

from __future__ import annotations

from typing import Any

from evergreen.adapters.local_endpoint.state import EndpointState


def endpoint_state(**fields: Any) -> EndpointState:
    """Of model `news`, whose workers end at once; `fields` are added, or take the place of its own."""
    given: dict[str, Any] = {
        "model": "news",
        "host": "127.0.0.1",
        "port": 0,
        "worker_command": ("false",),
        "threads": 1,
        "startup_timeout_s": 1,
        "request_timeout_s": 1,
        "drain_timeout_s": 1,
    }
    return EndpointState(**given | fields)
