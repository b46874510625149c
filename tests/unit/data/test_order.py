"""Rows in one order, whatever order they come in."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import itemgetter

import pyarrow as pa

from evergreen.data.order import in_order


def test_rows_come_by_id_arrival_and_content_in_the_types_that_they_had() -> None:
    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("arrived", pa.timestamp("us", tz="UTC"))])
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2)]
    rows = [{"id": str(n % 3), "text": f"t{n}", "arrived": None if n == 4 else days[n % 2]} for n in range(12)]
    batches = [pa.RecordBatch.from_pylist(rows[start : start + 5], schema) for start in range(0, 12, 5)]
    backwards = [pa.RecordBatch.from_pylist(list(reversed(rows)), schema)]
    ordered = pa.Table.from_batches(in_order(batches), schema)
    assert ordered == pa.Table.from_batches(in_order(backwards), schema)
    assert ordered["id"].to_pylist() == ["0"] * 4 + ["1"] * 4 + ["2"] * 4
    assert sorted(ordered.to_pylist(), key=itemgetter("text")) == sorted(rows, key=itemgetter("text"))
    assert list(in_order([])) == []
