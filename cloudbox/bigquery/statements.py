"""A query as BigQuery reads it: the tables, columns and partitions that it touches, and its form for DuckDB."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, SqlglotError
from sqlglot.optimizer.pushdown_predicates import pushdown_predicates
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from cloudbox.bigquery.failures import BigQueryError, invalid_query, not_simulated
from cloudbox.bigquery.parameters import Parameters, position
from cloudbox.bigquery.schemas import Field, duckdb_type
from cloudbox.bigquery.tables import TableName

_KNOWN = (exp.Query, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.TruncateTable)
_COMPARISONS = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)


@dataclass(frozen=True)
class Statement:
    """A parsed statement whose tables carry project and dataset."""

    tree: exp.Expr
    tables: tuple[TableName, ...]

    @property
    def is_query(self) -> bool:
        """Whether it answers rows and changes none."""
        return isinstance(self.tree, exp.Query)

    @property
    def kind(self) -> str:
        """Google's word for it, e.g. SELECT."""
        return "SELECT" if self.is_query else self.tree.key.upper().replace("TRUNCATETABLE", "TRUNCATE_TABLE")

    @property
    def changes(self) -> TableName | None:
        """The table whose rows it changes."""
        if self.is_query:
            return None
        table = self.tree.find(exp.Table)
        return table_name(table) if table else None


@dataclass
class Touched:
    """What is read of one table: columns, and the conditions on its partitioning column that choose partitions."""

    columns: set[str] = field(default_factory=set)
    conditions: list[exp.Expr] = field(default_factory=list)


def is_script(sql: str) -> bool:
    """Whether it is several statements, which BigQuery runs as a script; what cannot be parsed is none."""
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="bigquery") if tree is not None]
    except SqlglotError:
        return False
    return len(trees) > 1 or any(isinstance(tree, exp.Declare) for tree in trees)


def parse(sql: str, project: str, dataset: str | None) -> Statement:
    """The statement. Raises BigQueryError for what cannot be parsed and for statements that the box lacks."""
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="bigquery") if tree is not None]
    except ParseError as error:
        place = error.errors[0]
        raise invalid_query(
            f'Syntax error: {place["description"].split(" for <")[0]} near "{place["highlight"]}" '
            f"at [{place['line']}:{place['col']}]"
        ) from error
    except SqlglotError as error:
        raise invalid_query(f"Syntax error: {error}") from error
    if len(trees) != 1:
        raise not_simulated("scripts of several statements") if trees else invalid_query("Syntax error: empty query")
    tree = trees[0]
    if not isinstance(tree, _KNOWN):
        raise not_simulated(f"statement {sql.split(maxsplit=1)[0].upper()}")
    return Statement(tree, tuple(dict.fromkeys(_qualified(tree, project, dataset))))


def _qualified(tree: exp.Expr, project: str, dataset: str | None) -> list[TableName]:
    """Fills in the default project and dataset; the tables in order, without names of WITH clauses."""
    named = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables = []
    for table in list(tree.find_all(exp.Table)):
        if not isinstance(table.this, exp.Identifier) or (not table.db and table.name in named):
            continue
        if not table.db:
            if dataset is None:
                raise BigQueryError(
                    "invalid", f'Table "{table.name}" must be qualified with a dataset (e.g. dataset.table).'
                )
            table.set("db", exp.to_identifier(dataset, quoted=True))
        if not table.catalog:
            table.set("catalog", exp.to_identifier(project, quoted=True))
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name.rpartition(".")[2], quoted=True)))
        tables.append(table_name(table))
    return tables


def table_name(table: exp.Table) -> TableName:
    """The name of a table that carries project and dataset."""
    return TableName(table.catalog, table.db, table.name)


