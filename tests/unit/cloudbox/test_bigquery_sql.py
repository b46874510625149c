"""How the box reads BigQuery's SQL: tables, columns, conditions on partitions, and the form for DuckDB."""

from __future__ import annotations

import pytest

from cloudbox.bigquery.estimate import billed, check_limit
from cloudbox.bigquery.failures import BigQueryError
from cloudbox.bigquery.parameters import Parameters
from cloudbox.bigquery.schemas import Field
from cloudbox.bigquery.statements import duckdb_sql, parse, touched
from cloudbox.bigquery.tables import TableName

ARTICLES = TableName("my-project", "news", "articles")
FIELDS: list[Field] = [
    {"name": "text", "type": "STRING", "mode": "NULLABLE"},
    {"name": "label", "type": "INTEGER", "mode": "NULLABLE"},
    {"name": "timestamp", "type": "TIMESTAMP", "mode": "NULLABLE"},
]


def start(value: str = "2026-01-01 00:00:00+00:00") -> Parameters:
    given = {"name": "start", "parameterType": {"type": "TIMESTAMP"}, "parameterValue": {"value": value}}
    return Parameters.of([given])


def read_of(sql: str) -> tuple[set[str], int]:
    read = touched(parse(sql, "my-project", None), {ARTICLES: FIELDS}, {ARTICLES: "timestamp"})[ARTICLES]
    return read.columns, len(read.conditions)


def test_a_parameter_is_bound_with_its_type_and_never_pasted() -> None:
    statement = parse("SELECT text FROM `my-project.news.articles` WHERE timestamp >= @start", "my-project", None)
    sql, values = duckdb_sql(statement.tree, start("'; DROP TABLE articles"))
    assert 'FROM "my-project"."news"."articles"' in sql
    assert "CAST($start AS TIMESTAMPTZ)" in sql
    assert "DROP" not in sql
    assert values == {"start": "'; DROP TABLE articles"}


def test_a_parameter_that_was_not_given_is_named_with_its_place() -> None:
    statement = parse("SELECT text FROM news.articles WHERE timestamp >= @stop", "my-project", None)
    with pytest.raises(BigQueryError, match="Query parameter 'stop' not found"):
        duckdb_sql(statement.tree, start())


@pytest.mark.parametrize(
    ("sql", "columns", "conditions"),
    [
        ("SELECT text FROM news.articles", {"text"}, 0),
        ("SELECT * FROM news.articles", {"text", "label", "timestamp"}, 0),
        ("SELECT text FROM (SELECT * FROM news.articles)", {"text"}, 0),
        ("SELECT text FROM news.articles WHERE timestamp >= @start AND label = 1", {"text", "label", "timestamp"}, 1),
        (
            "SELECT text FROM news.articles WHERE timestamp >= @start AND timestamp < '2026-02-01'",
            {"text", "timestamp"},
            2,
        ),
        ("SELECT text FROM news.articles WHERE DATE(timestamp) = '2026-01-01'", {"text", "timestamp"}, 1),
        ("SELECT text FROM news.articles WHERE timestamp >= @start OR label = 1", {"text", "label", "timestamp"}, 0),
        ("SELECT text FROM (SELECT * FROM news.articles) AS a WHERE a.timestamp >= @start", {"text", "timestamp"}, 1),
    ],
)
def test_a_query_is_charged_for_the_columns_it_touches_and_the_partitions_it_chooses(
    sql: str, columns: set[str], conditions: int
) -> None:
    assert read_of(sql) == (columns, conditions)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT nope FROM news.articles", r"Unrecognized name: nope at \[1:8\]"),
        ("SELECT 1 +", r"Syntax error: .* at \[1:10\]"),
        ("SELECT text FROM articles", 'Table "articles" must be qualified with a dataset'),
        ("CREATE TABLE news.b AS SELECT 1 AS a", "statement CREATE: .* does not simulate this"),
        ("SELECT 1; SELECT 2", "scripts of several statements: .* does not simulate this"),
    ],
)
def test_what_cannot_be_run_is_refused_in_the_words_of_google(sql: str, message: str) -> None:
    with pytest.raises(BigQueryError, match=message):
        read_of(sql)


def test_the_limit_of_bytes_names_how_many_it_would_take() -> None:
    assert (billed(0), billed(1), billed(20 << 20)) == (0, 10 << 20, 20 << 20)
    check_limit(1, 10 << 20)
    with pytest.raises(BigQueryError, match=r"limit for bytes billed: 1000\. 10485760 or higher required"):
        check_limit(1, 1000)
