"""The random orders of `tests.arrivals` in a table of BigQuery, whose rows come and go between a run's count and read.

`python -m tests.table_arrivals 10` plays so many orders in the BigQuery that the environment leads to.
"""

from __future__ import annotations

import random
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

warnings.simplefilter("ignore")  # Google's clients announce the end of Python versions

from google.cloud import bigquery  # noqa: E402 - after the filter

from evergreen.adapters.bigquery.settings import BigQuerySettings  # noqa: E402 - after the filter
from evergreen.core.members import source_of  # noqa: E402 - after the filter
from evergreen.core.protocols import Source  # noqa: E402 - after the filter
from tests.arrivals import COLUMNS, START, Orders, Row, play_one, told  # noqa: E402 - after the filter

PROJECT, DATASET = "local-project", "orders"
KINDS = {"told": "TIMESTAMP", "arrived": "TIMESTAMP"}


def next_moment() -> datetime:
    """A moment that nothing has happened at, as a source is told the present: it sets that back."""
    now = time.time_ns() // 1_000_000 + 2
    while time.time_ns() // 1_000_000 < now + 2:
        time.sleep(0.001)
    return datetime.fromtimestamp(now / 1000, UTC) + timedelta(seconds=5)


@dataclass
class Table:
    """A table into which rows are streamed, and from which they are deleted."""

    has_states: ClassVar[bool] = True
    came_h: ClassVar[float] = 0
    nulls: ClassVar[bool] = True
    columns: ClassVar[dict[str, str]] = COLUMNS

    client: bigquery.Client
    name: str
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        schema = [bigquery.SchemaField(column, KINDS.get(column, "STRING")) for column in self.columns.values()]
        self._table = self.client.create_table(
            self._laid_out(bigquery.Table(f"{PROJECT}.{DATASET}.{self.name}", schema))
        )

    def _laid_out(self, table: bigquery.Table) -> bigquery.Table:
        return table

    @property
    def source(self) -> Source:
        return source_of(BigQuerySettings(**self._given))

    @property
    def _given(self) -> dict[str, Any]:
        return {"project": PROJECT, "table": f"{DATASET}.{self.name}", "columns": self.columns, "streams": 1}

    def until(self, now: float) -> datetime:
        return next_moment()

    def add(self, rows: list[Row], zone: timedelta) -> None:
        self.rows.extend(rows)
        errors = self.client.insert_rows_json(self._table, [row.fields(zone) for row in rows])
        assert not errors, errors

    def remove(self, row: Row) -> None:
        self.rows = [kept for kept in self.rows if kept.key != row.key]
        parameters = [
            bigquery.ScalarQueryParameter("id", "STRING", row.id),
            bigquery.ScalarQueryParameter("arrived", "TIMESTAMP", row.fields(timedelta())["arrived"]),
        ]
        configuration = bigquery.QueryJobConfig(query_parameters=parameters)
        self.client.query(self._deletion, configuration).result()

    @property
    def _deletion(self) -> str:
        return f"DELETE FROM {DATASET}.{self.name} WHERE id = @id AND arrived IS NOT DISTINCT FROM @arrived"  # noqa: S608 - names of this file


class Partitions(Table):
    """A table that is partitioned by the hour of ingestion, into whose partitions rows are loaded, late ones too."""

    came_h: ClassVar[float] = 1
    nulls: ClassVar[bool] = False
    columns: ClassVar[dict[str, str]] = {name: column for name, column in COLUMNS.items() if name != "arrived"}

    def _laid_out(self, table: bigquery.Table) -> bigquery.Table:
        table.time_partitioning = bigquery.TimePartitioning(type_="HOUR")
        return table

    @property
    def _given(self) -> dict[str, Any]:
        return super()._given | {"arrived": "ingestion"}

    def add(self, rows: list[Row], zone: timedelta) -> None:
        self.rows.extend(rows)
        for arrived in dict.fromkeys(row.arrived for row in rows):
            fields = [row.fields(zone) for row in rows if row.arrived == arrived]
            content = [{name: row[name] for name in self.columns.values()} for row in fields]
            hour = f"{START + timedelta(hours=arrived or 0):%Y%m%d%H}"
            configuration = bigquery.LoadJobConfig(schema=self._table.schema)
            self.client.load_table_from_json(content, f"{self._table}${hour}", job_config=configuration).result()

    @property
    def _deletion(self) -> str:
        return f"DELETE FROM {DATASET}.{self.name} WHERE id = @id AND _PARTITIONTIME = @arrived"  # noqa: S608 - names of this file


def main() -> None:
    """Plays as many orders as the command line says."""
    orders, counts = int(sys.argv[1]), Counter[str]()
    client = bigquery.Client(project=PROJECT)
    client.create_dataset(DATASET, exists_ok=True)
    for number in range(orders):
        kind = (Table, Partitions)[number % 2]
        table = kind(client, f"rows_{time.time_ns()}")
        play_one(Orders(table, random.Random(f"table {number}"), counts), f"order {number} of a table")
    sys.stdout.write(f"{orders:,} orders of a table: {told(counts)}\n")


if __name__ == "__main__":
    main()
