"""The source `files`: rows of files on this machine, in a bucket as `gs://news/2024-*.parquet`, or in a package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.adapters.files.cloud import is_cloud
from evergreen.adapters.files.destination import FilesDestination
from evergreen.adapters.files.find import Listing, find_files
from evergreen.adapters.files.pictures import PictureFolders, find_pictures
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.tables import table_of
from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.batch import Table
from evergreen.core.errors import InputError
from evergreen.core.intake import IntakeCount
from evergreen.core.members import ReadSource
from evergreen.core.part import Counted, NewRows, PartOfSource
from evergreen.core.preparation import Destination, Raw
from evergreen.data.canonical import canonical_rows
from evergreen.data.dataset import write_dataset
from evergreen.data.freshness import PartOfRows
from evergreen.data.shards import iter_batches
from evergreen.runtime.packages import is_in_package

if TYPE_CHECKING:
    import pyarrow as pa

Entry = tuple[str, str, int]
"""Name, checksum and bytes of a file."""
FILES_PER_PART = 200
"""On average, of formats where a file is a row; of others each file is a part."""
MOST_FILES_PER_PART = 800


class FilesSource(ReadSource[FilesSettings]):
    """Rows of files."""

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """Checksums of the files (a bucket tells them itself) and the fields that shape rows; `rows` is known where
        each file is one. The description tells what beside them is left out.

        Raises:
            InputError: there is no file.
            EvergreenError: Cloud Storage does not answer.
        """
        self.settings.check_window(window)
        return self._identity(self.listing(), window)

    def _identity(self, listing: Listing | PictureFolders, window: ResolvedWindow | None) -> SourceIdentity:
        entries = list(listing.checksums())
        return SourceIdentity(
            kind=self.settings.kind,
            fingerprint=_fingerprint(self.settings, listing, entries),
            description=self._description(listing, entries),
            rows=listing.rows,
            window=window,
            atomic=listing.whole,
        )

    def _description(self, listing: Listing | PictureFolders, entries: Sequence[Entry]) -> str:
        size = sum(count for _, _, count in entries) / 1e6
        noun = f"{listing.format} file{'s'[: len(entries) != 1]}"
        left_out = f"; left out: {words}" if (words := listing.left_out.words()) else ""
        return f"{self.settings.path} ({len(entries):,} {noun}, {size:,.1f} MB{left_out})"

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The rows as Parquet shards below `out_dir`. Raises InputError naming file and row that cannot be used."""
        listing = self.listing()
        count = IntakeCount(listing.left_out)
        rows = canonical_rows(listing.batches(self.settings), self.settings, window, count)
        identity = partial(self._identity, listing, window) if listing.whole else partial(self.identity, window)
        return write_dataset(rows, out_dir, identity, count)

    def find_new(self, part: PartOfSource) -> NewRows:
        """How many rows are new, by reading them all. Raises as `identity` and `read` do."""
        self.settings.check_incremental()
        listing = self.listing()
        files = self._state(listing)
        count = IntakeCount(listing.left_out)
        chosen = PartOfRows(part, count)
        rows = canonical_rows(listing.batches(self.settings), self.settings, None, count)
        for _ in chosen.of(rows):
            pass
        part = chosen.part.model_copy(update={"counted": Counted(files=files, rows=chosen.fingerprint)})
        return NewRows(identity=self._identity_of(chosen), part=part, new=chosen.new, replayed=chosen.replayed)

    def read_new(self, part: PartOfSource, out_dir: Path) -> Dataset:
        """The part's rows as Parquet shards below `out_dir`. Raises as `read` does.

        While the files are as they were when the rows were counted, nothing looks at what each row says.
        """
        listing = self.listing()
        count = IntakeCount(listing.left_out)
        chosen = PartOfRows(part, count, tells_rows=part.counted is None)
        rows = canonical_rows(listing.batches(self.settings), self.settings, None, count)

        def identity() -> SourceIdentity:
            if part.counted is not None:
                if self._state(self.listing()) == part.counted.files:
                    chosen.take_counted(part.counted.rows)
                else:
                    chosen.tell(iter_batches(sorted(out_dir.glob("*.parquet"))))
            return self._identity_of(chosen)

        return write_dataset(chosen.of(rows), out_dir, identity, count)

    def _state(self, listing: Listing | PictureFolders) -> str:
        """Of the files as they are now."""
        return _fingerprint(self.settings, listing, listing.checksums())

    def _identity_of(self, chosen: PartOfRows) -> SourceIdentity:
        """Of rows by their content, whatever files they lie in."""
        return chosen.identity(self.settings.kind, self.settings.path, self.settings.shaping())

    def listing(self) -> Listing | PictureFolders:
        """The files that are there now. Raises InputError where there is none, or what is set is not for them."""
        given = self.settings
        if given.format == "image_folders":
            suffix = ("_mask" if given.masks is None else "") if given.mask_suffix is None else given.mask_suffix
            return find_pictures(given.path, given.masks, suffix)
        listing = find_files(given.path, given.format)
        given.check_format(listing.format)
        return listing

    def raw(self) -> Raw:
        """A part a file, or some hundred files where each is a row. Raises InputError where there is none."""
        listing = self.listing()
        sizes = [1] * len(listing.names) if listing.rows is None else _sizes(listing.names)
        parts = tuple(FilesPart(self.settings, one) for one in listing.parts(sizes))
        entries = [list(part.listing.checksums()) for part in parts]
        fingerprints = [part.fingerprint_of(its) for part, its in zip(parts, entries, strict=True)]
        return Raw(self._description(listing, list(chain(*entries))), parts, fingerprints, listing.left_out)

    def table(self, window: ResolvedWindow | None, columns: Sequence[str] | None) -> Table:  # noqa: ARG002 - they are read anyway
        """The rows of tables, or a row for each picture. Raises InputError where there is none, or a window is set."""
        if window is not None:
            raise InputError("files are predicted whole; set no window, or a source of kind bigquery")
        return table_of(self.settings)

    def destination(self, *, windowed: bool) -> Destination:  # noqa: ARG002 - files are read whole
        """The file or folder. Raises InputError where rows would be changed once more as they are read."""
        if is_in_package(self.settings.path):
            raise InputError(f"source.path '{self.settings.path}' is read, never written; name another --config")
        self.settings.check_written()
        return FilesDestination(self.settings)

    def prepared_folder(self) -> str:
        """The folder, absolute where it is on this machine.

        Raises:
            InputError: the path is none, or rows would be changed once more as they are read.
        """
        given = self.settings
        path = given.path.rstrip("/")
        is_fixed = any(sign in path for sign in "*?[") or Path(path).suffix or is_in_package(path)
        if is_fixed or given.format not in (None, "parquet"):
            raise InputError(f"a preparation writes Parquet files below a folder; set source.path '{path}' to a folder")
        if given.label_names is not None or given.mask_classes is not None:
            raise InputError("source.label_names and mask_classes would be applied twice; give them to prepare.origin")
        if given.joined:
            raise InputError("source.columns.text joins columns; give them to prepare.origin, and map one here")
        if given.group_pattern is not None:
            raise InputError(
                "source.group_pattern would look at the names of the prepared shards; give it to prepare.origin, "
                "and set source.columns.group: group"
            )
        return path if is_cloud(path) else str(Path(path).resolve())


