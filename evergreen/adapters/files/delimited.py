"""CSV, streamed block by block; quoted fields may hold delimiters and line breaks.

label,content
3,"Oil prices rose again,
traders said."
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.adapters.files.decoding import TextForm, check_decodes, is_compressed, open_bytes, python_encoding
from evergreen.core.errors import InputError
from evergreen.core.quoting import without_rows
from evergreen.data.canonical import RowFields, check_columns

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = (1 << 20, 8 << 20)
"""Arrow reads 32 blocks ahead, so blocks are small; a row must fit into one, so a file with long rows is read anew."""
_TOO_LONG = "block boundaries"
_DELIMITERS = {",": ",", ";": ";", "\t": "\\t", "|": "|"}
_LONGEST_HEADER = 1 << 20


def read_delimited(path: Path, name: str, form: TextForm, fields: RowFields) -> Iterator[pa.RecordBatch]:
    """Batches of the needed columns, all text; empty fields are null.

    Raises:
        InputError: empty, undecodable, another delimiter, a missing column, a row with too many or too few fields.
    """
    import pyarrow as pa

    _check_header(path, name, form, fields)
    try:
        yield from _rows(path, form, fields.needed)
    except (pa.ArrowInvalid, UnicodeError) as error:
        check_decodes(path, name, form.encoding)
        reason = without_rows(str(error).splitlines()[0])[:300]
        if _TOO_LONG in reason:
            reason = f"a row is longer than {_BLOCK_BYTES[-1] >> 20} MiB; is a quote not closed?"
        raise InputError(f"{name} is no CSV: {reason}; correct the row, its quotes or source.delimiter") from error


def _rows(path: Path, form: TextForm, columns: list[str]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    done = 0
    for block_bytes in _BLOCK_BYTES:
        read = 0
        try:
            for batch in _stream(path, form, columns, block_bytes):
                yield batch.slice(min(max(done - read, 0), batch.num_rows))
                read += batch.num_rows
                done = max(done, read)
        except pa.ArrowInvalid as error:
            if _TOO_LONG not in str(error) or block_bytes == _BLOCK_BYTES[-1]:
                raise
        else:
            return


def _stream(path: Path, form: TextForm, columns: list[str], block_bytes: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    with (
        pa.input_stream(str(path), compression="gzip" if is_compressed(path) else None) as stream,
        arrow_csv.open_csv(
            stream,
            arrow_csv.ReadOptions(use_threads=False, block_size=block_bytes, encoding=form.encoding),
            arrow_csv.ParseOptions(delimiter=form.delimiter, newlines_in_values=True),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=columns,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        ) as reader,
    ):
        yield from reader


def _check_header(path: Path, name: str, form: TextForm, fields: RowFields) -> None:
    header = _header(path, name, form)
    if not header:
        raise InputError(f"{name} is empty; give it a header line and rows")
    if any(column not in header for column in fields.needed):
        _check_delimiter(header, name, form)
    check_columns(fields, header, name)
    for column in fields.needed:
        if header.count(column) > 1:
            raise InputError(f"{name} has {header.count(column)} columns '{column}'; rename all but one")


def _header(path: Path, name: str, form: TextForm) -> list[str]:
    try:
        with io.TextIOWrapper(open_bytes(path), encoding=python_encoding(form.encoding), newline="") as file:
            first = file.readline(_LONGEST_HEADER)
    except UnicodeError:
        check_decodes(path, name, form.encoding)
        raise
    try:
        return next(csv.reader([first], delimiter=form.delimiter), [])
    except csv.Error as error:
        raise InputError(
            f"{name} has no header that can be read: {error}; give it a first line of column names, or correct "
            "source.delimiter or source.format"
        ) from error


def _check_delimiter(header: list[str], name: str, form: TextForm) -> None:
    if len(header) > 1:
        return
    likely = max(_DELIMITERS, key=header[0].count)
    hint = ""
    if likely != form.delimiter and likely in header[0]:
        hint = f"; did you mean '{_DELIMITERS[likely]}'? set source.delimiter: \"{_DELIMITERS[likely]}\""
    shown = _DELIMITERS.get(form.delimiter, form.delimiter)
    raise InputError(f"{name} has one column with delimiter '{shown}': '{header[0][:80]}'{hint}")
