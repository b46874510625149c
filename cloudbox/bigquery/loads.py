"""Load jobs: Parquet, JSON Lines or CSV, uploaded or in gs://, into a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from cloudbox.bigquery.failures import BigQueryError, duplicate, invalid, not_found, not_simulated
from cloudbox.bigquery.schemas import Field, duckdb_type, fields_of, normal_fields, quoted
from cloudbox.bigquery.tables import PARTITION, TableName, Tables, is_by_ingestion
from cloudbox.bigquery.warehouse import Resource

_PARTITION_IDS = {10: "%Y%m%d%H", 8: "%Y%m%d", 6: "%Y%m", 4: "%Y"}


@dataclass(frozen=True)
class Loads:
    """Runs load jobs."""

    tables: Tables

    def run(self, load: Resource, files: Sequence[Path]) -> Resource:
        """Statistics of the load of `files`.

        Raises:
            BigQueryError: files that cannot be read so, rows that do not fit, or a table that may not be written.
        """
        name, partition = _with_partition(TableName.of(load["destinationTable"]))
        if partition and load.get("writeDisposition") == "WRITE_TRUNCATE":
            raise not_simulated("WRITE_TRUNCATE of one partition")
        try:
            return self._load(name, _Files(load, files, self.tables), partition)
        except duckdb.Error as error:
            raise invalid(f"Error while reading data, error message: {str(error).splitlines()[0]}") from error

    def _load(self, name: TableName, files: _Files, partition: datetime | None) -> Resource:
        load = files.load
        table = self.tables.find(name)
        disposition = load.get("writeDisposition", "WRITE_APPEND")
        if partition and not (table and is_by_ingestion(table)):
            raise not_simulated("a load into one partition of a table that the time of ingestion does not partition")
        if table is None and load.get("createDisposition") == "CREATE_NEVER":
            raise not_found("Table", str(name))
        if table and disposition == "WRITE_EMPTY" and int(table["numRows"]):
            raise duplicate("Table", str(name))
        if table:
            _check_layout(table, load)
        fields = files.fields(table["schema"]["fields"] if table else [])
        if table and (disposition != "WRITE_TRUNCATE" or "schema" not in load):
            _check_fits(name, table["schema"]["fields"], fields)
        columns = ", ".join(quoted(field["name"]) for field in fields)
        warehouse = self.tables.warehouse
        with warehouse.reading() as cursor:
            # Files that cannot be read leave the table as it was.
            cursor.execute(f"CREATE TEMP TABLE staged AS {files.select(fields)}")
            self._open(name, fields, load, replace=table is not None and disposition == "WRITE_TRUNCATE")
            with warehouse.changing(cursor):
                self.tables.empty_buffer(cursor, name)
                into = f"{columns}, {quoted(PARTITION)}" if partition else columns
                values = f"{columns}, {_literal(partition.isoformat())}" if partition else columns
                cursor.execute(f"INSERT INTO {name.sql} ({into}) SELECT {values} FROM staged")
                changed = self.tables.recount(cursor, name)
        before = int(table["numRows"]) if table and disposition != "WRITE_TRUNCATE" else 0
        rows = str(int(changed["numRows"]) - before)
        size = str(sum(path.stat().st_size for path in files.paths))
        return {"load": {"outputRows": rows, "inputFiles": str(len(files.paths)), "inputFileBytes": size}}

    def _open(self, name: TableName, fields: list[Field], load: Resource, *, replace: bool) -> None:
        if replace:
            self.tables.delete(name)
        if self.tables.find(name) is None:
            keys = ("timePartitioning", "clustering")
            properties = {key: load[key] for key in keys if load.get(key)} | load.get("destinationTableProperties", {})
            self.tables.insert(name, properties | {"schema": {"fields": fields}})


@dataclass(frozen=True)
class _Files:
    """Files of one format and how they are read."""

    load: Resource
    paths: Sequence[Path]
    tables: Tables

    @property
    def _format(self) -> str:
        return str(self.load.get("sourceFormat", "CSV"))

    def fields(self, present: list[Field]) -> list[Field]:
        """The columns: as the job says, as the table has them, or as the files show."""
        given = self.load.get("schema", {}).get("fields")
        if given:
            return normal_fields(given)
        if self._format == "PARQUET" or (self.load.get("autodetect") and not present):
            with self.tables.warehouse.reading() as cursor:
                shown: pa.Table = cursor.sql(f"SELECT * FROM {self._reader()} LIMIT 0").to_arrow_table()
            return fields_of(shown.schema)
        if not present:
            raise invalid("No schema specified on job or table.")
        return present

    def select(self, fields: list[Field]) -> str:
        """SQL that gives the files' rows with the columns in order and of their types."""
        self._check_known(fields)
        columns = ", ".join(_converted(field, text=self._format != "PARQUET") for field in fields)
        return f"SELECT {columns} FROM {self._reader(fields)}"

    def _reader(self, fields: list[Field] | None = None) -> str:
        paths = "[" + ", ".join(_literal(str(path)) for path in self.paths) + "]"
        if self._format == "PARQUET":
            return f"read_parquet({paths})"
        kinds = ", ".join(f"{_literal(field['name'])}: {_literal(_text_type(field))}" for field in fields or [])
        if self._format == "NEWLINE_DELIMITED_JSON":
            columns = f", columns = {{{kinds}}}" if fields else ", sample_size = -1"
            return f"read_json({paths}, format = 'newline_delimited'{columns})"
        if self._format != "CSV":
            raise not_simulated(f"loads from {self._format}")
        columns = f", auto_detect = false, columns = {{{kinds}}}" if fields else ""
        quote = _literal(self.load.get("quote", '"'))
        options = {
            "delim": _literal(self.load.get("fieldDelimiter", ",")),
            "quote": quote,
            "escape": quote,
            "skip": str(int(self.load.get("skipLeadingRows", 0)) if fields else 0),
            "header": str(not fields).lower(),
            "nullstr": _literal(self.load.get("nullMarker", "")),
        }
        settings = ", ".join(f"{name} = {value}" for name, value in options.items())
        return f"read_csv({paths}, {settings}{columns})"

    def _check_known(self, fields: list[Field]) -> None:
        """Raises BigQueryError where JSON or Parquet holds a column that the schema lacks."""
        if self._format == "CSV" or self.load.get("ignoreUnknownValues"):
            return
        known = {column["name"].lower() for column in fields}
        with self.tables.warehouse.reading() as cursor:
            held = [row[0] for row in cursor.execute(f"DESCRIBE SELECT * FROM {self._reader()}").fetchall()]
        for name in held:
            if name.lower() not in known:
                raise invalid(f"Error while reading data, error message: JSON parsing error: No such field: {name}.")
        for field in fields:
            if field["mode"] == "REQUIRED" and field["name"].lower() not in {name.lower() for name in held}:
                raise invalid(f"Error while reading data, error message: Missing required field: {field['name']}.")


