"""The source `files`: rows of files on this machine.

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
from evergreen.adapters.files.find import Listing, find_files
from evergreen.adapters.files.folders import read_folders
from evergreen.adapters.files.jsonl import read_jsonl
from evergreen.adapters.files.parquet import read_parquet
from evergreen.core.artifacts import Dataset, FileEntry, ResolvedWindow, SourceIdentity
from evergreen.data.canonical import canonical_rows, with_row_names
from evergreen.data.dataset import write_dataset

if TYPE_CHECKING:
    import pyarrow as pa


class FilesSource(FileFields):
    """Rows of files; equal names, bytes and fields make equal identities, wherever the files lie."""

    kind: Literal["files"] = "files"

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """Checksums of the files and of the fields that shape rows. Raises InputError when there is no file."""
        self.check_window(window)
        return listing_identity(self, find_files(self.path, self.format), window)

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The rows as Parquet shards below `out_dir`. Raises InputError naming file and row that cannot be used."""
        listing = find_files(self.path, self.format)
        rows = canonical_rows(rows_of_listing(self, listing), self, window)
        return write_dataset(rows, out_dir, partial(self.identity, window))


def listing_identity(fields: FileFields, listing: Listing, window: ResolvedWindow | None) -> SourceIdentity:
    """Identity of the files in `listing` as a source of kind `files`; `rows` is known for text folders only."""
    entries = [_entry(file, listing) for file in listing.files]
    shaping = fields.model_dump(include={"columns", "label_names", "delimiter", "encoding", "fallback_encoding"})
    content = [listing.format, shaping, [(entry.name, entry.sha256) for entry in entries]]
    size = sum(entry.bytes for entry in entries) / 1e6
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
    for file in listing.files:
        with reading(file, listing.name(file)):
            yield from _rows_of_file(fields, listing, file)


def _entry(file: Path, listing: Listing) -> FileEntry:
    with reading(file, listing.name(file)):
        return FileEntry.of(file, listing.root)


def _rows_of_file(fields: FileFields, listing: Listing, file: Path) -> Iterator[pa.RecordBatch]:
    name = listing.name(file)
    if listing.format == "parquet":
        yield from with_row_names(read_parquet(file, name, fields), name)
    elif listing.format == "jsonl":
        yield from read_jsonl(file, name, fields.encoding_of(file), fields)
    else:
        form = TextForm(fields.encoding_of(file), fields.delimiter_of(file))
        yield from with_row_names(read_delimited(file, name, form, fields), name)
