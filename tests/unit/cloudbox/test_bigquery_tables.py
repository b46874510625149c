"""Tables of the box's BigQuery: those whose time comes, and loads into one partition."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudbox.bigquery.datasets import Datasets
from cloudbox.bigquery.failures import BigQueryError
from cloudbox.bigquery.loads import Loads
from cloudbox.bigquery.tables import TableName, Tables
from cloudbox.bigquery.warehouse import Resource, Warehouse

NAME = TableName("my-project", "news", "articles")
EXPIRED: Resource = {"expirationTime": "1", "schema": {"fields": [{"name": "text", "type": "STRING"}]}}


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    warehouse = Warehouse(tmp_path)
    datasets = Datasets(warehouse)
    datasets.insert(NAME.project, {"datasetReference": {"datasetId": NAME.dataset}})
    yield Tables(warehouse, datasets)
    warehouse.close()


def test_a_table_whose_time_has_come_is_not_shown_and_asking_for_it_removes_nothing(tables: Tables) -> None:
    tables.insert(NAME, EXPIRED)
    assert tables.find(NAME) is None
    assert tables.listed(NAME.project, NAME.dataset) == []
    with pytest.raises(BigQueryError, match="Not found: Table"):
        tables.get(NAME)
    assert tables.warehouse.find(NAME.project, "table", NAME.key) is not None


def test_its_name_is_free_for_a_new_table(tables: Tables) -> None:
    tables.insert(NAME, EXPIRED)
    fields = [{"name": "label", "type": "STRING"}]
    tables.insert(NAME, {"schema": {"fields": fields}})
    assert [field["name"] for field in tables.fields(NAME)] == ["label"]


def test_its_dataset_counts_as_empty(tables: Tables) -> None:
    tables.insert(NAME, EXPIRED)
    tables.datasets.delete(NAME.project, NAME.dataset, contents=False)
    assert tables.datasets.listed(NAME.project) == []


@pytest.mark.parametrize("whole_dataset", [False, True])
def test_rows_of_a_past_moment_go_with_their_table(tables: Tables, whole_dataset: bool) -> None:
    def kept() -> list[tuple[str]]:
        with tables.warehouse.reading() as cursor:
            return cursor.execute("SELECT table_name FROM duckdb_tables() WHERE contains(table_name, '@')").fetchall()

    other = TableName(NAME.project, NAME.dataset, f"{NAME.table}_old")
    for name in (NAME, other):
        made = tables.insert(name, {"schema": {"fields": [{"name": "text", "type": "STRING"}]}})
        with tables.warehouse.changing() as cursor:
            tables.as_of(cursor, name, int(made["lastModifiedTime"]))
    assert len(kept()) == 2
    if whole_dataset:
        tables.datasets.delete(NAME.project, NAME.dataset, contents=True)
        assert kept() == []
        assert tables.warehouse.find(NAME.project, "history", NAME.key) is None
    else:
        tables.delete(NAME)
        assert [name.partition("@")[0] for (name,) in kept()] == [other.key]


@pytest.mark.parametrize(
    ("partitioning", "partition", "load", "message"),
    [
        ({"type": "DAY"}, "2026011", {}, "Invalid partition id 2026011 of table my-project:news.articles"),
        ({"type": "DAY"}, "20261301", {}, "Invalid partition id 20261301 of table my-project:news.articles"),
        ({"type": "DAY"}, "20260101", {"writeDisposition": "WRITE_TRUNCATE"}, "WRITE_TRUNCATE of one partition"),
        ({"type": "DAY", "field": "day"}, "20260101", {}, "the time of ingestion does not partition"),
        (None, "20260101", {}, "the time of ingestion does not partition"),
    ],
)
def test_a_load_into_one_partition_is_of_a_table_that_ingestion_partitions(
    tables: Tables, partitioning: Resource | None, partition: str, load: Resource, message: str
) -> None:
    tables.insert(NAME, {"schema": {"fields": [{"name": "day", "type": "DATE"}]}, "timePartitioning": partitioning})
    named = NAME.reference | {"tableId": f"{NAME.table}${partition}"}
    with pytest.raises(BigQueryError, match=message):
        Loads(tables).run(load | {"destinationTable": named}, [])


def test_tables_are_partitioned_by_known_units_and_columns_of_time_or_by_ingestion(tables: Tables) -> None:
    fields = {"schema": {"fields": [{"name": "text", "type": "STRING"}]}}
    for partitioning, message in (
        ({"type": "WEEK"}, "WEEK is not a valid value"),
        ({"type": "DAY", "field": "text"}, "can only be of type TIMESTAMP, DATE or DATETIME"),
    ):
        with pytest.raises(BigQueryError, match=message):
            tables.insert(NAME, fields | {"timePartitioning": partitioning})
    made = tables.insert(NAME, fields | {"timePartitioning": {"type": "MONTH"}})
    assert [field["name"] for field in made["schema"]["fields"]] == ["text"]
