"""Rows made ready for the table that a pipeline trains on: its columns, and times spread over the last days.

    {"id": "train:1", "text": "Wall St. Bears …", "label": "Business", "timestamp": 2026-11-21T08:12:44.120391+00:00}

Where the target has a column of arrivals, all rows arrive at the end of those days, whatever each tells of.

The same dataset and plan give a file with the same bytes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import Dataset, ResolvedWindow
from evergreen.core.errors import InputError
from evergreen.core.preparation import Prepared
from evergreen.data.duplicates.keys import content_keys
from evergreen.data.row_fields import TIMES
from evergreen.data.shards import iter_batches, parquet_writer, regroup

if TYPE_CHECKING:
    import pyarrow as pa

PREPARED = "evergreen_prepared"
"""What marks a table or file as one that was prepared, so that nothing else is ever replaced."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FRACTION_BITS = 53  # a double holds them exactly


@dataclass(frozen=True)
class Times:
    """Times drawn evenly from `[end - days, end)`: a row's depends on `seed` and its id alone."""

    end: datetime
    days: float
    seed: int

    def of(self, ids: pa.Array) -> pa.Array:
        """A time for each id: (rows,) timestamp[us, UTC]."""
        import pyarrow as pa
        import pyarrow.compute as pc

        share = _fractions(pc.fill_null(ids, ""), self.seed)
        span = timedelta(days=self.days) // _MICROSECOND
        first = (self.end - _EPOCH) // _MICROSECOND - span
        return pa.array(first + (share * span).astype(np.int64), pa.timestamp("us", tz="UTC"))


@dataclass(frozen=True)
class Plan:
    """What becomes of each row.

    `columns` names the target's columns by canonical name, in order; `labels` are those that the task knows (None:
    any); `window` is the one that a run would train on now. `share` of the rows are taken, chosen by their ids alone: a
    smaller share is part of a larger one.
    """

    times: Times
    columns: Mapping[str, str]
    labels: tuple[str, ...] | None = None
    window: ResolvedWindow | None = None
    share: float = 1.0


def target_columns(mapping: Mapping[str, str]) -> dict[str, str]:
    """The columns to write by canonical name: those that the source reads, and always id, text and timestamp.

    Raises:
        InputError: one column of the source is read as two.
    """
    first = ("id", "text", *(["label"] if "label" in mapping else []), "timestamp")
    columns = {name: name for name in first} | dict(mapping)
    twice = [name for name, count in Counter(columns.values()).items() if count > 1]
    if twice:
        raise InputError(f"source.columns reads {', '.join(twice)} as several columns; name one each to prepare them")
    return columns


def prepare(dataset: Dataset, plan: Plan, path: Path) -> Prepared:
    """The dataset's rows as one Parquet file at `path`, in one pass; memory does not grow with rows.

    A dataset with times or arrivals of its own keeps them.

    Raises:
        InputError: a label that the task does not know, a row without text, label or time, or a column that is missing.
    """
    missing = [name for name in plan.columns if name not in (*dataset.manifest.columns, *TIMES)]
    if missing:
        raise InputError(
            f"the configuration reads {', '.join(missing)}, which no column of the rows gives "
            f"(given: {', '.join(dataset.manifest.columns)}); map them with --columns {missing[0]}=<column>"
        )
    prepared = Prepared(path, plan.columns)
    writer: Any = None
    try:
        for table in regroup(_timed(dataset, plan)):
            _count(prepared, table, plan)
            named = table.rename_columns(list(plan.columns.values()))
            if writer is None:
                schema = named.schema.with_metadata({PREPARED: "1"})
                writer = parquet_writer(path, schema)
            writer.write_table(named.replace_schema_metadata(schema.metadata), row_group_size=max(named.num_rows, 1))
    finally:
        if writer is not None:
            writer.close()
    with path.open("rb") as file:
        prepared.fingerprint = hashlib.file_digest(file, "sha256").hexdigest()
    return prepared


def _fractions(ids: pa.Array, seed: int) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each id, by its hash: (rows,) float64."""
    keys = content_keys(ids, seed)
    return (keys >> np.uint64(64 - _FRACTION_BITS)).astype(np.float64) / 2.0**_FRACTION_BITS


def _timed(dataset: Dataset, plan: Plan) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in iter_batches(dataset.shards):
        ids = pc.fill_null(batch.column("id"), "")
        timed = batch.filter(pa.array(_fractions(ids, plan.times.seed + 1) < plan.share)) if plan.share < 1 else batch
        if "timestamp" not in batch.schema.names:
            timed = timed.append_column("timestamp", plan.times.of(timed.column("id")))
        if "arrived" in plan.columns and "arrived" not in batch.schema.names:
            arrived = pa.scalar(plan.times.end, pa.timestamp("us", tz="UTC"))
            timed = timed.append_column("arrived", pa.repeat(arrived, timed.num_rows))
        yield timed.select(list(plan.columns))


def _count(prepared: Prepared, table: pa.Table, plan: Plan) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    labelled = "label" in plan.columns
    for name in ("text", *(["label"] if labelled else []), "timestamp"):
        if table[name].null_count:
            row = table["id"][pc.index(pc.is_null(table[name]), True).as_py()]
            raise InputError(f"row {row} has no {name}; fill it or leave the row out")
    value_counts = table["label"].value_counts().to_pylist() if labelled else []
    counted = Counter({str(entry["values"]): entry["counts"] for entry in value_counts})
    if plan.labels is not None and (unknown := [label for label in counted if label not in plan.labels]):
        row = table["id"][pc.index(table["label"], unknown[0]).as_py()]
        raise InputError(
            f"label '{unknown[0]}' of row {row} is none of the task's ({', '.join(plan.labels)}); "
            f"name it with --label-names '{unknown[0]}={plan.labels[0]},…', or correct parameters.task.labels"
        )
    prepared.labels.update(counted)
    prepared.rows += table.num_rows
    moments = table["timestamp"]
    bounds = pc.min_max(moments).as_py()
    prepared.first = min(bounds["min"], prepared.first or bounds["min"])
    prepared.last = max(bounds["max"], prepared.last or bounds["max"])
    start, end = (plan.window.start, plan.window.end) if plan.window else (bounds["min"], bounds["max"] + _MICROSECOND)
    start, end = (pa.scalar(bound, moments.type) for bound in (start, end))
    inside = pc.and_(pc.greater_equal(moments, start), pc.less(moments, end))
    prepared.in_window += int(pc.sum(inside).as_py() or 0)
