"""Lets the rows that are new to the table arrive one after the other: `python -m tests.e2e.nights_arrivals KEPT END`.

`prepare` has all rows of a table arrive at once. Here those that the file KEPT does not know arrive EVERY after each
other, the last one at END; the others when they did before. KEPT then holds the arrival of every row, by id.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from google.cloud import bigquery

EVERY = timedelta(seconds=20)
TABLE = "news.articles"


def arrivals_of(ids: Iterable[str], kept: dict[str, str], end: datetime) -> dict[str, str]:
    """When each row arrived, by id."""
    new = sorted(set(ids) - kept.keys())
    times = (end - EVERY * number for number in reversed(range(len(new))))
    return kept | {name: time.isoformat() for name, time in zip(new, times, strict=True)}


def main(kept: Path, end: datetime) -> None:
    """Loads the table's rows once more, with their arrivals."""
    client = bigquery.Client()
    table = client.get_table(TABLE)
    rows = [dict(row) for row in client.list_rows(table)]
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    arrivals = arrivals_of((row["id"] for row in rows), known, end)
    moved = [row | {"timestamp": row["timestamp"].isoformat(), "arrived": arrivals[row["id"]]} for row in rows]
    configuration = bigquery.LoadJobConfig(
        schema=table.schema,
        write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
        time_partitioning=table.time_partitioning,
        clustering_fields=table.clustering_fields,
    )
    client.load_table_from_json(moved, TABLE, job_config=configuration).result()
    loaded = client.get_table(TABLE)
    loaded.description = table.description  # by which the next `prepare` knows the table for its own
    client.update_table(loaded, ["description"])
    kept.write_text(json.dumps(arrivals), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]))
