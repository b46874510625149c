"""Tables: `tables.insert`, `get`, `list`, `patch`, `delete`, and what changes with their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from cloudbox.bigquery.datasets import Datasets, check_etag, check_name, has_expired, now_ms, with_etag
from cloudbox.bigquery.failures import BigQueryError, duplicate, invalid, not_found, not_simulated
from cloudbox.bigquery.schemas import (
    Field,
    arrow_schema,
    duckdb_columns,
    duckdb_type,
    normal_fields,
    quoted,
    size_expression,
)
from cloudbox.bigquery.warehouse import OWN, Resource, Warehouse

_UNITS = ("HOUR", "DAY", "MONTH", "YEAR")
PARTITION = "_PARTITIONTIME"
"""The pseudocolumn of tables that the time of ingestion partitions: when a row's partition began."""
_NOT_SIMULATED = ("view", "materializedView", "externalDataConfiguration", "rangePartitioning")


@dataclass(frozen=True)
class TableName:
    """`project.dataset.table`."""

    project: str
    dataset: str
    table: str

    @classmethod
    def of(cls, reference: dict[str, str]) -> TableName:
        """From a TableReference."""
        return cls(reference["projectId"], reference["datasetId"], reference["tableId"])

    @property
    def reference(self) -> dict[str, str]:
        """As a TableReference."""
        return {"projectId": self.project, "datasetId": self.dataset, "tableId": self.table}

    @property
    def key(self) -> str:
        """Its name among the project's resources."""
        return f"{self.dataset}.{self.table}"

    @property
    def sql(self) -> str:
        """Its identifier in DuckDB."""
        return quoted(self.project, self.dataset, self.table)

    def __str__(self) -> str:
        return f"{self.project}:{self.dataset}.{self.table}"


