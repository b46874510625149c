"""What a user's process does with the unmodified clients: each scenario that stdin names becomes a line of JSON.

It is a process of its own, since gRPC reads its certificates once in the life of a process.
"""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

warnings.simplefilter("ignore")  # Google's clients announce the end of Python versions

from google.api_core.exceptions import GoogleAPICallError  # noqa: E402 - after the filter
from google.cloud import bigquery  # noqa: E402 - after the filter

from evergreen.adapters.bigquery.settings import BigQuerySettings  # noqa: E402 - after the filter
from evergreen.adapters.bigquery.warehouse import BigQueryWarehouse  # noqa: E402 - after the filter
from evergreen.core.artifacts import ResolvedWindow  # noqa: E402 - after the filter
from evergreen.core.coverage import Coverage  # noqa: E402 - after the filter
from evergreen.core.errors import EvergreenError  # noqa: E402 - after the filter
from evergreen.core.members import source_of  # noqa: E402 - after the filter
from evergreen.core.part import NewRows, PartOfSource  # noqa: E402 - after the filter
from evergreen.data.freshness import coverage_after  # noqa: E402 - after the filter
from evergreen.data.shards import iter_batches  # noqa: E402 - after the filter
from evergreen.data.stretch import read_stretch  # noqa: E402 - after the filter
from tests.table_arrivals import next_moment  # noqa: E402 - after the filter

PROJECT = "local-project"
END = datetime(2026, 1, 10, tzinfo=UTC)
WINDOW = ResolvedWindow(start=END - timedelta(days=2), end=END)
SELECT = "SELECT text, label, timestamp FROM news.articles WHERE timestamp >= @start ORDER BY timestamp"
HOURS = 240
ARRIVALS = {"id": "STRING", "text": "STRING", "label": "STRING", "timestamp": "TIMESTAMP", "arrived": "TIMESTAMP"}


def rows(hours: int = HOURS) -> list[dict[str, Any]]:
    """One an hour, the latest one hour before END."""
    return [
        {"text": f"näws {hour}", "label": hour % 4, "timestamp": (END - timedelta(hours=hour + 1)).isoformat()}
        for hour in range(hours)
    ]


def table(name: str = "articles") -> bigquery.Table:
    fields = [("text", "STRING"), ("label", "INT64"), ("timestamp", "TIMESTAMP")]
    made = bigquery.Table(f"{PROJECT}.news.{name}", [bigquery.SchemaField(*field) for field in fields])
    made.time_partitioning = bigquery.TimePartitioning(field="timestamp")
    made.clustering_fields = ["label"]
    made.require_partition_filter = True
    return made


def query(client: bigquery.Client, sql: str = SELECT, **settings: Any) -> bigquery.QueryJob:
    start = bigquery.ScalarQueryParameter("start", "TIMESTAMP", WINDOW.start)
    return client.query(sql, bigquery.QueryJobConfig(query_parameters=[start], **settings))


def source(**fields: Any) -> BigQuerySettings:
    given = {"table": "news.articles", "columns": {"timestamp": "timestamp"}, "retry_deadline_s": 3.0} | fields
    return BigQuerySettings.model_validate({"project": PROJECT} | given)


def prepare() -> Any:
    client = bigquery.Client()
    client.create_dataset("news")
    made = client.create_table(table())
    load = client.load_table_from_json(rows(), made, job_config=bigquery.LoadJobConfig(schema=made.schema))
    load.result()
    return {"loaded": load.output_rows, "clustering": made.clustering_fields, "etag": bool(made.etag)}


