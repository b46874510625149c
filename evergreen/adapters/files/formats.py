"""Formats of rows and their readers: a reader takes files by name, and gives batches of the columns that are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.adapters.files.decoding import reading
from evergreen.adapters.files.delimited import read_delimited
from evergreen.adapters.files.jsonl import read_jsonl
from evergreen.adapters.files.parquet import read_parquet
from evergreen.adapters.files.settings import FilesSettings, RowFormat
from evergreen.adapters.files.texts import read_folders
from evergreen.adapters.files.tfrecord import read_tfrecord

if TYPE_CHECKING:
    import pyarrow as pa

    Reader = Callable[[Iterable[tuple[str, Path]], FilesSettings], Iterator[pa.RecordBatch]]


def each(read: Callable[[Path, str, FilesSettings], Iterator[pa.RecordBatch]]) -> Reader:
    """The reader of files that `read` reads one by one."""

    def read_all(files: Iterable[tuple[str, Path]], settings: FilesSettings) -> Iterator[pa.RecordBatch]:
        for name, file in files:
            with reading(file, name):
                yield from read(file, name, settings)

    return read_all


READERS: Mapping[RowFormat, Reader] = {
    "csv": each(read_delimited),
    "jsonl": each(read_jsonl),
    "parquet": each(read_parquet),
    "tfrecord": each(read_tfrecord),
    "text_folders": read_folders,
}
