"""The rows of one table with all their columns, by the readers of the source that would train on it.

read_rows(Path("news.csv"), fields)  →  {"id": "17", "headline": "Shares fell …"}, …
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evergreen.adapters.files.decoding import encoding_of, is_compressed, reading
from evergreen.adapters.files.delimited import Dialect, read_records
from evergreen.adapters.files.find import SUFFIXES, format_of
from evergreen.adapters.files.jsonl import read_objects
from evergreen.adapters.files.parquet import read_batches
from evergreen.adapters.files.settings import FilesSettings, RowFormat
from evergreen.core.errors import InputError
from evergreen.data.canonical import with_row_names
from evergreen.data.columns import ROW_NAME, all_columns
from evergreen.data.plain import plain

Row = dict[str, Any]


def table_format(path: Path, fields: FilesSettings | None = None) -> RowFormat:
    """The format that the file's name tells, else that of the source of the `fields`.

    Raises:
        InputError: neither tells a format of tables.
    """
    known = format_of(path)
    if known is None and fields is not None and fields.format in ("csv", "jsonl", "parquet"):
        return fields.format
    if known is None or (known == "parquet" and is_compressed(path)):
        raise InputError(
            f"unknown format {path.suffix or 'none'} of {path} (allowed: {', '.join(SUFFIXES)}; text also with .gz); "
            "rename it"
        )
    return known


def read_rows(path: Path, fields: FilesSettings) -> Iterator[Row]:
    """The rows of a table, in order, as the source of the `fields` decodes and splits them.

    Raises:
        InputError: no such file, a column twice, or a row that cannot be read; the message names it.
    """
    file_format = table_format(path, fields)
    if not path.is_file():
        raise InputError(f"no file {path}; --input takes one table")
    name = str(path)
    with reading(path, name):
        if file_format == "parquet":
            yield from _of_parquet(path, name)
        elif file_format == "jsonl":
            for _, row in read_objects(path, name, encoding_of(path, name, fields)):
                yield row
        else:
            yield from _of_delimited(path, name, fields)


def _of_delimited(path: Path, name: str, fields: FilesSettings) -> Iterator[Row]:
    records = read_records(path, name, Dialect.of(path, name, fields))
    header = next(records)
    all_columns(header, name)
    for values in records:
        yield dict(zip(header, values, strict=True))


def _of_parquet(path: Path, name: str) -> Iterator[Row]:
    import pyarrow as pa

    def all_of(present: Sequence[str]) -> Sequence[str]:
        all_columns(present, name)
        return present

    for batch in with_row_names(read_batches(path, name, all_of), name):
        rows = batch.column(ROW_NAME)
        columns = {
            column: plain(batch.column(column), column, rows) for column in batch.schema.names if column != ROW_NAME
        }
        try:
            content = pa.RecordBatch.from_pydict(columns).to_pylist()
        except (ValueError, OverflowError, LookupError) as error:  # a member twice, a duration of ages, no such zone
            raise InputError(f"rows from {rows[0]} on cannot be read: {error}; leave that column out") from error
        yield from content
