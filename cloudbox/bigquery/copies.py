"""Copy jobs: the rows of tables, one after the other, into another table."""

from __future__ import annotations

from dataclasses import dataclass

from cloudbox.bigquery.failures import duplicate, invalid, not_found, not_simulated
from cloudbox.bigquery.schemas import Field, duckdb_type, quoted
from cloudbox.bigquery.tables import TableName, Tables
from cloudbox.bigquery.warehouse import Resource

MOST_SOURCES = 1_200


@dataclass(frozen=True)
class Copies:
    """Runs copy jobs."""

    tables: Tables

    def run(self, copy: Resource) -> Resource:
        """Statistics of the copy; all rows come at once, in the order of the sources.

        Raises:
            BigQueryError: a source that is not there, tables of different columns, or a table that may not be written.
        """
        given = copy.get("sourceTables") or [copy["sourceTable"]]
        if len(given) > MOST_SOURCES:
            raise invalid(f"Too many source tables: {len(given)} (allowed: {MOST_SOURCES})")
        if copy.get("operationType", "COPY") not in ("COPY", "OPERATION_TYPE_UNSPECIFIED"):
            raise not_simulated(f"copies of type {copy['operationType']}")
        sources = [TableName.of(reference) for reference in given]
        fields = self.tables.fields(sources[0])
        for source in sources[1:]:
            _check_same(fields, self.tables.fields(source), source)
        target = TableName.of(copy["destinationTable"])
        rows = self._copied(copy.get("writeDisposition", "WRITE_EMPTY"), sources, target, fields, copy)
        return {"copy": {"copiedRows": str(rows), "copiedLogicalBytes": self.tables.get(target)["numBytes"]}}

    def _copied(
        self, disposition: str, sources: list[TableName], target: TableName, fields: list[Field], copy: Resource
    ) -> int:
        table = self.tables.find(target)
        if table is None and copy.get("createDisposition") == "CREATE_NEVER":
            raise not_found("Table", str(target))
        if table and disposition == "WRITE_EMPTY" and int(table["numRows"]):
            raise duplicate("Table", str(target))
        if table and disposition == "WRITE_APPEND":
            _check_same(table["schema"]["fields"], fields, target)
        columns = ", ".join(quoted(field["name"]) for field in fields)
        chosen = " UNION ALL ".join(f"SELECT {columns} FROM {source.sql}" for source in sources)  # in their order
        with self.tables.warehouse.reading() as cursor:
            cursor.execute(f"CREATE TEMP TABLE copied AS {chosen}")
            if table and disposition == "WRITE_TRUNCATE":
                self.tables.delete(target)
            if self.tables.find(target) is None:
                self.tables.insert(target, {"schema": {"fields": fields}})
            with self.tables.warehouse.changing(cursor):
                cursor.execute(f"INSERT INTO {target.sql} ({columns}) SELECT * FROM copied")
                self.tables.recount(cursor, target)
                row = cursor.execute("SELECT count(*) FROM copied").fetchone()
            cursor.execute("DROP TABLE copied")
        return int(row[0]) if row else 0


def _check_same(present: list[Field], fields: list[Field], name: TableName) -> None:
    kinds = {column["name"].lower(): duckdb_type(column) for column in present}
    if kinds != {column["name"].lower(): duckdb_type(column) for column in fields}:
        raise invalid(f"Provided Schema does not match Table {name}.")