def _with_partition(name: TableName) -> tuple[TableName, datetime | None]:
    """The table of `news$20260104`, and when that partition of it began, which the time of ingestion else chooses."""
    table, _, partition = name.table.partition("$")
    written = _PARTITION_IDS.get(len(partition))
    try:
        began = datetime.strptime(partition, written).replace(tzinfo=UTC) if written else None
    except ValueError:
        raise invalid(f"Invalid partition id {partition} of table {name}") from None
    if partition and began is None:
        raise invalid(f"Invalid partition id {partition} of table {name}")
    return replace(name, table=table), began


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _text_type(field: Field) -> str:
    """How the column is first read from text: bytes are base64 in it."""
    return duckdb_type(field).replace("BLOB", "VARCHAR")


def _converted(field: Field, *, text: bool) -> str:
    column = quoted(field["name"])
    if text and field["type"] == "BYTES" and field["mode"] != "REPEATED":
        return f"from_base64({column}) AS {column}"
    return f"CAST({column} AS {duckdb_type(field)}) AS {column}"


def _check_layout(table: Resource, load: Resource) -> None:
    """A load may leave out partitioning and clustering of a table that is there; it cannot change them."""
    if not load.get("timePartitioning") and not load.get("clustering"):
        return
    expected, given = _layout(table), _layout(load)
    if expected != given:
        raise invalid(
            f"Incompatible table partitioning specification. Expects partitioning specification {expected}, but input "
            f"partitioning specification is {given}"
        )


def _layout(of: Resource) -> str:
    partitioning, clustering = of.get("timePartitioning"), (of.get("clustering") or {}).get("fields")
    kind = str(partitioning.get("type", "DAY")).lower() if partitioning else ""
    field = f",field:{partitioning['field']}" if partitioning and partitioning.get("field") else ""
    partition = f"interval(type:{kind}{field})" if partitioning else "none"
    return f"{partition} clustering({','.join(clustering)})" if clustering else partition


def _check_fits(name: TableName, present: list[Field], fields: list[Field]) -> None:
    kinds = {column["name"].lower(): column for column in present}
    for field in fields:
        held = kinds.get(field["name"].lower())
        if held is None:
            raise invalid(f"Provided Schema does not match Table {name}. Cannot add fields (field: {field['name']})")
        if duckdb_type(held) != duckdb_type(field):
            raise BigQueryError(
                "invalid",
                f"Provided Schema does not match Table {name}. Field {field['name']} has changed type "
                f"from {held['type']} to {field['type']}",
            )
