"""What the source `bigquery` is told: a table, or a query in a file of its own.

kind: bigquery
project: my-project
location: EU
table: news.articles
columns: {text: content, timestamp: published_at}

kind: bigquery
project: my-project
table: news.loads
columns: {id: article_id, text: content}
arrived: ingestion
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from evergreen.core.errors import InputError
from evergreen.core.members import SourceSettings
from evergreen.core.names import LABEL_KEY, LABEL_VALUE, written_as
from evergreen.data.row_fields import Joined, RowFields

Project = Annotated[
    str,
    AfterValidator(written_as(r"[a-z][a-z0-9-]{4,61}[a-z0-9]", "the id of a Google project, such as news-production")),
]
LabelKey = Annotated[str, AfterValidator(LABEL_KEY.check)]
LabelValue = Annotated[str, AfterValidator(LABEL_VALUE.check)]
_GIBIBYTE = 1 << 30
_TABLE = re.compile(
    r"(?:(?P<project>[a-z][a-z0-9-]{4,61}[a-z0-9])\.)?(?P<dataset>\w{1,1024})\.(?P<table>[\w-]{1,1024})"
)
_COLUMN = re.compile(r"[^\W\d]\w{0,299}")
_FIELD = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


@dataclass(frozen=True)
class TableId:
    """`project.dataset.table`."""

    project: str
    dataset: str
    table: str

    @classmethod
    def parse(cls, text: str, project: str) -> TableId:
        """From `dataset.table` or `project.dataset.table`. Raises ValueError for anything else."""
        match = _TABLE.fullmatch(text)
        if not match:
            raise ValueError(f"'{text}' names no BigQuery table (allowed: dataset.table or project.dataset.table)")
        return cls(match["project"] or project, match["dataset"], match["table"])

    @property
    def quoted(self) -> str:
        """As SQL writes it."""
        return f"`{self.project}`.`{self.dataset}`.`{self.table}`"

    def __str__(self) -> str:
        return f"{self.project}.{self.dataset}.{self.table}"


def quoted_column(name: str) -> str:
    """The column as SQL writes it. Raises ValueError for what can name none."""
    if _FIELD.fullmatch(name):
        raise ValueError(f"'{name}' is a field of a record; give it a name of its own in a source.query_file")
    if not _COLUMN.fullmatch(name):
        raise ValueError(f"'{name}' names no BigQuery column (allowed: letters, digits and '_', no digit first)")
    return f"`{name}`"


class BigQuerySettings(RowFields, SourceSettings):
    """Rows of one table (`dataset.table`), or of the SQL in `query_file`.

    A query file lies below the project's folder, as `configs/sql/news.sql` does, and is named relative to it, so that
    it travels with the code; it uses `@window_start` and `@window_end` where the run has a window. The job is refused
    above `maximum_bytes_billed`; `job_labels` show in billing; `retry_deadline_s` bounds how long a busy BigQuery is
    asked again, and how long no row may arrive. With `arrived: ingestion` the table is partitioned by hour or day of
    ingestion, and rows came when their partition ended; those that have none yet are left for later.
    """

    source: ClassVar[str] = "evergreen.adapters.bigquery.source:BigQuerySource"
    tells_ingestion: ClassVar[bool] = True
    fetching: ClassVar[frozenset[str]] = frozenset(
        {"maximum_bytes_billed", "job_labels", "streams", "retry_deadline_s"}
    )
    places: ClassVar[frozenset[str]] = (  # what is read, the SQL and the tables' states say
        RowFields.places | fetching | {"project", "location", "table", "query_file"}
    )

    kind: Literal["bigquery"] = "bigquery"
    project: Project
    location: str = "US"
    table: str | None = None
    query_file: str | None = None
    maximum_bytes_billed: PositiveInt = 10 * _GIBIBYTE
    job_labels: dict[LabelKey, LabelValue] = {}
    streams: Annotated[int, Field(ge=1, le=64)] = 4
    retry_deadline_s: PositiveFloat = 300.0

    @field_validator("columns")
    @classmethod
    def _columns_can_be_quoted(cls, columns: dict[str, str | Joined]) -> dict[str, str | Joined]:
        for named in columns.values():
            for column in (named,) if isinstance(named, str) else named:
                quoted_column(column)
        return columns

    @model_validator(mode="after")
    def _names_one_origin(self) -> Self:
        if (self.table is None) == (self.query_file is None):
            raise ValueError("set either table or query_file, not both")
        if self.table is not None:
            TableId.parse(self.table, self.project)
        return self

    @model_validator(mode="after")
    def _ingestion_is_of_a_table(self) -> Self:
        if self.arrived and self.query_file is not None:
            raise ValueError("arrived: ingestion is for a table; set source.table instead of query_file")
        return self

    def check_incremental(self) -> None:
        """Raises InputError where no columns tell which rows are new, or a query chooses them."""
        self.check_arrivals()
        if self.query_file is not None:
            raise InputError(
                "data: incremental reads one state of a table, which source.query_file does not name; set source.table "
                "instead, or data: all"
            )

    @property
    def table_id(self) -> TableId | None:
        """The table; None where a query file chooses the rows."""
        return TableId.parse(self.table, self.project) if self.table is not None else None

    @property
    def read_from(self) -> dict[str, str]:
        """The table with its project, or the query file."""
        return {"kind": self.kind, "query_file" if self.query_file else "table": self.what}

    @property
    def what(self) -> str:
        """The table or the query file, as messages name it."""
        return self.query_file or str(self.table_id)
