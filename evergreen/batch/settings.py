"""Where predictions go: files or a table.

output: {kind: files, path: gs://news/predictions}
output: {kind: bigquery, project: my-project, location: EU, table: news.predictions, write: append}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

from pydantic import Field

from evergreen.adapters.bigquery.output_settings import BigQueryOutput
from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.core.batch import PartStore
from evergreen.core.kinds import Settings, behaviour

if TYPE_CHECKING:
    AnyOutput = Settings
else:
    AnyOutput = Annotated[FilesOutput | BigQueryOutput, Field(discriminator="kind")]


def store_of(output: Settings) -> PartStore:
    """What keeps the parts of this output."""
    return cast("PartStore", behaviour(output, "writing"))
