"""Tables written a batch of rows at a time, so that memory does not grow with the file, whole or not at all.

{"id": "17", "headline": "Shares fell …", "label": "business"}  →  a line of news.csv or news.jsonl
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Protocol, cast

from evergreen.adapters.files.decoding import is_compressed
from evergreen.adapters.files.fields import FileFields
from evergreen.adapters.files.rows import Row, table_format
from evergreen.core.errors import InputError
from evergreen.data.shards import parquet_writer


class RowWriter(Protocol):
    """Takes rows in batches."""

    def write(self, rows: Sequence[Row]) -> None:
        """Appends the rows."""

    def close(self) -> None:
        """Ends the file."""


def json_line(row: Row) -> str:
    """The row as a line of JSON, with its end; what JSON has no word for as text."""
    return json.dumps(row, ensure_ascii=False, default=str) + "\n"


@contextmanager
def table_writer(path: Path, fields: FileFields, schema_of: Path | None = None) -> Iterator[RowWriter]:
    """A writer whose file appears at `path` when the block ends without an error, and not before.

    Text is written in the encoding, with the delimiter, quoting and escape of the source of the `fields`, always with a
    header line; JSON in UTF-8. `schema_of` is
    a Parquet file whose columns keep their types.
    """
    table_format(path)
    if not path.parent.is_dir():
        raise InputError(f"no folder {path.parent} for {path.name}; create it")
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        part = Path(file.name)
    try:
        writer = _open_writer(part, path, fields, schema_of)
        try:
            yield writer
        finally:
            writer.close()
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _open_writer(part: Path, path: Path, fields: FileFields, schema_of: Path | None) -> RowWriter:
    file_format = table_format(path)
    if file_format == "parquet":
        return _ParquetWriter(part, schema_of)
    encoding = "utf-8" if file_format == "jsonl" else fields.encoding
    binary = gzip.open(part, "wb") if is_compressed(path) else part.open("wb")  # noqa: SIM115 - the writer closes it
    file = io.TextIOWrapper(cast("IO[bytes]", binary), encoding, newline="")
    return _JsonlWriter(file) if file_format == "jsonl" else _CsvWriter(file, path, fields)


class _CsvWriter:
    def __init__(self, file: IO[str], path: Path, fields: FileFields) -> None:
        self._file, self._path, self._fields = file, path, fields
        self._writer: csv.DictWriter[str] | None = None

    def write(self, rows: Sequence[Row]) -> None:
        try:
            if rows and self._writer is None:
                options = self._fields.dialect_to(self._path).csv_options()
                self._writer = csv.DictWriter(self._file, list(rows[0]), lineterminator="\n", **options)
                self._writer.writeheader()
            if self._writer:
                self._writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
        except UnicodeEncodeError as error:
            raise InputError(
                f"{error.object[error.start]!r} cannot be written to {self._path.name} in source.encoding "
                f"{error.encoding}; write .jsonl, which is UTF-8"
            ) from error
        except ValueError as error:
            raise InputError(f"rows have different columns, which CSV cannot hold ({error}); write .jsonl") from error
        except csv.Error as error:
            raise InputError(
                f"a row cannot be written to {self._path.name} without quotes ({error}); set source.escape, or write "
                ".jsonl"
            ) from error

    def close(self) -> None:
        self._file.close()


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else value


class _JsonlWriter:
    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, rows: Sequence[Row]) -> None:
        self._file.writelines(map(json_line, rows))

    def close(self) -> None:
        self._file.close()


class _ParquetWriter:
    """Columns of `schema_of` keep their types; those of other formats take them from the first batch."""

    def __init__(self, part: Path, schema_of: Path | None) -> None:
        self._part, self._schema_of = part, schema_of
        self._schema: Any = None
        self._writer: Any = None

    def write(self, rows: Sequence[Row]) -> None:
        import pyarrow as pa

        if not rows:
            return
        if self._writer is None:
            self._schema = self._schema_for(rows)
            self._writer = parquet_writer(self._part, self._schema)
        try:
            self._writer.write_table(pa.Table.from_pylist(list(rows), schema=self._schema))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise InputError(f"a column changes its type, which Parquet cannot hold ({error}); write .jsonl") from error

    def _schema_for(self, rows: Sequence[Row]) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        inferred = pa.Table.from_pylist(list(rows)).schema
        known = pq.read_schema(self._schema_of) if self._schema_of else pa.schema([])
        fields = [known.field(one.name) if one.name in known.names else one for one in inferred]
        return pa.schema(fields)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _umask() -> int:
    """The permissions that new files do not get; the system tells it only by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
