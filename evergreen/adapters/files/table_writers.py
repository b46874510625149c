"""Tables written a batch of rows at a time, so that memory does not grow with the file, whole or not at all.

{"id": "17", "headline": "Shares fell …", "label": "business"}  →  a line of news.csv or news.jsonl
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from evergreen.adapters.files.decoding import is_compressed
from evergreen.adapters.files.delimited import Dialect
from evergreen.adapters.files.rows import Row, table_format
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.core.names import quoted
from evergreen.data.shards import parquet_writer

if TYPE_CHECKING:
    import pyarrow as pa


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
def table_writer(
    path: Path, fields: FilesSettings, schema_of: Path | None = None, texts: Collection[str] = ()
) -> Iterator[RowWriter]:
    """A writer whose file appears at `path` when the block ends without an error, and not before.

    Text is written in the encoding, with the delimiter, quoting and escape that the `fields` set, always with a header
    line; JSON in UTF-8. `schema_of` is a Parquet file whose columns keep their types, and `texts` are columns of text
    that may be empty in all rows.
    """
    table_format(path)
    if not path.parent.is_dir():
        raise InputError(f"no folder {path.parent} for {path.name}; create it")
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        part = Path(file.name)
    try:
        writer = _open_writer(part, path, fields, _Types(schema_of, texts))
        try:
            yield writer
        finally:
            writer.close()
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class _Types(NamedTuple):
    """What is known of columns before their rows: those of a Parquet file keep theirs, `texts` are text."""

    schema_of: Path | None
    texts: Collection[str]

    def of(self, inferred: pa.Schema) -> pa.Schema:
        """The types that rows show, and those that are known."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        known = pq.read_schema(self.schema_of) if self.schema_of else pa.schema([])

        def typed(field: pa.Field) -> pa.Field:
            if field.name in known.names:
                return known.field(field.name)
            is_text = pa.types.is_null(field.type) and field.name in self.texts
            return field.with_type(pa.string()) if is_text else field

        return pa.schema(map(typed, inferred))


def _open_writer(part: Path, path: Path, fields: FilesSettings, types: _Types) -> RowWriter:
    file_format = table_format(path)
    if file_format == "parquet":
        return _ParquetWriter(part, types)
    encoding = "utf-8" if file_format == "jsonl" else fields.encoding
    binary = gzip.open(part, "wb") if is_compressed(path) else part.open("wb")  # noqa: SIM115 - the writer closes it
    file = io.TextIOWrapper(cast("IO[bytes]", binary), encoding, newline="")
    return _JsonlWriter(file) if file_format == "jsonl" else _CsvWriter(file, path, fields)


_ENDS = "\r\n"
"""Python's `csv` quotes those characters alone that end its own lines."""
_MOST_HELD = 16_384
"""Rows, until which a column's type is waited for."""


class _Lines:
    """Takes rows of Python's `csv`, and writes each with the line end of text files."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, row: str) -> None:
        self._file.write(row.removesuffix(_ENDS) + "\n")


class _CsvWriter:
    def __init__(self, file: IO[str], path: Path, fields: FilesSettings) -> None:
        self._file, self._path, self._fields = file, path, fields
        self._writer: csv.DictWriter[str] | None = None

    def write(self, rows: Sequence[Row]) -> None:
        try:
            if rows and self._writer is None:
                options = Dialect.to_write(self._path, self._fields).csv_options()
                self._writer = csv.DictWriter(_Lines(self._file), list(rows[0]), lineterminator=_ENDS, **options)
                self._writer.writeheader()
            if self._writer:
                self._writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
        except UnicodeEncodeError as error:
            raise InputError(
                f"{error.object[error.start]!r} cannot be written to {self._path.name} in source.encoding "
                f"{self._fields.encoding}; write .jsonl, which is UTF-8"
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


def _cell(value: object) -> Any:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else value


class _JsonlWriter:
    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, rows: Sequence[Row]) -> None:
        self._file.writelines(map(json_line, rows))

    def close(self) -> None:
        self._file.close()


class _ParquetWriter:
    """Columns without a known type take it from the first rows that fill them."""

    def __init__(self, part: Path, types: _Types) -> None:
        self._part, self._types = part, types
        self._held: list[Row] = []
        self._schema: pa.Schema | None = None
        self._writer: Any = None

    def write(self, rows: Sequence[Row]) -> None:
        held, self._held = [*self._held, *rows], []
        if not held:
            return
        inferred = _inferred(held)
        if self._schema is None:
            schema = self._types.of(inferred)
            if _has_unknown(schema) and len(held) < _MOST_HELD:
                self._held = held
                return
            self._schema = schema
        self._append(held, inferred, self._schema)

    def _append(self, rows: Sequence[Row], inferred: pa.Schema, schema: pa.Schema) -> None:
        import pyarrow as pa

        if lost := _lost(inferred, schema):
            raise InputError(f"a row has {lost}, which rows before it lack and Parquet cannot add; write .jsonl")
        if self._writer is None:
            self._writer = parquet_writer(self._part, schema)
        with _one_type():
            self._writer.write_table(pa.Table.from_pylist(list(rows), schema=schema))

    def close(self) -> None:
        rows, self._held = self._held, []
        try:
            if rows:
                inferred = _inferred(rows)
                self._append(rows, inferred, self._types.of(inferred))
        finally:
            if self._writer is not None:
                self._writer.close()


@contextmanager
def _one_type() -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"a column changes its type, which Parquet cannot hold ({error}); write .jsonl") from error


def _inferred(rows: Sequence[Row]) -> pa.Schema:
    """The types of all columns that any of the rows has, in the order in which they come."""
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row)
    with _one_type():
        return pa.schema([(name, pa.array([row.get(name) for row in rows]).type) for name in names])


def _has_unknown(schema: pa.Schema) -> bool:
    import pyarrow as pa

    return any(pa.types.is_null(field.type) for field in schema)


def _lost(got: Iterable[pa.Field], kept: Any) -> str | None:
    """What is in `got` and has no place in `kept`, such as `the column 'a'`; Arrow would drop it in silence."""
    import pyarrow as pa

    for field in got:
        place = kept.get_field_index(field.name)
        if place < 0:
            return f"{'column' if isinstance(kept, pa.Schema) else 'member'} {quoted(field.name)}"
        within, into = _members(field.type), _members(kept.field(place).type)
        if within is not None and into is not None and (lost := _lost(within, into)):
            return lost
    return None


def _members(kind: pa.DataType) -> pa.DataType | None:
    """The structure that the type is, or a list of it holds."""
    import pyarrow as pa

    while pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return kind if pa.types.is_struct(kind) else None


def _umask() -> int:
    """The permissions that new files do not get; the system tells it only by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
