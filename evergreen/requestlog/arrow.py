"""The rows of a request log as Arrow: one an instance, and one for a refused request.

A row's `trace_id` leads to its version's run and rows (`run.py lineage`), as the answer does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from evergreen.core.artifacts import ResolvedWindow
from evergreen.requestlog.record import MARK

BATCH_ROWS = 4096
SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("trace_id", pa.string(), nullable=False),
        pa.field("index", pa.int32()),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("status", pa.int16(), nullable=False),
        pa.field("latency_ms", pa.float64(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
        pa.field("features", pa.map_(pa.string(), pa.float64())),
        pa.field("sketch", pa.list_(pa.int32())),
        pa.field("prediction", pa.string()),
        pa.field("score", pa.float64()),
        pa.field("probabilities", pa.list_(pa.float32())),
        pa.field("embedding", pa.list_(pa.float32())),
        pa.field("input", pa.string()),
    ]
)
"""`index` numbers the instances of a request, None: it was refused. `count` is how many refused requests a row stands
for, 1 elsewhere; `input` is JSON, where inputs are kept at all."""
Values = dict[str, Any]


class DamagedLineError(ValueError):
    """A line is no request's, or only a part of one."""


def rows_in(line: str | bytes) -> list[Values]:
    """The rows of one line, by name as in SCHEMA. Raises DamagedLineError where it is none."""
    try:
        content = json.loads(line)
        if content.get("log") != MARK:
            content = json.loads(content["message"])  # as Cloud Logging has it where it takes no line apart
        request = {name: content[name] for name in ("model", "version", "trace_id", "engine", "status", "latency_ms")}
        request |= {"time": datetime.fromisoformat(content["time"]), "count": content["count"]}
        return [request | _row(row) for row in content["rows"]] or [request]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedLineError("it is no whole line of a request log") from error


def _row(row: Values) -> Values:
    shown = {"input": json.dumps(row["input"], ensure_ascii=False)} if "input" in row else {}
    return {**row, "features": list(row["features"].items()), **shown}


def batch_of(rows: list[Values]) -> pa.RecordBatch:
    """The rows as one batch. Raises DamagedLineError where a value has another type than its column."""
    try:
        columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in SCHEMA]
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise DamagedLineError("it holds a value of another type") from error
    if any(column.null_count and not field.nullable for field, column in zip(SCHEMA, columns, strict=True)):
        raise DamagedLineError("it lacks a value")
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


class Batches:
    """Record batches of lines; `skipped` counts the lines, so far, that are none."""

    def __init__(self, lines: Iterable[str | bytes]) -> None:
        self.skipped = 0
        self._lines = lines

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Some thousand rows at a time."""
        rows: list[Values] = []
        for line in self._lines:
            try:
                rows += rows_in(line)
            except DamagedLineError:
                self.skipped += 1
            if len(rows) >= BATCH_ROWS:
                yield from self._batch(rows)
                rows = []
        if rows:
            yield from self._batch(rows)

    def _batch(self, rows: list[Values]) -> Iterator[pa.RecordBatch]:
        """The batch, or those of its rows that can be, should one have a value of another type."""
        try:
            yield batch_of(rows)
        except DamagedLineError:
            if len(rows) == 1:
                self.skipped += 1
                return
            for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                yield from self._batch(half)


def within(batch: pa.RecordBatch, window: ResolvedWindow) -> pa.RecordBatch:
    """The rows of the window."""
    kind = SCHEMA.field("time").type
    start, end = pa.scalar(window.start, kind), pa.scalar(window.end, kind)
    times = batch.column("time")
    return batch.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, end)))