def ask() -> Any:
    client = bigquery.Client()
    job = query(client, labels={"team": "news"})
    found = list(job.result())
    return {
        "rows": len(found),
        "first": [found[0]["text"], found[0]["timestamp"].isoformat()],
        "labels": job.labels,
        "arrow": [job.to_arrow().num_rows, str(job.to_arrow().schema.field("timestamp").type)],
        "waited": len(list(client.query_and_wait("SELECT * FROM UNNEST([1, 2, 3]) AS n"))),
        "pages": len(list(client.list_rows(f"{PROJECT}.news.articles", page_size=100))),
        "partitions": [
            row.total_rows for row in query(client, "SELECT * FROM news.INFORMATION_SCHEMA.PARTITIONS").result()
        ],
        "dry": [
            query(client, sql, dry_run=True).total_bytes_processed
            for sql in (SELECT, SELECT.replace("text, label, ", ""), SELECT.replace(">= @start", "> '2000-01-01'"))
        ],
    }


def fail() -> Any:
    client = bigquery.Client()
    calls: dict[str, Callable[[], Any]] = {
        "table": lambda: client.get_table("news.nope"),
        "duplicate": lambda: client.create_dataset("news"),
        "column": lambda: query(client, "SELECT nope FROM news.articles WHERE timestamp >= @start").result(),
        "partition": lambda: query(client, "SELECT text FROM news.articles").result(),
        "bytes": lambda: query(client, maximum_bytes_billed=100).result(),
        "function": lambda: query(client, "SELECT FARM_FINGERPRINT('a') AS f").result(),
        "unknown": lambda: list(client.list_routines("news")),
    }
    return {name: _failure(call) for name, call in calls.items()}


def _failure(call: Callable[[], Any]) -> list[Any]:
    try:
        call()
    except GoogleAPICallError as error:
        return [error.code, error.errors[0]["reason"] if error.errors else "", error.message]
    return []


def stream_inserts() -> Any:
    client = bigquery.Client()
    made = client.create_table(table("streamed"))
    good, bad = rows(2), {"text": "x", "label": "many", "timestamp": "2026-01-01T00:00:00Z"}
    errors = client.insert_rows_json(made, [*good, bad])
    refused = client.get_table(made).num_rows
    client.insert_rows_json(made, good)
    job = client.query("DELETE FROM news.streamed WHERE timestamp > '2026-01-09 22:30:00+00'")
    job.result()
    left = client.get_table(made)
    return {"errors": errors, "refused": refused, "deleted": job.num_dml_affected_rows, "left": left.num_rows}


def read() -> Any:
    with tempfile.TemporaryDirectory() as scratch:
        before = source_of(source()).identity(WINDOW)
        dataset = source_of(source()).read(WINDOW, Path(scratch) / "rows")
        again = source_of(source()).read(WINDOW, Path(scratch) / "again")
        stretch = [read_stretch(source(), WINDOW, Path(scratch) / "stretch").manifest.source]
        other_day = rows(1)[0] | {"timestamp": (END + timedelta(days=1)).isoformat()}
        bigquery.Client().insert_rows_json(f"{PROJECT}.news.articles", [other_day])
        stretch.append(read_stretch(source(), WINDOW, Path(scratch) / "later").manifest.source)
        path = Path(scratch) / "news.sql"
        path.write_text(
            "SELECT text, label, timestamp FROM news.articles\n"
            "WHERE timestamp >= @window_start AND timestamp < @window_end AND label = 1",
            encoding="utf-8",
        )
        chosen = source_of(source(table=None, query_file=str(path))).read(WINDOW, Path(scratch) / "chosen")
    bigquery.Client().insert_rows_json(f"{PROJECT}.news.articles", rows(1))
    return {
        "rows": [dataset.manifest.rows, chosen.manifest.rows],
        "intake": dataset.manifest.intake.words() if dataset.manifest.intake else None,
        "columns": dataset.manifest.columns,
        "repeats": dataset.manifest.content_hash == again.manifest.content_hash,
        "same": before.fingerprint == dataset.manifest.source.fingerprint,
        "stretch": len({identity.fingerprint for identity in stretch}),
        "moved": source_of(source()).identity(WINDOW).fingerprint != before.fingerprint,
        "other_window": source_of(source()).identity(ResolvedWindow(start=END, end=END + timedelta(1))).fingerprint,
        "fingerprint": before.fingerprint,
    }


