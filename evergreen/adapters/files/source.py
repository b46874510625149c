"""The source `files`: rows of files on this machine, or in a bucket as `gs://news/2024-*.parquet`.

kind: files
path: data/news-*.csv
columns: {text: content, label: category}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evergreen.adapters.files.decoding import TextForm, reading
from evergreen.adapters.files.delimited import read_delimited
from evergreen.adapters.files.fields import FileFields
from evergreen.adapters.files.find import FileFormat, Listing, find_files
from evergreen.adapters.files.folders import read_folders
from evergreen.adapters.files.jsonl import read_jsonl
from evergreen.adapters.files.parquet import read_parquet
from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.data.canonical import canonical_rows, with_row_names
from evergreen.data.dataset import write_dataset

if TYPE_CHECKING:
    import pyarrow as pa


class FilesSource(FileFields):
    """Rows of files; equal names, bytes and fields make equal identities, in whatever folder, or whatever bucket."""

    kind: Literal["files"] = "files"

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """Checksums of the files (a bucket tells them itself) and the fields that shape rows.

        Raises:
            InputError: there is no file.
            EvergreenError: Cloud Storage does not answer.
        """
        self.check_window(window)
        return listing_identity(self, find_files(self.path, self.format), window)

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The rows as Parquet shards below `out_dir`. Raises InputError naming file and row that cannot be used."""
        listing = find_files(self.path, self.format)
        rows = canonical_rows(rows_of_listing(self, listing), self, window)
        return write_dataset(rows, out_dir, partial(self.identity, window))


def listing_identity(fields: FileFields, listing: Listing, window: ResolvedWindow | None) -> SourceIdentity:
    """Identity of the files in `listing` as a source of kind `files`; `rows` is known for text folders only."""
    entries = list(listing.checksums())
    shaping = fields.model_dump(include={"columns", "label_names", "delimiter", "encoding", "fallback_encoding"})
    content = [listing.format, shaping, [(name, checksum) for name, checksum, _ in entries]]
    size = sum(count for _, _, count in entries) / 1e6
    folders = listing.format == "text_folders"
    return SourceIdentity(
        kind="files",
        fingerprint=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
        description=f"{fields.path} ({len(entries):,} {listing.format} file{'s'[: len(entries) != 1]}, {size:,.1f} MB)",
        rows=len(entries) if folders else None,
        window=window,
    )


def rows_of_listing(fields: FileFields, listing: Listing) -> Iterator[pa.RecordBatch]:
    """Batches in the source's own columns, each row named for a person to find."""
    if listing.format == "text_folders":
        yield from read_folders(listing, fields)
        return
    for name, file in listing.opened():
        with reading(file, name):
            yield from _rows_of_file(fields, listing.format, name, file)


def _rows_of_file(fields: FileFields, file_format: FileFormat, name: str, file: Path) -> Iterator[pa.RecordBatch]:
    if file_format == "parquet":
        yield from with_row_names(read_parquet(file, name, fields), name)
    elif file_format == "jsonl":
        yield from read_jsonl(file, name, fields.encoding_of(file), fields)
    else:
        form = TextForm(fields.encoding_of(file), fields.delimiter_of(file))
        yield from with_row_names(read_delimited(file, name, form, fields), name)
