"""Rows of text as batches of Arrow columns, and text folders: `sports/199.txt` is row `sports/199`, label `sports`."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.adapters.files.decoding import check_decodes, encoding_of, python_encoding, reading
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.core.names import quoted
from evergreen.data.columns import ROW_NAME
from evergreen.data.row_fields import check_columns

if TYPE_CHECKING:
    import pyarrow as pa

Values = tuple[str | None, ...]
_BATCH_ROWS = 4_096
_BATCH_CHARS = 4 << 20


def text_batches(rows: Iterable[Values], columns: list[str], name: str) -> Iterator[pa.RecordBatch]:
    """The rows as batches of text columns, bounded in rows and in characters; `name` is the file's.

    Raises:
        InputError: half of a surrogate pair, which is no character; row and column are named.
    """
    held: list[Values] = []
    chars = done = 0
    for row in rows:
        held.append(row)
        chars += sum([len(value) for value in row if value])
        if len(held) == _BATCH_ROWS or chars >= _BATCH_CHARS:
            yield _batch(held, columns, name, done)
            done += len(held)
            held, chars = [], 0
    if held:
        yield _batch(held, columns, name, done)


def check_characters(value: str, column: str, row: str) -> None:
    """Raises InputError where the text holds a lone surrogate, half of a pair, as JSON can write it."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{quoted(column)} of row {row} holds U+{ord(value[error.start]):04X}, a lone surrogate and half of a "
            "character, such as an emoji that was cut; correct the row"
        ) from error


def _batch(rows: list[Values], columns: list[str], name: str, first: int) -> pa.RecordBatch:
    import pyarrow as pa

    try:
        arrays = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
    except UnicodeEncodeError:
        for number, row in enumerate(rows, start=first + 1):
            named = dict(zip(columns, row, strict=True))
            for column, value in named.items():
                check_characters(value or "", column, named.get(ROW_NAME) or f"{name}:{number}")
        raise
    return pa.RecordBatch.from_arrays(arrays, columns)


def read_folders(files: Iterable[tuple[str, Path]], settings: FilesSettings) -> Iterator[pa.RecordBatch]:
    """Batches of `text`, `label` and the row's name, of files by name below the folders of classes.

    Raises:
        InputError: undecodable, or a mapped column other than `text` and `label`.
    """
    check_columns(settings, ["text", "label"], "text folders")
    yield from text_batches(_rows(files, settings), ["text", "label", ROW_NAME], settings.path)


def _rows(files: Iterable[tuple[str, Path]], settings: FilesSettings) -> Iterator[tuple[str, str, str]]:
    for name, file in files:
        with reading(file, name):
            text = _text(file, name, settings)
        yield text, name.split("/", 1)[0], name.removesuffix(file.suffix)


def _text(file: Path, name: str, settings: FilesSettings) -> str:
    """There are many of these files, so that each is read once."""
    content = file.read_bytes()
    encoding = encoding_of(file, name, settings, content)
    try:
        return io.TextIOWrapper(io.BytesIO(content), encoding=python_encoding(encoding)).read()
    except UnicodeError as error:
        check_decodes(file, name, encoding)
        raise InputError(f"{name} cannot be read as {encoding}: {error}; set source.encoding") from error