def arriving(numbers: range, day: int, told: int | None = None) -> list[dict[str, Any]]:
    """Rows that arrive on a day of January, a minute after each other, and tell of that day or another."""
    return [
        {
            "id": f"n{number}",
            "text": f"news {number}",
            "label": "a",
            "timestamp": datetime(2026, 1, told or day, tzinfo=UTC).isoformat(),
            "arrived": datetime(2026, 1, day, 0, number - numbers[0], tzinfo=UTC).isoformat(),
        }
        for number in numbers
    ]


def arrivals_table(name: str) -> bigquery.Table:
    return bigquery.Table(f"{PROJECT}.news.{name}", [bigquery.SchemaField(*field) for field in ARRIVALS.items()])


def new_rows() -> Any:
    client = bigquery.Client()
    made, columns = client.create_table(arrivals_table("arriving")), {name: name for name in ARRIVALS}
    told = source(table="news.arriving", columns=columns)
    reader, since, nights = source_of(told), Coverage(), []
    arrivals = [arriving(range(30), 4), arriving(range(30, 32), 6, told=1), arriving(range(32, 36), 6)]
    with tempfile.TemporaryDirectory() as scratch:
        for night, (rows_then, replay) in enumerate(zip(arrivals, (0.0, 0.0, 0.5), strict=True)):
            client.insert_rows_json(made, rows_then)
            found = reader.find_new(PartOfSource(since=since, until=next_moment(), replay_share=replay, lag="1m"))
            client.insert_rows_json(made, arriving(range(100 + night, 101 + night), 7))
            dataset = reader.read_new(found.part, Path(scratch) / str(night))
            ids = [row["id"] for batch in iter_batches(dataset.shards, ["id"]) for row in batch.to_pylist()]
            nights.append([found.new, found.replayed, len(ids), dataset.manifest.source == found.identity, sorted(ids)])
            since = coverage_after(dataset, found.part, None)
        date = source(table="news.arriving", columns=columns | {"arrived": "text"})
        try:
            source_of(date).find_new(PartOfSource(until=next_moment()))
        except EvergreenError as error:
            refused = str(error)
    client.delete_table(made)
    return {"nights": nights, "refused": refused}


def late() -> Any:
    """A night whose one new row arrived before most of those that are read once more."""
    client = bigquery.Client()
    made = client.create_table(arrivals_table("late"))
    reader = source_of(source(table="news.late", columns={name: name for name in ARRIVALS}))
    minute_20 = {"arrived": datetime(2026, 1, 4, 0, 20, tzinfo=UTC).isoformat()}
    with tempfile.TemporaryDirectory() as scratch:
        client.insert_rows_json(made, arriving(range(50), 4))
        first = reader.find_new(PartOfSource(until=next_moment(), lag="1h"))
        since = coverage_after(reader.read_new(first.part, Path(scratch) / "first"), first.part, None)
        client.insert_rows_json(made, [arriving(range(50, 51), 4)[0] | minute_20])
        found = reader.find_new(PartOfSource(since=since, until=next_moment(), replay_share=0.5, lag="1h"))
        dataset = reader.read_new(found.part, Path(scratch) / "late")
        read = [row for batch in iter_batches(dataset.shards) for row in batch.to_pylist()]
    client.delete_table(made)
    return {
        "counted": [first.new, found.new, found.replayed],
        "read": [[row["id"] for row in read if not row["replayed"]], sum(row["replayed"] for row in read)],
        "same": dataset.manifest.source == found.identity,
    }


