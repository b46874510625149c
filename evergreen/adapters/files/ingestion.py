"""When rows came that do not tell it themselves: when the bucket got their objects as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from evergreen.data.columns import INGESTED, ROW_NAME

if TYPE_CHECKING:
    import pyarrow as pa


def with_ingestion_times(
    batches: Iterable[pa.RecordBatch], created: Mapping[str, datetime], *, rows_are_files: bool
) -> Iterator[pa.RecordBatch]:
    """The batches with a column of times; `created` has those of files by name.

    Rows of several files are in one batch only where each file is a row.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    files = [_row_of(name) for name in created] if rows_are_files else list(created)
    known, times = pa.array(files, pa.string()), pa.array(list(created.values()), pa.timestamp("us", tz="UTC"))
    for batch in batches:
        rows = batch.column(ROW_NAME)
        if not rows_are_files and len(rows):
            rows = pa.repeat(rows[0].as_py().rpartition(":")[0], len(rows))
        yield batch.append_column(INGESTED, times.take(pc.index_in(rows, known)))


def _row_of(name: str) -> str:
    """The name of the row that a whole file is."""
    return name.removesuffix(PurePosixPath(name).suffix)
