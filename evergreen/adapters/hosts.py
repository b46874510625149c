"""Where a model may be served: what a configuration's `host` can be, told apart by `kind`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evergreen.core.kinds import Kinds
from evergreen.core.members import HostSettings

HOSTS = Kinds(
    "evergreen.hosts",
    {
        "local_endpoint": "evergreen.adapters.local_endpoint.settings:LocalHostSettings",
        "vertex_endpoint": "evergreen.adapters.vertex.settings:VertexHostSettings",
    },
)

if TYPE_CHECKING:
    AnyHost = HostSettings
else:

    def __getattr__(name: str) -> Any:
        """`AnyHost`: every kind of host that is installed, found when it is first asked for."""
        if name == "AnyHost":
            return HOSTS.union
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