def repeated() -> Any:
    """Nights on one champion, as after a rollback or where a model is kept out, and the rows' later order and state."""
    client = bigquery.Client()
    made = client.create_table(arrivals_table("repeated"))
    reader = source_of(source(table="news.repeated", columns={name: name for name in ARRIVALS}))
    old, new = arriving(range(30), 4), arriving(range(30, 40), 6)
    with tempfile.TemporaryDirectory() as scratch:

        def night(since: Coverage) -> NewRows:
            return reader.find_new(PartOfSource(since=since, until=next_moment(), replay_share=0.5, lag="1m"))

        def asked(found: NewRows) -> list[Any]:
            """What `fetch` is answered from cache by."""
            return [found.identity.model_dump(), found.part.model_dump_json(exclude=set(PartOfSource.beside_content))]

        def read(part: PartOfSource, folder: str) -> list[Any]:
            dataset = reader.read_new(part, Path(scratch) / folder)
            return [dataset.manifest.source.model_dump(), dataset.manifest.content_hash]

        client.insert_rows_json(made, old)
        first = night(Coverage())
        since = coverage_after(reader.read_new(first.part, Path(scratch) / "first"), first.part, None)
        client.insert_rows_json(made, new)
        trained, quiet = night(since), night(since)
        rows_then = read(trained.part, "trained")
        client.delete_table(made)
        made = client.create_table(arrivals_table("repeated"))
        client.insert_rows_json(made, [*reversed(new), *reversed(old)])
        otherwise = night(since)
        rows_later = read(trained.part, "later")
        client.query("UPDATE news.repeated SET text = 'another' WHERE id = 'n35'").result()
        edited, rows_edited = night(since), read(trained.part, "edited")
        dataset = reader.read_new(edited.part, Path(scratch) / "covered")
        since = coverage_after(dataset, edited.part, None)
        with patch.object(BigQueryWarehouse, "rows", autospec=True, side_effect=BigQueryWarehouse.rows) as asked_for:
            found = night(since)
        quiet_night = [found.new, found.replayed > 0, *(call.args[1].sql for call in asked_for.call_args_list)]
    client.delete_table(made)
    return {
        "moments": len({found.part.revision for found in (trained, quiet, otherwise, edited)}),
        "asked": [asked(found) for found in (trained, quiet, otherwise, edited)],
        "rows": [rows_then, rows_later, rows_edited],
        "quiet": quiet_night,
    }


def load(made: bigquery.Table, hour: int, *names: str) -> None:
    """Rows that BigQuery got in an hour of 4 January."""
    content = [{"id": name, "text": f"news {name}", "label": "a"} for name in names]
    configuration = bigquery.LoadJobConfig(schema=made.schema)
    place = f"{PROJECT}.news.{made.table_id}$20260104{hour:02d}"
    bigquery.Client().load_table_from_json(content, place, job_config=configuration).result()


def by_ingestion(name: str, unit: str) -> bigquery.Table:
    made = bigquery.Table(
        f"{PROJECT}.news.{name}", [bigquery.SchemaField(column, "STRING") for column in ("id", "text", "label")]
    )
    made.time_partitioning = bigquery.TimePartitioning(type_=unit)
    made.require_partition_filter = True
    return bigquery.Client().create_table(made)


