"""Query jobs: checks, estimates and runs a statement; what it answers becomes the rows of its destination table."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from cloudbox.bigquery.datasets import DEFAULT_LOCATION, RESULTS
from cloudbox.bigquery.estimate import Estimator, billed, check_limit
from cloudbox.bigquery.failures import duplicate, failed_query, invalid_query, not_found, not_simulated
from cloudbox.bigquery.information_schema import is_view, view_rows
from cloudbox.bigquery.parameters import Parameters
from cloudbox.bigquery.schemas import Field, fields_of, quoted
from cloudbox.bigquery.statements import Statement, duckdb_sql, is_script, parse, table_name
from cloudbox.bigquery.tables import TableName, Tables
from cloudbox.bigquery.warehouse import Resource

_RESULT_LIFETIME_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Queries:
    """Runs the queries of jobs."""

    tables: Tables

    def prepare(self, project: str, query: Resource) -> tuple[Resource, Resource]:
        """Configuration and statistics of a query that was checked but not run.

        Raises:
            BigQueryError: SQL, parameter, table, column, partition filter or limit of bytes.
        """
        if is_script(query["query"]):
            return query, {"totalBytesProcessed": "0", "query": {"statementType": "SCRIPT", "totalBytesProcessed": "0"}}
        statement, parameters, processed = self._checked(project, query)
        statistics = _statistics(statement, processed)
        if statement.is_query:
            with self.tables.warehouse.reading() as cursor:
                statistics["query"]["schema"] = {"fields": self._fields(statement, parameters, cursor)}
        return query, statistics

    def run(self, project: str, query: Resource) -> tuple[Resource, Resource]:
        """Configuration with the table that holds the answer, and statistics; raises as `prepare` does."""
        statement, parameters, processed = self._checked(project, query)
        check_limit(processed, int(query["maximumBytesBilled"]) if query.get("maximumBytesBilled") else None)
        statistics = _statistics(statement, processed)
        if not statement.is_query:
            statistics["query"]["numDmlAffectedRows"] = str(self._change(statement, parameters))
            return query, statistics
        destination = self._destination(project, query)
        try:
            self._answer(statement, parameters, destination, query)
        except duckdb.Error as error:
            raise failed_query(error) from error
        return query | {"destinationTable": destination.reference}, statistics

    def _checked(self, project: str, query: Resource) -> tuple[Statement, Parameters, int]:
        if query.get("useLegacySql", True):
            raise not_simulated("legacy SQL (useLegacySql)")
        default = query.get("defaultDataset", {})
        statement = parse(query["query"], default.get("projectId", project), default.get("datasetId"))
        parameters = Parameters.of(query.get("queryParameters", []))
        read = Estimator(self.tables).check(statement)
        try:
            return statement, parameters, Estimator(self.tables).bytes(read, parameters)
        except duckdb.Error as error:
            raise failed_query(error) from error

    def _fields(self, statement: Statement, parameters: Parameters, cursor: duckdb.DuckDBPyConnection) -> list[Field]:
        sql, values = self._runnable(statement, parameters, cursor)
        try:
            answer: pa.Table = cursor.sql(f"SELECT * FROM ({sql}) LIMIT 0", params=values).to_arrow_table()
        except duckdb.Error as error:
            raise failed_query(error) from error
        return fields_of(answer.schema)

    def _runnable(
        self, statement: Statement, parameters: Parameters, cursor: duckdb.DuckDBPyConnection
    ) -> tuple[str, dict[str, object]]:
        """DuckDB's SQL and values, after views that it names were made in the connection."""
        tree = statement.tree.copy()
        for table in list(tree.find_all(exp.Table)):
            if table.catalog and is_view(table_name(table)):
                name = f"information_schema_{uuid.uuid4().hex}"
                cursor.register(name, view_rows(table_name(table), self.tables, cursor))
                table.replace(exp.Table(this=exp.to_identifier(name), alias=table.args.get("alias")))
            elif table.args.get("version"):
                moment = self._moment(table.args["version"].expression, parameters, cursor)
                copy = self.tables.as_of(cursor, table_name(table), moment)
                kept = exp.table_(copy.table, db=copy.dataset, catalog=copy.project, quoted=True)
                kept.set("alias", table.args.get("alias"))
                table.replace(kept)
        return duckdb_sql(tree, parameters)

    def _moment(self, expression: exp.Expr, parameters: Parameters, cursor: duckdb.DuckDBPyConnection) -> int:
        """What FOR SYSTEM_TIME AS OF names, in milliseconds since 1970."""
        sql, values = duckdb_sql(exp.select(expression.copy()), parameters)
        try:
            ((moment,),) = cursor.execute(f"SELECT epoch_ms(({sql})::TIMESTAMPTZ)", values).fetchall()
        except duckdb.Error as error:
            raise failed_query(error) from error
        return int(moment)

    def _change(self, statement: Statement, parameters: Parameters) -> int:
        changes = statement.changes
        if changes is None:
            raise invalid_query("the statement changes no table")
        sql, values = duckdb_sql(statement.tree, parameters)
        before = int(self.tables.get(changes)["numRows"])
        try:
            with self.tables.warehouse.changing() as cursor:
                row = cursor.execute(sql, values).fetchone()
                self.tables.recount(cursor, changes)
        except duckdb.Error as error:
            raise failed_query(error) from error
        return before if statement.kind == "TRUNCATE_TABLE" else int(row[0]) if row else 0

    def _destination(self, project: str, query: Resource) -> TableName:
        if query.get("destinationTable"):
            return TableName.of(query["destinationTable"])
        self.tables.datasets.ensure_results(project, DEFAULT_LOCATION)
        return TableName(project, RESULTS, f"anon{uuid.uuid4().hex}")

    def _answer(self, statement: Statement, parameters: Parameters, name: TableName, query: Resource) -> None:
        with self.tables.warehouse.reading() as cursor:
            fields = self._fields(statement, parameters, cursor)
        fresh = self._open(name, fields, query)
        columns = [f"{quoted(field['name'])}" for field in self.tables.fields(name)]
        try:
            with self.tables.warehouse.changing() as cursor:
                sql, values = self._runnable(statement, parameters, cursor)
                if query.get("writeDisposition", "WRITE_EMPTY") == "WRITE_TRUNCATE":
                    cursor.execute(f"CREATE TEMP TABLE answer AS {sql}", values)
                    cursor.execute(f"DELETE FROM {name.sql}")
                    sql, values = "SELECT * FROM answer", {}
                cursor.execute(f"INSERT INTO {name.sql} ({', '.join(columns)}) {sql}", values)
                self.tables.recount(cursor, name)
        except BaseException:
            if fresh:
                self.tables.delete(name)
            raise

    def _open(self, name: TableName, fields: list[Field], query: Resource) -> bool:
        """Makes the destination where it is not there; whether it was made."""
        table = self.tables.find(name)
        if table is None and query.get("createDisposition") == "CREATE_NEVER":
            raise not_found("Table", str(name))
        if table is not None:
            if query.get("writeDisposition", "WRITE_EMPTY") == "WRITE_EMPTY" and int(table["numRows"]):
                raise duplicate("Table", str(name))
            return False
        properties: dict[str, Any] = {key: query[key] for key in ("timePartitioning", "clustering") if query.get(key)}
        if name.dataset == RESULTS:
            properties["expirationTime"] = str(int(time.time() * 1000) + _RESULT_LIFETIME_MS)
        self.tables.insert(name, properties | {"schema": {"fields": fields}})
        return True


def _statistics(statement: Statement, processed: int) -> Resource:
    return {
        "totalBytesProcessed": str(processed),
        "query": {
            "totalBytesProcessed": str(processed),
            "totalBytesBilled": str(billed(processed)),
            "totalBytesProcessedAccuracy": "PRECISE",
            "cacheHit": False,
            "statementType": statement.kind,
            "referencedTables": [name.reference for name in statement.tables],
        },
    }
