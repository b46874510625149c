"""The outside world, one module or package per system."""

from typing import Annotated

from pydantic import Field

from evergreen.adapters.bigquery import BigQuerySource
from evergreen.adapters.files import FilesSource
from evergreen.adapters.huggingface import HuggingFaceSource
from evergreen.adapters.package import PackageSource
from evergreen.adapters.shapes import ShapesSource

AnySource = Annotated[
    FilesSource | PackageSource | HuggingFaceSource | BigQuerySource | ShapesSource, Field(discriminator="kind")
]
"""Where rows come from, told apart by `kind`."""

__all__ = ["AnySource", "BigQuerySource", "FilesSource", "HuggingFaceSource", "PackageSource", "ShapesSource"]
