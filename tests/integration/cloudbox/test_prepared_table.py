"""`prepare` into BigQuery in the box, through Google's unmodified client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cloudbox.bigquery.alone import running
from cloudbox.home import Home

SCRIPT = Path(__file__).with_name("prepared_table.py")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the tables were after each step."""
    home = Home(tmp_path_factory.mktemp("bigquery"))
    with running(home.path) as environment:
        variables = os.environ | environment | {"PYTHONPATH": str(ROOT), "BOX_HOME": str(home.path)}
        done = subprocess.run([sys.executable, str(SCRIPT)], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not home.refusals.exists() or not home.refusals.read_text()
    report: dict[str, Any] = json.loads(done.stdout)
    report["data_sets_made"] = home.calls.read_text(encoding="utf-8").count("/datasets.insert")
    return report


def test_a_table_beside_another_needs_no_right_to_make_data_sets(said: dict[str, Any]) -> None:
    assert said["beside"] == "table local-project.news.beside, 10 rows loaded"
    assert said["data_sets_made"] == 1, "the first table's"


def test_the_table_is_made_as_the_source_reads_it(said: dict[str, Any]) -> None:
    assert said["first"] == "table local-project.news.articles, 400 rows loaded"
    made = said["made"]
    assert made["rows"] == 400
    assert made["columns"] == {"id": "STRING", "content": "STRING", "label": "STRING", "published": "TIMESTAMP"}
    assert made["partitioned"] == ["DAY", "published"]
    assert made["clustered"] == ["label"]
    assert made["filtered"] is True
    assert said["location"] == "EU"


def test_a_run_reads_the_rows_of_its_window_from_it(said: dict[str, Any]) -> None:
    assert 0 < said["read"] == said["in_window"] < 400


def test_the_same_rows_again_change_nothing(said: dict[str, Any]) -> None:
    assert "holds these rows already" in said["again"]
    assert said["unchanged"] == said["made"]


def test_rows_are_added_when_asked(said: dict[str, Any]) -> None:
    message, rows, description = said["appended"]
    assert message == "table local-project.news.articles, 10 rows added"
    assert rows == 410
    assert description == "Prepared by Evergreen: added to"


def test_rows_replace_those_that_were_prepared_before(said: dict[str, Any]) -> None:
    assert said["replaced"] == ["table local-project.news.articles, 400 rows loaded", 400, ["DAY", "published"]]


def test_a_table_that_was_not_prepared_is_never_replaced(said: dict[str, Any]) -> None:
    message, rows = said["own"]
    assert message.startswith("InputError: table local-project.news.own holds 1 rows that were not prepared")
    assert "--append" in message
    assert rows == 1


def test_a_table_that_was_not_prepared_is_added_to_when_asked(said: dict[str, Any]) -> None:
    assert said["own_appended"] == ["table local-project.news.own, 10 rows added", 11]
    assert said["own_described"] is None


def test_rows_that_would_be_laid_out_otherwise_are_refused_before_they_are_sent(said: dict[str, Any]) -> None:
    message, rows = said["other_layout"]
    assert "is partitioned by published and clustered by label, the rows are by moment and label" in message
    assert "bq rm -t local-project:news.articles" in message
    assert rows == 400


def test_a_table_in_a_dataset_that_is_there_needs_no_right_to_make_datasets(said: dict[str, Any]) -> None:
    assert said["beside"] == "table local-project.news.beside, 10 rows loaded"


def test_texts_with_a_number_are_clustered_by_nothing_and_replaced(said: dict[str, Any]) -> None:
    table = said["priced_state"]
    assert (table["clustered"], table["rows"], table["columns"]["price"]) == (None, 5, "FLOAT")
    assert "label" not in table["columns"]
    assert not any("Error" in line for line in said["priced"])