@dataclass(frozen=True)
class FilesPart:
    """Some of the files; a worker reads them elsewhere."""

    settings: FilesSettings
    listing: Listing | PictureFolders

    def fingerprint(self) -> str:
        """Of the files' names and checksums and the fields that shape rows. Raises InputError naming an unreadable."""
        return self.fingerprint_of(self.listing.checksums())

    def fingerprint_of(self, entries: Iterable[Entry]) -> str:
        """The fingerprint, where the checksums of its files are known."""
        return _fingerprint(self.settings, self.listing, entries)

    def rows(self, count: IntakeCount) -> Iterator[pa.RecordBatch]:
        """The rows with canonical columns. Raises InputError naming file and row that cannot be read."""
        return canonical_rows(self.listing.batches(self.settings), self.settings, None, count)


def _fingerprint(settings: FilesSettings, listing: Listing | PictureFolders, entries: Iterable[Entry]) -> str:
    content = [listing.format, settings.shaping(), [(name, checksum) for name, checksum, _ in entries]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sizes(names: Sequence[str]) -> list[int]:
    """How many files, each a row, go into each part: the names themselves decide where a part ends, so that a file that
    is added changes the part that it falls into and no other.
    """
    sizes, size = [], 0
    for name in names:
        size += 1
        ends = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % FILES_PER_PART == 0
        if ends or size == MOST_FILES_PER_PART:
            sizes.append(size)
            size = 0
    return [*sizes, size] if size else sizes