@dataclass(frozen=True)
class Tables:
    """The tables of all projects."""

    warehouse: Warehouse
    datasets: Datasets

    def find(self, name: TableName) -> Resource | None:
        """The table, or None where there is none or its time has come."""
        table = self.warehouse.find(name.project, "table", name.key)
        return None if table is None or has_expired(table) else table

    def get(self, name: TableName) -> Resource:
        """The table. Raises BigQueryError where there is none, or no dataset."""
        table = self.find(name)
        if table is None:
            self.datasets.get(name.project, name.dataset)
            raise not_found("Table", str(name))
        return table

    def fields(self, name: TableName) -> list[Field]:
        """The table's columns."""
        fields: list[Field] = self.get(name).get("schema", {}).get("fields", [])
        return fields

    def listed(self, project: str, dataset: str) -> list[Resource]:
        """The dataset's tables, by name."""
        self.datasets.get(project, dataset)
        names = [
            TableName.of(resource["tableReference"])
            for resource in self.warehouse.listed(project, "table", f"{dataset}.")
        ]
        return [table for name in names if (table := self.find(name))]

    def insert(self, name: TableName, body: Resource) -> Resource:
        """The new, empty table. Raises BigQueryError where it is there already, or no dataset."""
        dataset = self.datasets.get(name.project, name.dataset)
        check_name("table", name.table)
        if self.find(name):
            raise duplicate("Table", str(name))
        self._drop_expired(name)
        made = _checked(body) | {
            "kind": "bigquery#table",
            "id": str(name),
            "type": "TABLE",
            "tableReference": name.reference,
            "creationTime": now_ms(),
            "location": dataset["location"],
        }
        lifetime = dataset.get("defaultTableExpirationMs")
        if lifetime and "expirationTime" not in made:
            made["expirationTime"] = str(int(now_ms()) + int(lifetime))
        with self.warehouse.changing() as cursor:
            if self.find(name):  # another request was quicker
                raise duplicate("Table", str(name))
            # A table needs a column; BigQuery's may have none until something is loaded.
            columns = duckdb_columns(made["schema"]["fields"]) or '"_box_empty" BOOLEAN'
            if is_by_ingestion(made):
                columns += f", {quoted(PARTITION)} TIMESTAMPTZ DEFAULT {_present(made)}"
            cursor.execute(f"CREATE TABLE {name.sql} ({columns})")
            return self._put_with_counts(cursor, name, made)

    def patch(self, name: TableName, body: Resource, expected: str | None) -> Resource:
        """The table with the given properties changed; columns may be added, none removed or retyped."""
        table = self.get(name)
        fixed = {key: table[key] for key in ("id", "tableReference", "creationTime", "location", "kind", "type")}
        changed = {key: value for key, value in (table | body | fixed).items() if value is not None}
        changed = _checked(changed)
        with self.warehouse.changing() as cursor:
            check_etag(self.get(name), expected)  # of two that read the same state, one is too late
            for field in _added(table["schema"]["fields"], changed["schema"]["fields"], name):
                cursor.execute(f"ALTER TABLE {name.sql} ADD COLUMN {quoted(field['name'])} {duckdb_type(field)}")
                cursor.execute(f'ALTER TABLE {name.sql} DROP COLUMN IF EXISTS "_box_empty"')
            return self._put_with_counts(cursor, name, changed)

    def delete(self, name: TableName) -> None:
        """Removes the table. Raises BigQueryError where there is none."""
        self.get(name)
        self._drop(name)

    def recount(self, cursor: duckdb.DuckDBPyConnection, name: TableName) -> Resource:
        """Counts rows and bytes anew after a change of the rows, within that change."""
        return self._put_with_counts(cursor, name, self.warehouse.get(name.project, "table", name.key))

    def empty_buffer(self, cursor: duckdb.DuckDBPyConnection, name: TableName) -> None:
        """Gives the rows that were streamed the present partition, where partitions are made by ingestion."""
        table = self.get(name)
        if is_by_ingestion(table):
            column = quoted(PARTITION)
            cursor.execute(f"UPDATE {name.sql} SET {column} = {_present(table)} WHERE {column} IS NULL")

    def as_of(self, cursor: duckdb.DuckDBPyConnection, name: TableName, moment_ms: int) -> TableName:
        """Where the table's rows of that moment are, kept from now on: a copy that later changes leave as it is.

        Raises:
            BigQueryError: the rows have changed since that moment, and nobody asked for them until then.
        """
        changes: list[int] = self.warehouse.get(name.project, "history", name.key)["changes"]
        state = max((one for one in changes if one <= moment_ms), default=None)
        if state is None:
            raise invalid(f"Invalid snapshot time {moment_ms} for table {name}: it is before the table's creation time")
        copy = TableName(name.project, OWN, f"{name.key}@{state}")
        if state == changes[-1]:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {copy.sql} AS SELECT * FROM {name.sql}")
        elif not self._is_kept(cursor, copy):
            raise not_simulated("rows of a past moment that no query named before they changed")
        return copy

    def _is_kept(self, cursor: duckdb.DuckDBPyConnection, copy: TableName) -> bool:
        found = cursor.execute(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
            [copy.project, copy.dataset, copy.table],
        ).fetchall()
        return bool(found)

    def rows(self, name: TableName, fields: Sequence[Field], start: int, count: int) -> list[dict[str, Any]]:
        """`count` rows from number `start`, in the order they were written."""
        columns = ", ".join(quoted(field["name"]) for field in fields)
        with self.warehouse.reading() as cursor:
            table: pa.Table = cursor.sql(
                f"SELECT {columns} FROM {name.sql} LIMIT ? OFFSET ?",
                params=[count, start],
            ).to_arrow_table()
        rows: list[dict[str, Any]] = as_schema(table, arrow_schema(fields)).to_pylist()
        return rows

    def _drop_expired(self, name: TableName) -> None:
        if self.warehouse.find(name.project, "table", name.key):  # there, but `find` says that its time has come
            self._drop(name)

    def _drop(self, name: TableName) -> None:
        with self.warehouse.changing() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {name.sql}")
            self.warehouse.forget(cursor, name.project, "table", name.key)
            self.warehouse.forget(cursor, name.project, "history", name.key)
            self.warehouse.drop_kept(cursor, name.project, f"{name.key}@")

    def _put_with_counts(self, cursor: duckdb.DuckDBPyConnection, name: TableName, body: Resource) -> Resource:
        sizes = [f"sum({size_expression(field, quoted(field['name']))})" for field in body["schema"]["fields"]]
        row = cursor.execute(f"SELECT count(*), {' + '.join(sizes) or 0} FROM {name.sql}").fetchone() or (0, 0)
        counts = {"numRows": str(row[0]), "numBytes": str(int(row[1] or 0)), "lastModifiedTime": now_ms()}
        counted = with_etag(body | counts | {"numLongTermBytes": "0"})
        self.warehouse.put(cursor, name.project, "table", name.key, counted)
        history = self.warehouse.find(name.project, "history", name.key) or {"changes": []}
        changes = [*history["changes"], int(counts["lastModifiedTime"])]
        self.warehouse.put(cursor, name.project, "history", name.key, {"changes": changes})
        return counted