def touched(
    statement: Statement, columns: dict[TableName, list[Field]], partitioned: dict[TableName, str]
) -> dict[TableName, Touched]:
    """What is read of each table; `partitioned` names partitioning columns.

    Raises:
        BigQueryError: a column that no table has.
    """
    reads = {name: Touched() for name in statement.tables}
    if not statement.is_query:
        for name, read in reads.items():
            read.columns = {column["name"] for column in columns[name]}
            read.conditions = _chosen_by_change(statement, partitioned.get(name))
        return reads
    for scope in traverse_scope(_optimised(statement.tree, columns)):
        where = scope.expression.args.get("where")
        for alias, source in scope.sources.items():
            if not isinstance(source, exp.Table) or table_name(source) not in reads:
                continue
            read = reads[table_name(source)]
            read.columns |= {column.name for column in scope.source_columns(alias)}
            if where is not None and table_name(source) in partitioned:
                read.conditions += _conditions(where.this, partitioned[table_name(source)], alias)
    return reads


def _optimised(tree: exp.Expr, columns: dict[TableName, list[Field]]) -> exp.Expr:
    schema: dict[str, Any] = {}
    for name, fields in columns.items():
        described = {column["name"]: duckdb_type(column) for column in fields}
        schema.setdefault(name.project, {}).setdefault(name.dataset, {})[name.table] = described
    try:
        with_columns = qualify(tree.copy(), schema=schema, dialect="bigquery")
        return pushdown_predicates(pushdown_projections(with_columns))
    except OptimizeError as error:
        raise invalid_query(_unrecognized(str(error), tree)) from error


def _unrecognized(message: str, tree: exp.Expr) -> str:
    match = re.search(r"Column '\"?([^'\"]+)\"?' could not|Unknown column: (\S+)", message)
    if not match:
        return message.splitlines()[0]
    name = match[1] or match[2]
    column = next(
        (candidate for candidate in tree.find_all(exp.Column) if candidate.name.lower() == name.lower()), None
    )
    return f"Unrecognized name: {name}{position(column.this if column else None)}"


def _conditions(where: exp.Expr, column: str, alias: str) -> list[exp.Expr]:
    """The parts of a WHERE, joined by AND, that compare the partitioning column with constants and nothing else."""
    usable = []
    for part in [condition.unnest() for condition in (where.flatten() if isinstance(where, exp.And) else [where])]:
        names = {(compared.table, compared.name.lower()) for compared in part.find_all(exp.Column)}
        is_comparison = isinstance(part, _COMPARISONS) and not part.find(exp.Query)
        if is_comparison and names and names <= {(alias, column.lower()), ("", column.lower())}:
            usable.append(part)
    return usable


def _chosen_by_change(statement: Statement, column: str | None) -> list[exp.Expr]:
    where = statement.tree.args.get("where")
    if column is None or where is None:
        return []
    alias = next((mention.table for mention in where.find_all(exp.Column) if mention.table), "")
    return _conditions(where.this, column, alias)


def hide_column(tree: exp.Expr, table: exp.Table, column: str) -> None:
    """Takes a pseudocolumn of the table out of what `*` means; a statement that does not name it has none."""
    hidden = exp.to_identifier(column, quoted=True)
    if any(mention.name.upper() == column.upper() for mention in tree.find_all(exp.Column)):
        for star in tree.find_all(exp.Star):
            if isinstance(star.parent, exp.Select | exp.Column):
                star.set("except_", [*(star.args.get("except_") or []), hidden.copy()])
        return
    inner = table.copy()
    inner.set("alias", None)
    alias = table.args["alias"].this.copy()
    table.replace(exp.select(exp.Star(except_=[hidden])).from_(inner).subquery(alias))


def without_tables(condition: exp.Expr) -> exp.Expr:
    """The condition with bare column names."""

    def bare(node: exp.Expr) -> exp.Expr:
        return exp.column(exp.to_identifier(node.name, quoted=True)) if isinstance(node, exp.Column) else node

    return condition.copy().transform(bare)


def duckdb_sql(tree: exp.Expr, parameters: Parameters) -> tuple[str, dict[str, object]]:
    """The statement in DuckDB's dialect and the values it needs. Raises BigQueryError naming a missing parameter."""
    bound = parameters.bind(tree.copy())
    try:
        return bound.sql(dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE), parameters.used_in(bound)
    except SqlglotError as error:
        raise not_simulated(str(error).splitlines()[0]) from error
