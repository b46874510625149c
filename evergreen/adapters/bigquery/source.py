"""The source `bigquery`: rows of a table, or of a query in a file of its own, within the run's window.

kind: bigquery
project: my-project
location: EU
table: news.articles
columns: {text: content, timestamp: published_at}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from evergreen.adapters.bigquery.query import Query, TableId, file_query, quoted_column, table_query
from evergreen.adapters.bigquery.warehouse import BigQueryWarehouse, Estimate, TableState
from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.errors import InputError
from evergreen.core.intake import IntakeCount
from evergreen.core.spelling import LABEL_KEY, LABEL_VALUE, written_as
from evergreen.data.canonical import canonical_rows, with_row_names
from evergreen.data.dataset import write_dataset
from evergreen.data.row_fields import Joined, RowFields, check_columns, mapped_columns

Project = Annotated[
    str,
    AfterValidator(written_as(r"[a-z][a-z0-9-]{4,61}[a-z0-9]", "the id of a Google project, such as news-production")),
]
LabelKey = Annotated[str, AfterValidator(LABEL_KEY.check)]
LabelValue = Annotated[str, AfterValidator(LABEL_VALUE.check)]
_GIBIBYTE = 1 << 30
RECORDS = {"RECORD", "STRUCT"}


@dataclass(frozen=True)
class _Hidden:
    """Tables behind a query that BigQuery does not show, and how many bytes of all tables it would read."""

    tables: tuple[str, ...]
    bytes: int

    @property
    def mark(self) -> list[int]:
        """What stands for their state."""
        return [self.bytes] if self.tables else []

    @property
    def note(self) -> str:
        """What a person should know of it."""
        listed = ", ".join(self.tables)
        return f"; a change of {listed} is noticed by its size alone, since BigQuery shows no more" if listed else ""


_ALL_SHOWN = _Hidden((), 0)


class BigQuerySource(RowFields):
    """Rows of one table (`dataset.table`), or of the SQL in `query_file`.

    A query file lies below the project's folder, as `configs/sql/news.sql` does, and is named relative to it, so that
    it travels with the code; it uses `@window_start` and `@window_end` where the run has a window. The job is refused
    above `maximum_bytes_billed`; `job_labels` show in billing; `retry_deadline_s` bounds how long a busy BigQuery is
    asked again, and how long no row may arrive.
    """

    places: ClassVar[frozenset[str]] = RowFields.places | {  # what is read, the SQL and the tables' states say
        *("project", "location", "table", "query_file"),
        *("maximum_bytes_billed", "job_labels", "streams", "retry_deadline_s"),
    }

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

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """Window, query and the state of every table behind it (last change, rows, bytes, schema); no row is read.

        Of tables that BigQuery does not show, as those behind an authorized view, it is only the bytes that the query
        would read.

        Raises:
            InputError: no such table or column, no permission, or a query that BigQuery refuses.
            EvergreenError: BigQuery does not answer.
        """
        self.check_window(window)
        warehouse = self._warehouse()
        query = self._query(warehouse, window)
        estimate = self._estimate(warehouse, query)
        named = {TableId.parse(self.table, self.project)} if self.table is not None else set[TableId]()
        states = {table: warehouse.state_behind(table) for table in estimate.tables if table not in named}
        known = {table: state for table, state in states.items() if state is not None}
        hidden = sorted(str(table) for table in states.keys() - known.keys())
        known |= {table: warehouse.state(table) for table in named}
        return self._identity(query, known, window, _Hidden(tuple(hidden), estimate.bytes))

    def estimate(self, window: ResolvedWindow | None) -> Estimate:
        """Bytes that reading would be billed for, from a dry run. Raises as `identity` does."""
        self.check_window(window)
        warehouse = self._warehouse()
        return self._estimate(warehouse, self._query(warehouse, window))

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The rows as Parquet shards below `out_dir`; memory does not grow with rows.

        Raises:
            InputError: as `identity`, more bytes than `maximum_bytes_billed`, or a row that cannot be used.
            EvergreenError: BigQuery does not answer.
        """
        identity = self.identity(window)
        warehouse = self._warehouse()
        query = self._query(warehouse, window)
        self._check_limit(self._estimate(warehouse, query))
        batches = warehouse.rows(query, self._what, self.maximum_bytes_billed, self.streams)
        count = IntakeCount()
        mapped = (mapped_columns(batch, self, self._what) for batch in batches)
        rows = canonical_rows(with_row_names(mapped, self._what), self, window, count)
        dataset = write_dataset(rows, out_dir, identity, count)
        # Rows that came or went meanwhile, of this window or of none that is read, make another identity.
        manifest = dataset.manifest.model_copy(update={"source": self.identity(window)})
        return Dataset.write(out_dir, manifest)

    def _warehouse(self) -> BigQueryWarehouse:
        return BigQueryWarehouse(self.project, self.location, self.job_labels, self.retry_deadline_s)

    def _query(self, warehouse: BigQueryWarehouse, window: ResolvedWindow | None) -> Query:
        if self.query_file is not None:
            return file_query(Path(self.query_file), window)
        table = TableId.parse(self.table or "", self.project)
        kinds = warehouse.state(table).kinds
        self._check_named(table, kinds)
        present = check_columns(self, list(kinds), f"table '{table}'")
        column = present.get(self.mapping.get("timestamp", ""))
        return table_query(table, list(present.values()), window, (column, kinds[column]) if column else None)

    def _check_named(self, table: TableId, kinds: Mapping[str, str]) -> None:
        """Raises InputError for columns that only SQL can name."""
        for column in self.needed:
            if column.upper().startswith("_PARTITION") and column not in kinds:
                why = "is a pseudocolumn of BigQuery's"
            elif kinds.get(column) in RECORDS:
                why = "is a record"
            else:
                continue
            raise InputError(
                f"column '{column}' of {table} {why}, which source.columns cannot read; select it, or a field of it, "
                "AS a column in a source.query_file"
            )

    def _estimate(self, warehouse: BigQueryWarehouse, query: Query) -> Estimate:
        estimate = warehouse.estimate(query, self._what)
        if self.query_file is not None:
            check_columns(self, estimate.columns, f"what {self.query_file} selects")
        return estimate

    def _check_limit(self, estimate: Estimate) -> None:
        if estimate.bytes > self.maximum_bytes_billed:
            raise InputError(
                f"{self._what} would read {estimate.bytes:,} bytes (allowed: {self.maximum_bytes_billed:,}); "
                f"set source.maximum_bytes_billed to {estimate.bytes} or more, or narrow the window"
            )

    @property
    def _what(self) -> str:
        return self.query_file or str(TableId.parse(self.table or "", self.project))

    def _identity(
        self,
        query: Query,
        states: dict[TableId, TableState],
        window: ResolvedWindow | None,
        hidden: _Hidden = _ALL_SHOWN,
    ) -> SourceIdentity:
        bounds = {name: [kind, value.isoformat()] for name, (kind, value) in query.parameters.items()}
        marks = sorted(state.mark for state in states.values())
        content = json.dumps([query.sql, bounds, self.shaping(), marks, *hidden.mark], sort_keys=True)
        rows = sum(state.rows for state in states.values())
        size = sum(state.bytes for state in states.values()) / 1e6
        changed = max((state.modified for state in states.values()), default="")
        return SourceIdentity(
            kind=self.kind,
            fingerprint=hashlib.sha256(content.encode()).hexdigest(),
            description=f"{self._what} ({rows:,} rows, {size:,.1f} MB, changed {changed}){hidden.note}",
            rows=rows if self.table is not None and window is None and len(states) == 1 and not hidden.tables else None,
            window=window,
            atomic=True,  # one query, which sees a snapshot
        )
