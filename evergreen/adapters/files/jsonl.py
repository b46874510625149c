"""JSON Lines, one object a line: `{"content": "Oil prices rose.", "label": 3}`."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evergreen.adapters.files.decoding import check_decodes, open_bytes, python_encoding
from evergreen.core.errors import InputError
from evergreen.data.canonical import ROW_NAME, RowFields, check_columns

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 4_096
_BATCH_CHARS = 4 << 20


def read_jsonl(path: Path, name: str, encoding: str, fields: RowFields) -> Iterator[pa.RecordBatch]:
    """Batches of the needed columns, all text, and the row's line as its name; numbers become text, absent keys null.

    Raises:
        InputError: empty, undecodable, a line that is no JSON object, a list or object where text belongs, a key that
            the first object lacks.
    """
    try:
        with io.TextIOWrapper(open_bytes(path), encoding=python_encoding(encoding), newline="\n") as file:
            yield from text_batches(_rows(file, name, fields), [*fields.needed, ROW_NAME])
    except UnicodeError as error:
        check_decodes(path, name, encoding)
        raise InputError(f"{name} cannot be read as {encoding}: {error}; set source.encoding") from error


def text_batches(rows: Iterable[tuple[str | None, ...]], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows as batches of text columns, bounded in rows and in characters."""
    import pyarrow as pa

    def batch(held: list[tuple[str | None, ...]]) -> pa.RecordBatch:
        arrays = [pa.array(values, pa.string()) for values in zip(*held, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, columns)

    held, chars = [], 0
    for row in rows:
        held.append(row)
        chars += sum(len(value) for value in row if value)
        if len(held) == _BATCH_ROWS or chars >= _BATCH_CHARS:
            yield batch(held)
            held, chars = [], 0
    if held:
        yield batch(held)


def _rows(lines: Iterable[str], name: str, fields: RowFields) -> Iterator[tuple[str | None, ...]]:
    needed = fields.needed
    seen = False
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        values = _parse(line, where)
        if not seen:
            check_columns(fields, list(values), name)
            seen = True
        yield (*(_as_text(values.get(column), column, where) for column in needed), where)
    if not seen:
        raise InputError(f"{name} is empty; give it one JSON object a line")


def _parse(line: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except RecursionError as error:
        raise InputError(f"{where} is nested too deeply to be read; write one flat JSON object a line") from error
    except ValueError as error:
        raise InputError(f"{where} is not JSON: {error}; write one JSON object a line") from error
    if not isinstance(values, dict):
        raise InputError(f"{where} holds a {type(values).__name__}, not an object; write one JSON object a line")
    return values


def _as_text(value: Any, column: str, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        raise InputError(f"'{column}' of row {where} holds a {type(value).__name__}, not text; map another column")
    return json.dumps(value)
