"""Tables read and written a batch of rows at a time, so that memory does not grow with the file.

read_rows(Path("news.csv"), ...)  →  {"id": "17", "headline": "Shares fell …"}, …
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

from evergreen.adapters.files.decoding import (
    TextForm,
    check_decodes,
    is_compressed,
    open_bytes,
    python_encoding,
    reading,
)
from evergreen.adapters.files.fields import FileFields
from evergreen.adapters.files.find import SUFFIXES, FileFormat, format_of
from evergreen.core.errors import InputError

Row = dict[str, Any]
PARQUET_ROWS = 1024
LONGEST_FIELD = 16 * 2**20  # characters; Python's own limit is 131,072, too short for a long article


class RowWriter(Protocol):
    """Takes rows in batches."""

    def write(self, rows: Sequence[Row]) -> None:
        """Appends the rows."""

    def close(self) -> None:
        """Ends the file."""


def table_format(path: Path) -> FileFormat:
    """The format that the file's name tells, as for a source of files. Raises InputError when it tells none."""
    found = format_of(path)
    if found is None or (found == "parquet" and is_compressed(path)):
        raise InputError(
            f"unknown format {path.suffix or 'none'} of {path} (allowed: {', '.join(SUFFIXES)}; text also with .gz); "
            "rename it"
        )
    return found


def read_rows(path: Path, fields: FileFields) -> Iterator[Row]:
    """The rows of a table, in order; its text is decoded and split as the source of the `fields` decodes and splits it.

    Raises:
        InputError: no such file, or a row that cannot be read; the message names it.
    """
    file_format = table_format(path)
    if not path.is_file():
        raise InputError(f"no file {path}; --input takes one table")
    if file_format == "parquet":
        yield from _read_parquet(path)
        return
    with reading(path, str(path)):
        form = TextForm(fields.encoding_of(path), fields.delimiter_of(path))
        try:
            with io.TextIOWrapper(open_bytes(path), encoding=python_encoding(form.encoding), newline="") as file:
                yield from _read_jsonl(path, file) if file_format == "jsonl" else _read_csv(path, file, form)
        except UnicodeError as error:
            check_decodes(path, str(path), form.encoding)
            raise InputError(f"{path} cannot be read as {form.encoding}: {error}; set source.encoding") from error


@contextmanager
def table_writer(path: Path, fields: FileFields, schema_of: Path | None = None) -> Iterator[RowWriter]:
    """A writer whose file appears at `path` when the block ends without an error, and not before.

    Text is written in the encoding and with the delimiter of the source of the `fields`, JSON in UTF-8. `schema_of` is
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


def _read_csv(path: Path, file: IO[str], form: TextForm) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.DictReader(file, delimiter=form.delimiter, strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                header = len(reader.fieldnames or ())
                raise InputError(f"{path} line {reader.line_num}: not {header} columns as in the header")
            yield row
    except csv.Error as error:
        raise InputError(f"{path} line {reader.line_num}: {error}") from error


def _read_jsonl(path: Path, file: IO[str]) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path} line {number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{path} line {number}: should be an object such as {{…}}, got {type(row).__name__}")
        yield row


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(PARQUET_ROWS):
                yield from batch.to_pylist()
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is no Parquet file: {error}") from error


def _open_writer(part: Path, path: Path, fields: FileFields, schema_of: Path | None) -> RowWriter:
    file_format = table_format(path)
    if file_format == "parquet":
        return _ParquetWriter(part, schema_of)
    encoding = "utf-8" if file_format == "jsonl" else fields.encoding
    binary = gzip.open(part, "wb") if is_compressed(path) else part.open("wb")  # noqa: SIM115 - the writer closes it
    file = io.TextIOWrapper(cast("IO[bytes]", binary), encoding, newline="")
    return _JsonlWriter(file) if file_format == "jsonl" else _CsvWriter(file, fields.delimiter_of(path))


class _CsvWriter:
    def __init__(self, file: IO[str], delimiter: str) -> None:
        self._file, self._delimiter = file, delimiter
        self._writer: csv.DictWriter[str] | None = None

    def write(self, rows: Sequence[Row]) -> None:
        if rows and self._writer is None:
            self._writer = csv.DictWriter(self._file, list(rows[0]), delimiter=self._delimiter, lineterminator="\n")
            self._writer.writeheader()
        if self._writer:
            try:
                self._writer.writerows(rows)
            except ValueError as error:
                raise InputError(
                    f"rows have different columns, which CSV cannot hold ({error}); write .jsonl"
                ) from error

    def close(self) -> None:
        self._file.close()


class _JsonlWriter:
    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, rows: Sequence[Row]) -> None:
        self._file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)

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
        import pyarrow.parquet as pq

        if not rows:
            return
        if self._writer is None:
            self._schema = self._schema_for(rows)
            self._writer = pq.ParquetWriter(self._part, self._schema)
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
