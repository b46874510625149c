"""INFORMATION_SCHEMA views of a dataset: TABLES, COLUMNS and PARTITIONS, made from the resources when asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from cloudbox.bigquery.failures import not_found
from cloudbox.bigquery.schemas import Field, arrow_schema, quoted
from cloudbox.bigquery.tables import TableName, Tables, is_by_ingestion, partitioned_by
from cloudbox.bigquery.warehouse import Resource

PREFIX = "INFORMATION_SCHEMA."
_FORMATS = {"HOUR": "%Y%m%d%H", "DAY": "%Y%m%d", "MONTH": "%Y%m", "YEAR": "%Y"}

_Row = dict[str, Any]
_KINDS = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}


def _columns(**kinds: str) -> list[Field]:
    return [{"name": name, "type": kind, "mode": "NULLABLE"} for name, kind in kinds.items()]


_NAME = _columns(table_catalog="STRING", table_schema="STRING", table_name="STRING")
_VIEWS: dict[str, list[Field]] = {
    "TABLES": _NAME + _columns(table_type="STRING", creation_time="TIMESTAMP"),
    "COLUMNS": _NAME
    + _columns(
        column_name="STRING",
        ordinal_position="INTEGER",
        is_nullable="STRING",
        data_type="STRING",
        is_partitioning_column="STRING",
    ),
    "PARTITIONS": _NAME + _columns(partition_id="STRING", total_rows="INTEGER", last_modified_time="TIMESTAMP"),
}


def is_view(name: TableName) -> bool:
    """Whether the name is one of INFORMATION_SCHEMA's."""
    return name.table.upper().startswith(PREFIX)


def view_fields(name: TableName) -> list[Field]:
    """The view's columns. Raises BigQueryError for one that the box lacks."""
    view = name.table.upper().removeprefix(PREFIX)
    if view not in _VIEWS:
        raise not_found("Table", f"{name} (BigQuery in the box has {', '.join(_VIEWS)})")
    return _VIEWS[view]


def view_rows(name: TableName, tables: Tables, cursor: duckdb.DuckDBPyConnection) -> pa.Table:
    """The view's rows."""
    view = name.table.upper().removeprefix(PREFIX)
    makers: dict[str, Callable[[TableName, Resource], list[_Row]]] = {
        "TABLES": lambda _, body: [{"table_type": "BASE TABLE", "creation_time": _moment(body["creationTime"])}],
        "COLUMNS": lambda _, body: _column_rows(body),
        "PARTITIONS": lambda table_name, body: _partition_rows(table_name, body, cursor),
    }
    rows: list[_Row] = []
    for body in tables.listed(name.project, name.dataset):
        table = TableName.of(body["tableReference"])
        named = {"table_catalog": table.project, "table_schema": table.dataset, "table_name": table.table}
        rows += [named | row for row in makers[view](table, body)]
    return pa.Table.from_pylist(rows, arrow_schema(view_fields(name)))


def _column_rows(body: Resource) -> list[_Row]:
    partition = (partitioned_by(body) or ("", ""))[0]
    return [
        {
            "column_name": field["name"],
            "ordinal_position": position,
            "is_nullable": "NO" if field["mode"] == "REQUIRED" else "YES",
            "data_type": _type_name(field),
            "is_partitioning_column": "YES" if field["name"] == partition else "NO",
        }
        for position, field in enumerate(body["schema"]["fields"], start=1)
    ]


def _type_name(field: Field) -> str:
    name: str = _KINDS.get(field["type"]) or field["type"]
    if field["type"] == "RECORD":
        name += f"<{', '.join(inner['name'] + ' ' + _type_name(inner) for inner in field['fields'])}>"
    return f"ARRAY<{name}>" if field["mode"] == "REPEATED" else name


def _partition_rows(name: TableName, body: Resource, cursor: duckdb.DuckDBPyConnection) -> list[_Row]:
    changed = {"last_modified_time": _moment(body["lastModifiedTime"])}
    partition = partitioned_by(body)
    if partition is None:
        return [{"partition_id": None, "total_rows": int(body["numRows"]), **changed}]
    column, unit = partition
    unknown = "__UNPARTITIONED__" if is_by_ingestion(body) else "__NULL__"
    counted = cursor.execute(
        f"SELECT strftime({quoted(column)}::TIMESTAMP, '{_FORMATS[unit]}') AS id, count(*) FROM {name.sql} "
        "GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return [{"partition_id": partition_id or unknown, "total_rows": rows, **changed} for partition_id, rows in counted]


def _moment(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
