"""What a table that is there begins with, so that an output replaces no file but one that was written so before.

{"id": "17", "text": "…", "label": "sport", "score": "0.98", "version": "0a1b2c3d4e5f", "error": ""}
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

from evergreen.adapters.files.cloud import is_cloud
from evergreen.adapters.files.decoding import LONGEST_FIELD, is_compressed
from evergreen.adapters.files.delimited import Dialect
from evergreen.adapters.files.rows import Row, table_format
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.batch import was_predicted
from evergreen.core.errors import InputError
from evergreen.core.names import listed

Opener = Callable[[], IO[bytes]]


def check_replaceable(path: str, fields: FilesSettings, opener: Opener) -> None:
    """Returns where nothing is lost by writing the table: no file is there, an empty one, or earlier predictions.

    `fields` say how text is written, and `opener` opens the file.

    Raises:
        InputError: the file holds anything else, or this machine cannot read it; nothing has been written.
        OSError: what a bucket's file system raises.
    """
    try:
        with opener() as file:
            is_empty = not file.read(1)
            file.seek(0)
            row = {} if is_empty else first_row(file, Path(path), fields)
    except FileNotFoundError:
        return
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder; name a file that is not there yet, or remove it") from error
    except OSError as error:
        if is_cloud(path):
            raise
        told = f"{path} is there already and cannot be read: {error}; mend that, or name another path"
        raise InputError(told) from error
    if not is_empty and not was_predicted(row):
        found = f"its columns are {listed(row)}" if row else f"it is no {table_format(Path(path))} with rows"
        raise InputError(
            f"{path} is there already, ends with no version and error of a prediction ({found}) and is left alone; "
            "name another path, or remove it first"
        )


def first_row(file: IO[bytes], path: Path, fields: FilesSettings) -> Row:
    """The first row by its columns, as outputs are written; nothing where the bytes are no such table.

    The path says of which kind.

    Raises:
        OSError: the bytes cannot be had.
    """
    import pyarrow as pa

    kind = table_format(path)
    try:
        if kind == "parquet":
            return _of_parquet(file)
        encoding = "utf-8" if kind == "jsonl" else fields.encoding
        binary = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if is_compressed(path) else file
        with io.TextIOWrapper(binary, encoding, newline="") as text:
            return _of_json(text) if kind == "jsonl" else _of_delimited(text, path, fields)
    except (ValueError, csv.Error, gzip.BadGzipFile, EOFError, zlib.error, pa.ArrowException):
        return {}


def _of_parquet(file: IO[bytes]) -> Row:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        rows: list[Row] = next(table.iter_batches(1), table.schema_arrow.empty_table()).to_pylist()
        return rows[0] if rows else {}


def _of_json(text: IO[str]) -> Row:
    row: Any = json.loads(text.readline())
    return row if isinstance(row, dict) else {}


def _of_delimited(text: IO[str], path: Path, fields: FilesSettings) -> Row:
    csv.field_size_limit(LONGEST_FIELD)
    rows = csv.reader(text, **Dialect.to_write(path, fields).csv_options())
    return dict(zip(next(rows, []), next(rows, []), strict=False))
