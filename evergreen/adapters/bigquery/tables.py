"""The rows of a table or a query as they are, for prediction; and what any reading of them may not do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.adapters.bigquery.query import Query, file_query, table_query
from evergreen.adapters.bigquery.settings import BigQuerySettings, TableId
from evergreen.adapters.bigquery.warehouse import BigQueryWarehouse, Estimate, TableState
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.batch import Row, Table
from evergreen.core.errors import InputError
from evergreen.data.columns import match_columns

if TYPE_CHECKING:
    import pyarrow as pa

_SETTINGS = "source.columns, or keep"


def table_of(
    settings: BigQuerySettings,
    warehouse: BigQueryWarehouse,
    window: ResolvedWindow | None,
    columns: Sequence[str] | None,
) -> Table:
    """The rows with these columns (None: all), in the order in which one stream gives them; what a query would take is
    checked now.

    Raises:
        InputError: no such table or column, more bytes than `maximum_bytes_billed`, or a query that BigQuery refuses.
        EvergreenError: BigQuery does not answer.
    """
    query = _query(settings, warehouse, window, columns)
    estimate = warehouse.estimate(query, settings.what)
    check_limit(settings, estimate)
    named = _named(columns, estimate.columns, settings.what)
    batches = warehouse.rows(query, settings.what, settings.maximum_bytes_billed, 1)
    chosen = (batch.select(named) for batch in batches)
    first = cache(lambda: next(chosen, None))  # the query is made, and billed, once rows are asked for

    def rows() -> Iterator[Row]:
        begun = first()
        for batch in () if begun is None else chain([begun], chosen):
            yield from batch.to_pylist()

    def schema() -> pa.Schema | None:
        begun = first()
        return None if begun is None else begun.schema

    return Table(rows(), schema)


def _query(
    settings: BigQuerySettings,
    warehouse: BigQueryWarehouse,
    window: ResolvedWindow | None,
    columns: Sequence[str] | None,
) -> Query:
    table = settings.table_id
    if table is None:
        return file_query(Path(settings.what), window)
    state = warehouse.state(table)
    column = settings.mapping.get("timestamp", "")
    moment = (column, state.kinds[column]) if column in state.kinds else None
    if window is None:
        check_whole(table, state, "a prediction without a window asks for all rows: set `window`")
    elif moment is None:
        raise InputError(f"table {table} has no column {column!r} (has: {', '.join(state.kinds)}); set source.columns")
    return table_query(table, _named(columns, list(state.kinds), f"table '{table}'"), window, moment)


def _named(columns: Sequence[str] | None, present: Sequence[str], where: str) -> list[str]:
    """The present columns that are meant. Raises InputError naming those that are missing."""
    return list(
        present if columns is None else match_columns(dict.fromkeys(columns, _SETTINGS), present, where).values()
    )


def check_whole(table: TableId, state: TableState, why: str) -> None:
    """Raises InputError where each query of the table must choose partitions."""
    if state.filtered:
        raise InputError(
            f"table {table} requires a partition filter, and {why}; let it be read whole: "
            f"bq update --norequire_partition_filter {table.project}:{table.dataset}.{table.table}"
        )


def check_limit(settings: BigQuerySettings, estimate: Estimate) -> None:
    """Raises InputError where a query would read more bytes than it may."""
    allowed = settings.maximum_bytes_billed
    if estimate.bytes > allowed:
        raise InputError(
            f"{settings.what} would read {estimate.bytes:,} bytes (allowed: {allowed:,}); "
            f"set source.maximum_bytes_billed to {estimate.bytes} or more, or narrow the window"
        )
