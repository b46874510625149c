"""The source `files`: rows of files on this machine, or in a bucket as `gs://news/2024-*.parquet`.

kind: files
path: data/news-*.csv
columns: {text: content, label: category}

kind: files
format: image_folders
path: data/streets/images
masks: data/streets/masks
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from evergreen.adapters.files.decoding import reading
from evergreen.adapters.files.delimited import read_delimited
from evergreen.adapters.files.fields import FileFields, Place
from evergreen.adapters.files.find import FileFormat, Listing, find_files
from evergreen.adapters.files.folders import read_folders
from evergreen.adapters.files.jsonl import read_jsonl
from evergreen.adapters.files.parquet import read_parquet
from evergreen.adapters.files.pictures import PictureFolders, find_pictures, read_pictures
from evergreen.adapters.files.tfrecord import read_tfrecord
from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.intake import IntakeCount
from evergreen.data.canonical import canonical_rows, with_row_names
from evergreen.data.dataset import write_dataset

if TYPE_CHECKING:
    import pyarrow as pa


class FilesSource(FileFields):
    """Rows of files; equal names, bytes and fields make equal identities, in whatever folder, or whatever bucket.

    With format `image_folders`, a picture's mask has the picture's name with `mask_suffix` behind it, in the
    folder `masks`; where that is None it lies beside the picture, and the suffix is `_mask` unless another is given.
    """

    places: ClassVar[frozenset[str]] = FileFields.places | {"masks", "mask_suffix"}  # the files that pair are listed

    kind: Literal["files"] = "files"
    masks: Place | None = Field(None, min_length=1)
    mask_suffix: str | None = None

    @model_validator(mode="after")
    def _masks_are_of_folders(self) -> Self:
        if self.format != "image_folders" and (self.masks is not None or self.mask_suffix is not None):
            raise ValueError("masks and mask_suffix pair files by name; they need format: image_folders")
        if self.masks is None and self.mask_suffix == "":
            raise ValueError("mask_suffix '' gives pictures and masks of one folder one name; set masks or a suffix")
        return self

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """Checksums of the files (a bucket tells them itself) and the fields that shape rows.

        Raises:
            InputError: there is no file.
            EvergreenError: Cloud Storage does not answer.
        """
        self.check_window(window)
        return listing_identity(self, self.listing(), window)

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The rows as Parquet shards below `out_dir`. Raises InputError naming file and row that cannot be used."""
        return dataset_of_listing(self, self.listing(), window, out_dir, partial(self.identity, window))

    def listing(self) -> Listing | PictureFolders:
        """The files that are there now. Raises InputError where there is none."""
        if self.format != "image_folders":
            return find_files(self.path, self.format)
        suffix = ("_mask" if self.masks is None else "") if self.mask_suffix is None else self.mask_suffix
        return find_pictures(self.path, self.masks, suffix)


def listing_identity(
    fields: FileFields, listing: Listing | PictureFolders, window: ResolvedWindow | None
) -> SourceIdentity:
    """Identity of the files in `listing` as a source of kind `files`; `rows` is known where each file is one.

    The description tells what beside them is left out.
    """
    fields.check_format(listing.format)
    entries = list(listing.checksums())
    content = [listing.format, fields.shaping(), [(name, checksum) for name, checksum, _ in entries]]
    size = sum(count for _, _, count in entries) / 1e6
    noun = f"{listing.format} file{'s'[: len(entries) != 1]}"
    left_out = f"; left out: {words}" if (words := listing.left_out.words()) else ""
    return SourceIdentity(
        kind="files",
        fingerprint=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
        description=f"{fields.path} ({len(entries):,} {noun}, {size:,.1f} MB{left_out})",
        rows=listing.rows,
        window=window,
    )


def dataset_of_listing(
    fields: FileFields,
    listing: Listing | PictureFolders,
    window: ResolvedWindow | None,
    out_dir: Path,
    identity: Callable[[], SourceIdentity],
) -> Dataset:
    """The rows as Parquet shards below `out_dir`, with the identity once they are read."""
    count = IntakeCount(listing.left_out)
    rows = canonical_rows(rows_of_listing(fields, listing), fields, window, count)
    return write_dataset(rows, out_dir, identity, count)


def rows_of_listing(fields: FileFields, listing: Listing | PictureFolders) -> Iterator[pa.RecordBatch]:
    """Batches in the source's own columns, each row named for a person to find."""
    fields.check_format(listing.format)
    if isinstance(listing, PictureFolders):
        yield from read_pictures(listing, fields)
        return
    if listing.format == "text_folders":
        yield from read_folders(listing, fields)
        return
    for name, file in listing.opened():
        with reading(file, name):
            yield from _rows_of_file(fields, listing.format, name, file)


def _rows_of_file(fields: FileFields, file_format: FileFormat, name: str, file: Path) -> Iterator[pa.RecordBatch]:
    if file_format == "tfrecord":
        yield from read_tfrecord(file, name, fields, round_masks=fields.round_masks)
    elif file_format == "parquet":
        yield from with_row_names(read_parquet(file, name, fields), name)
    elif file_format == "jsonl":
        yield from read_jsonl(file, name, fields.encoding_of(file, name), fields)
    else:
        yield from with_row_names(read_delimited(file, name, fields.dialect_of(file, name), fields), name)
