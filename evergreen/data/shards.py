"""Parquet shards whose bytes depend on the rows alone, not on how the rows arrived.

Rows are cut anew into row groups and shards of fixed size, so that reading the same rows from one file or from ten
gives the same checksums, and a cached step stays cached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from evergreen.core.artifacts import MANIFEST_NAME, FileEntry, Splits

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

GROUP_ROWS = 10_000
GROUP_BYTES = 8 << 20
SHARD_ROWS = 50_000
SHARD_BYTES = 64 << 20


def row_bytes(table: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Bytes of text and pictures in each row: (rows,) int64, plus one for the row itself, so that it never is zero."""
    import pyarrow as pa
    import pyarrow.compute as pc

    total = np.ones(table.num_rows, dtype=np.int64)
    for column in table.columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            total += pc.fill_null(pc.binary_length(column), 0).to_numpy()
    return total


def regroup(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in tables of GROUP_ROWS rows, or fewer once their text or pictures reach GROUP_BYTES."""
    import pyarrow as pa

    pending: list[pa.Table] = []
    rows, size = 0, 0
    for batch in batches:
        table = pa.Table.from_batches([batch])
        while table.num_rows:
            filled = size + np.cumsum(row_bytes(table))
            room = min(GROUP_ROWS - rows, int(np.searchsorted(filled, GROUP_BYTES)) + 1, table.num_rows)
            pending.append(table.slice(0, room))
            rows, size = rows + room, int(filled[room - 1])
            table = table.slice(room)
            if rows >= GROUP_ROWS or size >= GROUP_BYTES:
                yield pa.concat_tables(pending).combine_chunks()
                pending, rows, size = [], 0, 0
    if pending:
        yield pa.concat_tables(pending).combine_chunks()


def parquet_writer(path: Path, schema: pa.Schema) -> Any:
    """Arrow's writer of the one kind of Parquet file that is written here; close it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures = [field.name for field in schema if pa.types.is_binary(field.type)]
    repeated = [name for name in schema.names if name not in ("id", "text", *pictures)]
    # PNG and JPEG are compressed already.
    compression = {name: "none" if name in pictures else "zstd" for name in schema.names} if pictures else "zstd"
    return pq.ParquetWriter(path, schema, compression=compression, use_dictionary=repeated)


class ShardWriter:
    """Writes tables to `rows-00000.parquet`, `rows-00001.parquet`, … in `folder`, named relative to `root`.

    Give it tables of `regroup`; a new shard starts after SHARD_ROWS rows or SHARD_BYTES of text or pictures. The `with`
    that it is used in closes the open shard, whatever happens; `entries` and `rows` are complete after that.
    """

    def __init__(self, root: Path, folder: str = "") -> None:
        self._root = root
        self._folder = root / folder
        self._folder.mkdir(parents=True, exist_ok=True)
        for stale in [self._root / MANIFEST_NAME, *self._folder.glob("rows-*.parquet")]:
            stale.unlink(missing_ok=True)
        self._writer: Any = None
        self._shard_rows = self._shard_bytes = 0
        self.entries: list[FileEntry] = []
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, table: pa.Table) -> None:
        """Appends one row group."""
        if self._writer is None:
            self._writer = parquet_writer(self._shard_path, table.schema)
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self.rows += table.num_rows
        self._shard_rows += table.num_rows
        self._shard_bytes += int(row_bytes(table).sum())
        if self._shard_rows >= SHARD_ROWS or self._shard_bytes >= SHARD_BYTES:
            self.close()

    def close(self) -> None:
        """Finishes the open shard; without this its file is not Parquet."""
        if self._writer is None:
            return
        self._writer.close()
        self.entries.append(FileEntry.of(self._shard_path, self._root))
        self._writer = None
        self._shard_rows = self._shard_bytes = 0

    @property
    def _shard_path(self) -> Path:
        return self._folder / f"rows-{len(self.entries):05d}.parquet"


def iter_batches(shards: Sequence[Path], columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Rows of the shards in order, one row group at a time."""
    import pyarrow.parquet as pq

    for shard in shards:
        with pq.ParquetFile(shard, pre_buffer=False) as file:
            for group in range(file.num_row_groups):  # else a batch takes in groups until it has GROUP_ROWS
                yield from file.iter_batches(GROUP_ROWS, row_groups=[group], columns=columns, use_threads=False)


def split_batches(
    splits: Splits, split: str, columns: Sequence[str], at_once: int, chosen: npt.NDArray[np.int64] | None = None
) -> Iterator[pa.RecordBatch]:
    """Rows of one split in order, at most `at_once` at a time; `chosen` are the row numbers to read, ascending."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = 0
    for shard in splits.shards(split):
        with pq.ParquetFile(shard, pre_buffer=False) as file:
            for batch in file.iter_batches(at_once, columns=list(columns), use_threads=False):
                end = first + batch.num_rows
                if chosen is None:
                    yield batch
                else:
                    low, high = np.searchsorted(chosen, (first, end))
                    if low < high:
                        yield batch.take(pa.array(chosen[low:high] - first))
                first = end


def split_columns(splits: Splits, split: str) -> list[str]:
    """The names of the columns that the rows of one split have; none where it has no rows."""
    import pyarrow.parquet as pq

    return [name for shard in splits.shards(split)[:1] for name in pq.read_schema(shard).names]


def first_rows(shards: Sequence[Path], columns: list[str] | None, count: int) -> list[dict[str, Any]]:
    """The first `count` rows, or fewer when there are no more."""
    rows: list[dict[str, Any]] = []
    for batch in iter_batches(shards, columns):
        rows.extend(batch.slice(0, count - len(rows)).to_pylist())
        if len(rows) >= count:
            break
    return rows
