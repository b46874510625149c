"""`tabledata.insertAll`: rows of JSON into a table at once.

Where the time of ingestion makes partitions, rows that are streamed have none until the next call that adds rows;
Google moves them out of its buffer after a time that it does not promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from cloudbox.bigquery.failures import BigQueryError
from cloudbox.bigquery.schemas import arrow_schema, quoted
from cloudbox.bigquery.tables import PARTITION, TableName, Tables, is_by_ingestion
from cloudbox.bigquery.values import parse_row
from cloudbox.bigquery.warehouse import Resource


def insert_rows(tables: Tables, name: TableName, request: Resource) -> Resource:
    """The answer, with `insertErrors` of rows that do not fit; then no row goes in unless invalid ones are skipped."""
    fields = tables.fields(name)
    ignore_unknown = bool(request.get("ignoreUnknownValues"))
    rows, errors = [], {}
    for index, row in enumerate(request.get("rows", [])):
        try:
            rows.append(parse_row(row["json"], fields, ignore_unknown))
        except BigQueryError as error:
            errors[index] = error
    if rows and (not errors or request.get("skipInvalidRows")):
        _write(tables, name, rows)
    return {"kind": "bigquery#tableDataInsertAllResponse"} | _reported(errors, request)


def _write(tables: Tables, name: TableName, rows: Sequence[dict[str, Any]]) -> None:
    fields = tables.fields(name)
    table = pa.Table.from_pylist(list(rows), arrow_schema(fields))
    columns = ", ".join(quoted(field["name"]) for field in fields)
    streamed = is_by_ingestion(tables.get(name))
    with tables.warehouse.changing() as cursor:
        cursor.register("inserted", table)
        tables.empty_buffer(cursor, name)
        into = f"{columns}, {quoted(PARTITION)}" if streamed else columns
        values = f"{columns}, NULL" if streamed else columns
        cursor.execute(f"INSERT INTO {name.sql} ({into}) SELECT {values} FROM inserted")
        tables.recount(cursor, name)


def _reported(errors: dict[int, BigQueryError], request: Resource) -> Resource:
    if not errors:
        return {}
    stopped = BigQueryError("stopped", "")
    count = len(request.get("rows", []))
    refused = (
        errors if request.get("skipInvalidRows") else {index: errors.get(index, stopped) for index in range(count)}
    )
    return {"insertErrors": [{"index": index, "errors": [error.proto]} for index, error in refused.items()]}
