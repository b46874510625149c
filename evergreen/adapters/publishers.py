"""Where versions may be published: what a configuration's `publish` can be, told apart by `kind`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evergreen.core.kinds import Kinds
from evergreen.core.members import PublisherSettings

PUBLISHERS = Kinds(
    "evergreen.publishers",
    {"huggingface_hub": "evergreen.adapters.huggingface_publish.settings:HuggingFaceHubSettings"},
)

if TYPE_CHECKING:
    AnyPublisher = PublisherSettings
else:

    def __getattr__(name: str) -> Any:
        """`AnyPublisher`: every kind of publisher that is installed, found when it is first asked for."""
        if name == "AnyPublisher":
            return PUBLISHERS.union
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
