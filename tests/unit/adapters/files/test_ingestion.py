"""Times of arrival that a bucket tells, for rows that do not."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from evergreen.adapters.files.ingestion import with_ingestion_times
from evergreen.data.columns import INGESTED, ROW_NAME

CAME = datetime(2026, 5, 1, tzinfo=UTC)


def test_a_batch_without_rows_has_the_column_too() -> None:
    batches = [pa.RecordBatch.from_pydict({ROW_NAME: pa.array(names, pa.string())}) for names in ([], ["a.csv:1"])]
    empty, full = with_ingestion_times(batches, {"a.csv": CAME}, rows_are_files=False)
    assert empty.schema == full.schema
    assert (len(empty), full.column(INGESTED).to_pylist()) == (0, [CAME])
