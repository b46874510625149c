"""Rows in one order, whatever order they come in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from evergreen.data.database import open_database
from evergreen.data.shards import GROUP_ROWS, parquet_writer, regroup

if TYPE_CHECKING:
    import pyarrow as pa


def in_order(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows by id, arrival and content; sorted on disk, so that memory does not grow with them."""
    tables = regroup(batches)
    first = next(tables, None)
    if first is None:
        return
    with TemporaryDirectory(prefix="evergreen-order-") as folder:
        path = Path(folder) / "rows.parquet"
        with closing(parquet_writer(path, first.schema)) as writer:
            writer.write_table(first)
            for table in tables:
                writer.write_table(table)
        with open_database() as connection:
            ordered = connection.read_parquet(str(path)).order("id, arrived, hash(COLUMNS(*))")
            for batch in ordered.to_arrow_reader(GROUP_ROWS):
                yield batch.cast(first.schema)
