"""Where predictions are written as a BigQuery table.

kind: bigquery
project: my-project
location: EU
table: news.predictions
write: append
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import PositiveFloat, model_validator

from evergreen.adapters.bigquery.settings import LabelKey, LabelValue, Project, TableId
from evergreen.core.kinds import Settings


class BigQueryOutput(Settings):
    """Rows of a table. `write: replace` makes them all that the table holds; one that holds rows of another origin is
    left alone. `append` adds them, once, however often the same rows are predicted by the same version.

    `job_labels` show in billing; `retry_deadline_s` bounds how long a busy BigQuery is asked again.
    """

    writing: ClassVar[str] = "evergreen.adapters.bigquery.predictions:BigQueryPredictions"

    kind: Literal["bigquery"] = "bigquery"
    project: Project
    location: str = "US"
    table: str
    write: Literal["append", "replace"] = "replace"
    job_labels: dict[LabelKey, LabelValue] = {}
    retry_deadline_s: PositiveFloat = 300.0

    @model_validator(mode="after")
    def _names_a_table(self) -> Self:
        TableId.parse(self.table, self.project)
        return self

    @property
    def table_id(self) -> TableId:
        """The table."""
        return TableId.parse(self.table, self.project)
