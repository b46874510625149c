"""Prepares a table again and again with Google's clients: prints JSON.

A process of its own, since gRPC reads its certificates once in the life of a process.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")  # Google's clients announce the end of Python versions

import pyarrow as pa  # noqa: E402 - after the filter
from google.cloud import bigquery  # noqa: E402 - after the filter

from cloudbox import faults  # noqa: E402 - after the filter
from cloudbox.home import Home  # noqa: E402 - after the filter
from evergreen.adapters.bigquery.settings import BigQuerySettings  # noqa: E402 - after the filter
from evergreen.core.artifacts import ResolvedWindow, SourceIdentity  # noqa: E402 - after the filter
from evergreen.core.errors import EvergreenError  # noqa: E402 - after the filter
from evergreen.core.members import source_of  # noqa: E402 - after the filter
from evergreen.core.preparation import Prepared  # noqa: E402 - after the filter
from evergreen.data.dataset import write_dataset  # noqa: E402 - after the filter
from evergreen.data.prepare import Plan, Times, prepare, target_columns  # noqa: E402 - after the filter
from tests.rows import dataset_of, rows_of  # noqa: E402 - after the filter

END = datetime(2026, 1, 10, tzinfo=UTC)
WINDOW = ResolvedWindow(start=END - timedelta(days=2), end=END)
SOURCE = BigQuerySettings.model_validate(
    {
        "project": "local-project",
        "location": "EU",
        "table": "news.articles",
        "columns": {"text": "content", "timestamp": "published"},
    }
)
CLIENT = bigquery.Client(project="local-project")


OTHER = SOURCE.model_copy(update={"columns": {"text": "content", "timestamp": "moment"}})


def prepared(folder: Path, rows: int, first: int = 0, source: BigQuerySettings = SOURCE) -> Prepared:
    made = [(f"train:{number}", f"text {number}", "World") for number in range(first, first + rows)]
    plan = Plan(Times(END, 4, seed=0), target_columns(source.mapping), window=WINDOW)
    return prepare(dataset_of(made, folder / "rows"), plan, folder / "prepared.parquet")


def priced(folder: Path, rows: int) -> Prepared:
    """Texts with a number each, and without a label."""
    source = SOURCE.model_copy(update={"columns": {**SOURCE.columns, "target": "price"}, "numbers": ("target",)})
    names = [f"offers:{number}" for number in range(rows)]
    offers = pa.RecordBatch.from_pydict(
        {"id": names, "text": names, "target": [float(number) for number in range(rows)]}
    )
    identity = SourceIdentity(kind="files", fingerprint="f", description="offers")
    dataset = write_dataset([offers], folder / f"offers-{rows}", identity)
    return prepare(dataset, Plan(Times(END, 4, seed=0), target_columns(source.mapping)), folder / "offers.parquet")


def store(rows: Prepared, *, append: bool = False, table: str = "news.articles") -> str:
    source = SOURCE.model_copy(update={"table": table})
    try:
        return source_of(source).destination(windowed=True).store(rows, append=append)
    except EvergreenError as error:
        return f"{type(error).__name__}: {error}"


def state(name: str = "news.articles") -> dict[str, Any]:
    table = CLIENT.get_table(f"local-project.{name}")
    return {
        "rows": table.num_rows,
        "columns": {field.name: field.field_type for field in table.schema},
        "partitioned": table.time_partitioning and [table.time_partitioning.type_, table.time_partitioning.field],
        "clustered": table.clustering_fields,
        "filtered": table.require_partition_filter,
        "description": table.description,
        "modified": str(table.modified),
    }


def own_table() -> None:
    """Made by a person, not by `prepare`."""
    fields = [bigquery.SchemaField(name, "STRING") for name in ("id", "content", "label")]
    fields.append(bigquery.SchemaField("published", "TIMESTAMP"))
    CLIENT.create_table(bigquery.Table("local-project.news.own", fields))
    row = {"id": "1", "content": "a", "label": "World", "published": END.isoformat()}
    CLIENT.load_table_from_json([row], "local-project.news.own").result()


def main(folder: Path) -> dict[str, Any]:
    (folder / "more").mkdir()
    rows, more = prepared(folder, 400), prepared(folder / "more", 10, first=400)
    said: dict[str, Any] = {"first": store(rows), "made": state(), "again": store(rows), "unchanged": state()}
    dataset = source_of(SOURCE).read(WINDOW, folder / "read")
    said["read"] = len(rows_of(dataset.shards))
    said["in_window"] = rows.in_window
    said["location"] = CLIENT.get_dataset("news").location
    said["appended"] = [store(more, append=True), state()["rows"], state()["description"]]
    said["replaced"] = [store(rows), state()["rows"], state()["partitioned"]]
    (folder / "other").mkdir()
    said["other_layout"] = [store(prepared(folder / "other", 5, source=OTHER)), state()["rows"]]
    home = Home(Path(os.environ["BOX_HOME"]))
    faults.add(home, faults.Fault(kind="error", target="datasets.insert", code="PERMISSION_DENIED"))
    said["beside"] = store(more, table="news.beside")
    faults.clear(home)
    own_table()
    said["own"] = [store(rows, table="news.own"), state("news.own")["rows"]]
    said["own_appended"] = [store(more, append=True, table="news.own"), state("news.own")["rows"]]
    said["own_described"] = state("news.own")["description"]
    said["priced"] = [store(priced(folder, rows), table="news.offers") for rows in (3, 5)]
    said["priced_state"] = state("news.offers")
    return said


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        sys.stdout.write(json.dumps(main(Path(name))))
