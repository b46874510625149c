"""What a configuration's `source`, `host` and `publish` can be: kinds shipped here, and those of installed packages.

Each is told apart by `kind`; a package offers its own by an entry point of the group below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evergreen.core.kinds import Kinds
from evergreen.core.members import HostSettings, PublisherSettings, SourceSettings

SOURCES = Kinds(
    "evergreen.sources",
    {
        "files": "evergreen.adapters.files.settings:FilesSettings",
        "huggingface": "evergreen.adapters.huggingface.settings:HuggingFaceSettings",
        "bigquery": "evergreen.adapters.bigquery.settings:BigQuerySettings",
        "shapes": "evergreen.adapters.shapes.settings:ShapesSettings",
        "oxford_pets": "evergreen.adapters.oxford_pets.settings:OxfordPetsSettings",
    },
)
HOSTS = Kinds(
    "evergreen.hosts",
    {
        "local_endpoint": "evergreen.adapters.local_endpoint.settings:LocalHostSettings",
        "vertex_endpoint": "evergreen.adapters.vertex.settings:VertexHostSettings",
    },
)
PUBLISHERS = Kinds(
    "evergreen.publishers",
    {"huggingface_hub": "evergreen.adapters.huggingface_publish.settings:HuggingFaceHubSettings"},
)

if TYPE_CHECKING:
    AnySource = SourceSettings
    AnyHost = HostSettings
    AnyPublisher = PublisherSettings
else:

    def __getattr__(name: str) -> Any:
        """`AnySource`, `AnyHost`, `AnyPublisher`: every kind that is installed, found when one is first asked for."""
        match name:
            case "AnySource":
                return SOURCES.union
            case "AnyHost":
                return HOSTS.union
            case "AnyPublisher":
                return PUBLISHERS.union
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