def ingestion() -> Any:
    """Nights on a table whose partitions tell when rows came, and tables that do not tell it."""
    client, made = bigquery.Client(), by_ingestion("loads", "HOUR")
    reader = source_of(source(table="news.loads", columns={"id": "id"}, arrived="ingestion"))
    since, nights, came = Coverage(), [], set[str]()
    with tempfile.TemporaryDirectory() as scratch:

        def night() -> None:
            nonlocal since
            found = reader.find_new(PartOfSource(since=since, until=next_moment(), lag="1h"))
            names = []
            if found.new:
                dataset = reader.read_new(found.part, Path(scratch) / "new")
                since = coverage_after(dataset, found.part, None)
                read = [row for batch in iter_batches(dataset.shards, ["id", "arrived"]) for row in batch.to_pylist()]
                names = sorted(row["id"] for row in read)
                came.update(row["arrived"].isoformat() for row in read)
            nights.append([found.new, names])

        load(made, 10, "a", "b")
        night()
        load(made, 11, "c")
        load(made, 10, "late")
        night()
        client.insert_rows_json(made, [{"id": "streamed", "text": "news", "label": "a"}])
        night()
        waiting = "SELECT partition_id FROM news.INFORMATION_SCHEMA.PARTITIONS WHERE partition_id = '__UNPARTITIONED__'"
        unpartitioned = len(list(client.query(waiting).result()))
        load(made, 12, "d")  # what was streamed is in the partition of the present hour now, which has not ended
        night()
        whole = reader.read(None, Path(scratch) / "whole")
    star = "SELECT * FROM news.loads"
    told = {
        name: _told(source(table=f"news.{name}", columns={}, arrived="ingestion"), None)[1]
        for name in ("articles", by_ingestion("months", "MONTH").table_id, client.create_table(plain_table()).table_id)
    }
    return {
        "nights": nights,
        "came": sorted(came),
        "whole": whole.manifest.rows,
        "unpartitioned": unpartitioned,
        "filter": _failure(lambda: client.query(star).result()),
        "columns": [
            [field.name for field in client.query(f"{star} AS loads {where}").result().schema]
            for where in (
                "WHERE _PARTITIONTIME > '2000-01-01'",
                "WHERE loads._PARTITIONTIME IN ('2026-01-04 10:00:00')",
            )
        ],
        "hours": sorted(
            row.hour.isoformat()
            for row in client.query(
                "SELECT _PARTITIONTIME AS hour FROM news.loads WHERE _PARTITIONTIME < '2026-01-05' GROUP BY hour"
            ).result()
        ),
        "told": told,
        "partitions": {
            row.partition_id: row.total_rows
            for row in client.query("SELECT * FROM news.INFORMATION_SCHEMA.PARTITIONS").result()
            if row.table_name == "loads"
        },
    }


def plain_table() -> bigquery.Table:
    fields = [bigquery.SchemaField(column, "STRING") for column in ("id", "text", "label")]
    return bigquery.Table(f"{PROJECT}.news.plain", fields)


def mistake() -> Any:
    wrong = {
        "table": source(table="news.nope"),
        "dataset": source(table="nope.articles"),
        "column": source(columns={"timestamp": "when"}),
        "limit": source(maximum_bytes_billed=5),
    }
    told = {name: _told(settings, WINDOW) for name, settings in wrong.items()}
    known = source(columns={"id": "text", "timestamp": "timestamp", "arrived": "timestamp"})
    return told | {"window": _told(source(), None), "filtered": _told(known, None, PartOfSource(until=next_moment()))}


def query_file(sql: str, window: ResolvedWindow | None = None, **fields: Any) -> list[str]:
    """Description of a query's identity, or what is said against it."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "query.sql"
        path.write_text(sql, encoding="utf-8")
        try:
            found = source_of(source(table=None, query_file=str(path), **fields)).identity(window)
        except EvergreenError as error:
            return [type(error).__name__, str(error)]
        return [found.fingerprint, found.description.replace(scratch, "")]


def behind() -> Any:
    """What can be said of tables that BigQuery does not show."""
    columns = {"text": "text", "label": "label"}
    partitions = "SELECT partition_id AS text, table_name AS label FROM news.INFORMATION_SCHEMA.PARTITIONS"
    return {
        "view": query_file("SELECT text, label FROM news.articles WHERE timestamp > '2000-01-01'", columns=columns),
        "schema": query_file(partitions, columns=columns),
    }


def no_select() -> Any:
    script = "DECLARE least INT64 DEFAULT 1;\nSELECT text, label FROM news.articles WHERE label > least;"
    return [query_file(script), query_file("DELETE FROM news.articles WHERE timestamp > '2000-01-01'")]


def read_plainly() -> Any:
    return _told(source(), WINDOW)


def _told(settings: BigQuerySettings, window: ResolvedWindow | None, part: PartOfSource | None = None) -> list[Any]:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            if part is not None:
                return ["found", source_of(settings).find_new(part).new]
            return ["read", source_of(settings).read(window, Path(scratch) / "rows").manifest.rows]
        except EvergreenError as error:
            return [type(error).__name__, str(error)]


if __name__ == "__main__":
    for scenario in sys.stdin:
        try:
            answer = {"answer": globals()[scenario.strip()]()}
        except Exception:
            answer = {"failed": traceback.format_exc()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
