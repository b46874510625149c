"""Where rows may come from: what a configuration's `source` can be, told apart by `kind`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evergreen.core.kinds import Kinds
from evergreen.core.members import SourceSettings

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

if TYPE_CHECKING:
    AnySource = SourceSettings
else:

    def __getattr__(name: str) -> Any:
        """`AnySource`: every kind of source that is installed, found when it is first asked for."""
        if name == "AnySource":
            return SOURCES.union
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
