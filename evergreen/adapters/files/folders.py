"""Text folders, one folder per class: `sports/199.txt` is row `sports/199` with label `sports`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.adapters.files.batches import text_batches
from evergreen.adapters.files.decoding import check_decodes, python_encoding, reading
from evergreen.adapters.files.fields import FileFields
from evergreen.adapters.files.find import Listing
from evergreen.core.errors import InputError
from evergreen.data.row_fields import ROW_NAME, check_columns

if TYPE_CHECKING:
    import pyarrow as pa


def read_folders(listing: Listing, fields: FileFields) -> Iterator[pa.RecordBatch]:
    """Batches of `text`, `label` and the row's name.

    Raises:
        InputError: undecodable, or a mapped column other than `text` and `label`.
    """
    check_columns(fields, ["text", "label"], "text folders")
    yield from text_batches(_rows(listing, fields), ["text", "label", ROW_NAME], str(listing.root))


def _rows(listing: Listing, fields: FileFields) -> Iterator[tuple[str, str, str]]:
    for name, file in listing.opened():
        with reading(file, name):
            text = _text(file, name, fields)
        yield text, name.split("/", 1)[0], name.removesuffix(file.suffix)


def _text(file: Path, name: str, fields: FileFields) -> str:
    """There are many of these files, so that each is read once."""
    content = file.read_bytes()
    encoding = fields.encoding_of(file, name, content)
    try:
        return io.TextIOWrapper(io.BytesIO(content), encoding=python_encoding(encoding)).read()
    except UnicodeError as error:
        check_decodes(file, name, encoding)
        raise InputError(f"{name} cannot be read as {encoding}: {error}; set source.encoding") from error
