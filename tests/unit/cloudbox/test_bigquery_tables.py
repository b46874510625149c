"""Tables of the box's BigQuery whose time comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudbox.bigquery.datasets import Datasets
from cloudbox.bigquery.failures import BigQueryError
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
