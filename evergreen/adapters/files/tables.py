"""The rows of files as they are, for prediction: tables with all their columns, or a row for each picture.

{"id": "17", "headline": "Shares fell …"}      {"id": "paris/0001.png", "image": "gs://streets/paris/0001.png"}
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.adapters.files.cloud import is_cloud
from evergreen.adapters.files.find import Files, find_files, find_of
from evergreen.adapters.files.rows import read_rows
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.gcs.bucket import SCHEME
from evergreen.core.batch import Row, Table
from evergreen.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

TABLES = ("csv", "jsonl", "parquet")


def table_of(settings: FilesSettings) -> Table:
    """All rows that the settings' path means, in the order of the files' names.

    Raises:
        InputError: there is none, or the files are no tables and no pictures.
    """
    if settings.format == "image_folders":
        return Table(_pictures(find_of(settings.path, "image_folders", "source.path"), settings))
    listing = find_files(settings.path, settings.format)
    if listing.format not in TABLES:
        allowed = ", ".join((*TABLES, "image_folders"))
        raise InputError(f"{settings.path} holds {listing.format}, which are not predicted (allowed: {allowed})")
    return Table(_rows(listing, settings), partial(_schema, listing) if listing.format == "parquet" else None)


def _rows(listing: Files, settings: FilesSettings) -> Iterator[Row]:
    for _, file in listing.opened():
        yield from read_rows(file, settings)


def _schema(listing: Files) -> pa.Schema:
    """That of the first file, by which the others are read."""
    import pyarrow.parquet as pq

    for _, file in listing.of(listing.files[:1]).opened():
        return pq.read_schema(file).remove_metadata()
    raise InputError(f"no file in {listing.root}")


def _pictures(listing: Files, settings: FilesSettings) -> Iterator[Row]:
    column = settings.mapping.get("image", "image")
    for file in listing.files:
        address = f"{SCHEME}{Path(file).as_posix()}" if is_cloud(settings.path) else str(Path(file).resolve())
        yield {"id": listing.name(file), column: address}