def as_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """DuckDB's columns in the types that BigQuery sends; absent arrays are empty ones."""
    columns = []
    for column, field in zip(table.columns, schema, strict=True):
        cast = column.cast(field.type)
        if pa.types.is_list(field.type) and cast.null_count:
            cast = pa.chunked_array([pa.array([value or [] for value in cast.to_pylist()], field.type)])
        columns.append(cast)
    return pa.Table.from_arrays(columns, schema=schema)


def partitioned_by(table: Resource) -> tuple[str, str] | None:
    """Column and unit (DAY, …) of the table's partitions, or None."""
    partitioning = table.get("timePartitioning")
    return (partitioning.get("field") or PARTITION, partitioning.get("type", "DAY")) if partitioning else None


def is_by_ingestion(table: Resource) -> bool:
    """Whether the time of ingestion makes the table's partitions."""
    return (partitioned_by(table) or ("",))[0] == PARTITION


def readable_fields(table: Resource) -> list[Field]:
    """The columns that a query may name."""
    hidden: list[Field] = [{"name": PARTITION, "type": "TIMESTAMP", "mode": "NULLABLE"}]
    fields: list[Field] = table.get("schema", {}).get("fields", [])
    return fields + (hidden if is_by_ingestion(table) else [])


def _present(table: Resource) -> str:
    """SQL for when the present partition began."""
    _, unit = partitioned_by(table) or ("", "DAY")
    return f"date_trunc('{unit.lower()}', now())"


def needs_filter(table: Resource) -> bool:
    """Whether a query must choose partitions."""
    partitioning = table.get("timePartitioning") or {}
    return bool(table.get("requirePartitionFilter") or partitioning.get("requirePartitionFilter"))


def _checked(body: Resource) -> Resource:
    """The resource with normal column types. Raises BigQueryError for what cannot be made."""
    for key in _NOT_SIMULATED:
        if body.get(key):
            raise not_simulated(f"table property '{key}'")
    fields = normal_fields(body.get("schema", {}).get("fields", []))
    kinds = {field["name"].lower(): field["type"] for field in fields}
    partitioning = body.get("timePartitioning")
    if partitioning:
        _check_partitioning(partitioning, kinds)
    for column in (body.get("clustering") or {}).get("fields", []):
        if column.lower() not in kinds:
            raise invalid(f"The field specified for clustering cannot be found in the schema: {column}")
    return body | {"schema": {"fields": fields}}


def _check_partitioning(partitioning: dict[str, Any], kinds: dict[str, str]) -> None:
    column = partitioning.get("field")
    if partitioning.get("type", "DAY") not in _UNITS:
        raise invalid(
            f"Invalid value for type: {partitioning['type']} is not a valid value (allowed: {', '.join(_UNITS)})"
        )
    if column and kinds.get(column.lower()) not in ("TIMESTAMP", "DATE", "DATETIME"):
        raise invalid(
            f"The field specified for time partitioning can only be of type TIMESTAMP, DATE or DATETIME. "
            f"The type found for field {column} is: {kinds.get(column.lower(), 'none, the schema lacks it')}."
        )


def _added(old: Sequence[Field], new: Sequence[Field], name: TableName) -> list[Field]:
    kinds = {column["name"].lower(): duckdb_type(column) for column in new}
    for field in old:
        if kinds.get(field["name"].lower()) != duckdb_type(field):
            raise BigQueryError(
                "invalid",
                f"Provided Schema does not match Table {name}. Field {field['name']} is missing in new schema "
                "or has changed type",
            )
    present = {column["name"].lower() for column in old}
    return [column for column in new if column["name"].lower() not in present]
