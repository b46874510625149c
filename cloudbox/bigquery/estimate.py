"""Bytes that a query is billed for: those of the columns it touches, in the partitions it chooses."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from cloudbox.bigquery.failures import BigQueryError, invalid_query
from cloudbox.bigquery.information_schema import is_view, view_fields
from cloudbox.bigquery.parameters import Parameters
from cloudbox.bigquery.schemas import Field, quoted, size_expression
from cloudbox.bigquery.statements import Statement, Touched, duckdb_sql, touched, without_tables
from cloudbox.bigquery.tables import TableName, Tables, needs_filter, partitioned_by, readable_fields

_LEAST_BILLED = 10 * 1024 * 1024


@dataclass(frozen=True)
class Estimator:
    """Sizes of what statements read."""

    tables: Tables

    def check(self, statement: Statement) -> dict[TableName, Touched]:
        """What is read of each table.

        Raises:
            BigQueryError: a table or a column that is not there, or no choice of partitions where one is required.
        """
        columns: dict[TableName, list[Field]] = {}
        partitioned: dict[TableName, str] = {}
        required: list[TableName] = []
        for name in statement.tables:
            columns[name] = view_fields(name) if is_view(name) else readable_fields(self.tables.get(name))
            if not is_view(name):
                body = self.tables.get(name)
                partition = partitioned_by(body)
                partitioned |= {name: partition[0]} if partition else {}
                required += [name] if needs_filter(body) else []
        reads = touched(statement, columns, partitioned)
        for name in required:
            if not reads[name].conditions and statement.kind not in ("INSERT", "TRUNCATE_TABLE"):
                raise invalid_query(
                    f"Cannot query over table '{name.project}.{name.dataset}.{name.table}' without a filter over "
                    f"column(s) '{partitioned[name]}' that can be used for partition elimination"
                )
        return reads

    def bytes(self, read: dict[TableName, Touched], parameters: Parameters) -> int:
        """Bytes of the touched columns in the chosen partitions."""
        with self.tables.warehouse.reading() as cursor:
            return sum(
                self._of_table(name, touched_columns, parameters, cursor)
                for name, touched_columns in read.items()
                if not is_view(name)
            )

    def _of_table(
        self, name: TableName, read: Touched, parameters: Parameters, cursor: duckdb.DuckDBPyConnection
    ) -> int:
        wanted = {column.lower() for column in read.columns}
        fields: list[Field] = [field for field in self.tables.fields(name) if field["name"].lower() in wanted]
        if not fields:
            return 0
        sizes = " + ".join(f"sum({size_expression(field, quoted(field['name']))})" for field in fields)
        chosen, values = self._chosen(name, read, parameters)
        row = cursor.execute(f"SELECT {sizes} FROM {name.sql}{chosen}", values).fetchone()
        return int((row[0] if row else 0) or 0)

    def _chosen(self, name: TableName, read: Touched, parameters: Parameters) -> tuple[str, dict[str, object]]:
        partition = partitioned_by(self.tables.get(name))
        if partition is None or not read.conditions:
            return "", {}
        unit = f"date_trunc('{partition[1].lower()}', {quoted(partition[0])})"
        conditions: list[str] = []
        values: dict[str, object] = {}
        for condition in read.conditions:
            sql, needed = duckdb_sql(without_tables(condition), parameters)
            conditions.append(f"({sql})")
            values |= needed
        rows = f"SELECT {unit} FROM {name.sql} WHERE {' AND '.join(conditions)}"
        return f" WHERE {unit} IN ({rows})", values


def billed(processed: int) -> int:
    """Bytes billed for bytes processed: whole MiB, at least 10 where there is anything."""
    mebibyte = 1 << 20
    return max(_LEAST_BILLED, -(-processed // mebibyte) * mebibyte) if processed else 0


def check_limit(processed: int, limit: int | None) -> None:
    """Raises BigQueryError where a query would be billed for more than `limit` bytes."""
    if limit is not None and billed(processed) > limit:
        raise BigQueryError(
            "bytesBilledLimitExceeded",
            f"Query exceeded limit for bytes billed: {limit}. {billed(processed)} or higher required.",
        )
