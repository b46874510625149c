"""Which files a `path` means: one file, a folder, or a glob such as `data/**/part-*.csv` or `gs://news/2024-*.parquet`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from evergreen.adapters.files.cloud import CloudFile, fetched, is_cloud, list_cloud
from evergreen.adapters.files.decoding import reading
from evergreen.adapters.files.visible import files_below, is_hidden
from evergreen.adapters.gcs.bucket import SCHEME
from evergreen.core.artifacts import sha256_of
from evergreen.core.errors import InputError
from evergreen.core.intake import LeftOut, LeftOutReason

FileFormat = Literal["csv", "jsonl", "parquet", "text_folders", "image_folders", "tfrecord"]

SUFFIXES: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
TEXT_SUFFIX = ".txt"
NAMED: dict[FileFormat, tuple[str, ...]] = {
    "image_folders": (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
    "tfrecord": (".tfrec", ".tfrecord", ".tfrecords"),
}
"""Suffixes of formats that are read when they are asked for by name: pictures may lie beside files of rows."""
_READABLE = "*.csv, *.tsv, *.jsonl, *.ndjson (also with .gz), *.parquet, or folders of *.txt"


@dataclass(frozen=True)
class Listing:
    """Files in the order they are read, and what beside them is not; names in messages and ids are relative to `root`.

    A part of a listing tells nothing of what is left out: the whole does.
    """

    root: Path
    files: tuple[Path, ...]
    format: FileFormat
    beside: tuple[tuple[str, Path], ...] = field(default=(), kw_only=True)

    @property
    def left_out(self) -> LeftOut:
        """What is beside the files, by reason."""
        return LeftOut.of((reason, self.name(file)) for reason, file in self.beside)

    @property
    def rows(self) -> int | None:
        """Where each file is one; None: they must be read to know."""
        return len(self.files) if self.format == "text_folders" else None

    def of(self, files: Sequence[Path]) -> Self:
        """Those of the files alone, in that order."""
        return replace(self, files=tuple(files), beside=())

    def cut(self, part: slice) -> Self:
        """A part of the files alone."""
        return replace(self, files=self.files[part], beside=())

    def parts(self, size: int) -> Iterator[Self]:
        """At most `size` of the files at a time, in order."""
        for first in range(0, len(self.files), size):
            yield self.cut(slice(first, first + size))

    def without(self, other: Listing) -> Self:
        """All of it but what the other listing has seen too, by whatever path."""
        theirs = set(other.places([*other.files, *(file for _, file in other.beside), other.root]))
        files = zip(self.files, self.places(self.files), strict=True)
        beside = zip(self.beside, self.places([file for _, file in self.beside]), strict=True)
        kept = self.of([file for file, place in files if place not in theirs])
        return replace(kept, beside=tuple(one for one, place in beside if place not in theirs))

    def places(self, files: Sequence[Path]) -> list[str]:
        """Where each file is, whatever links lead to its folder."""
        real: dict[Path, str] = {}
        for folder in (file.parent for file in files):
            if folder not in real:
                real[folder] = self.place(folder)
        return [f"{real[file.parent]}/{file.name}" for file in files]

    def place(self, folder: Path) -> str:
        """Where a folder really is."""
        return os.path.realpath(folder)

    def name(self, file: Path) -> str:
        """POSIX path relative to the root."""
        return file.relative_to(self.root).as_posix()

    def checksums(self) -> Iterator[tuple[str, str, int]]:
        """Name, checksum and bytes of each file. Raises InputError naming one that cannot be read."""
        for file in self.files:
            name = self.name(file)
            with reading(file, name):
                checksum, size = sha256_of(file), file.stat().st_size
            yield name, checksum, size

    def opened(self) -> Iterator[tuple[str, Path]]:
        """Each file's name, and where it can be read until the next is asked for."""
        for file in self.files:
            yield self.name(file), file


@dataclass(frozen=True)
class CloudListing(Listing):
    """Objects of a bucket: `files` are their paths there, `objects` what the bucket says of them, in the same order."""

    path: str
    objects: tuple[CloudFile, ...]

    def of(self, files: Sequence[Path]) -> Self:
        """Those of the objects alone, in that order."""
        by_file = dict(zip(self.files, self.objects, strict=True))
        return replace(self, files=tuple(files), objects=tuple(by_file[file] for file in files), beside=())

    def cut(self, part: slice) -> Self:
        """A part of the objects alone."""
        return replace(self, files=self.files[part], objects=self.objects[part], beside=())

    def place(self, folder: Path) -> str:
        """Its path in the bucket, which has no links."""
        return f"{SCHEME}{folder.as_posix()}"

    def checksums(self) -> Iterator[tuple[str, str, int]]:
        """As the bucket lists them; nothing is read."""
        for file, one in zip(self.files, self.objects, strict=True):
            yield self.name(file), one.checksum, one.bytes

    def opened(self) -> Iterator[tuple[str, Path]]:
        """Fetched to this machine, several at a time, and removed again. Raises EvergreenError where one changed."""
        yield from zip(map(self.name, self.files), fetched(self.path, self.objects), strict=True)


def find_files(path: str, file_format: FileFormat | None, setting: str = "source.path") -> Listing:
    """The files that `path` means, sorted by name, and what beside them is left out; `setting` is where it was set.

    Raises:
        InputError: nothing there, nothing readable there, several formats at once, a broken link that is named, or a
            file whose name is no UTF-8.
        EvergreenError: Cloud Storage does not answer.
    """
    if not is_cloud(path):
        root, below, beside = files_below(path, setting)
        found = Listing(root, tuple(below), "text_folders", beside=tuple(beside))
        return _chosen(found, path, file_format, setting, is_folder=Path(path).is_dir())
    folder, objects, is_folder = list_cloud(path)
    by_path = {Path(one.path): one for one in objects}
    root = Path(folder)
    is_named = len(by_path) == 1 and next(iter(by_path)).as_posix() == path.removeprefix(SCHEME)
    hidden = set() if is_named else {file for file in by_path if is_hidden(file.relative_to(root))}
    files = tuple(file for file in by_path if file not in hidden)
    left_out = tuple((LeftOutReason.HIDDEN_FILE, file) for file in by_path if file in hidden)
    found = Listing(root, files, "text_folders", beside=left_out)
    if not files:
        words = f" (left out: {words})" if (words := found.left_out.words()) else ""
        raise InputError(f"no file in '{path}'{words}; set {setting}")
    chosen = _chosen(found, path, file_format, setting, is_folder=is_folder)
    objects = [by_path[file] for file in chosen.files]
    return CloudListing(root, chosen.files, chosen.format, path, tuple(objects), beside=chosen.beside)


def _chosen(
    candidates: Listing, path: str, file_format: FileFormat | None, setting: str, *, is_folder: bool
) -> Listing:
    """Those of the candidates that can be read, with their format."""
    if file_format is None and _are_text_folders(candidates):
        file_format = "text_folders"
    files = tuple(file for file in candidates.files if _is_read(candidates, file, file_format, is_folder=is_folder))
    beside = candidates.beside + tuple(_left_out(candidates, set(files), file_format))
    chosen = replace(candidates, files=files, beside=beside)
    if not files:
        raise _nothing(path, file_format, setting, chosen.left_out)
    _check_names(chosen)
    return replace(chosen, format=file_format or _common_format(files, path))


def _is_read(listing: Listing, file: Path, file_format: FileFormat | None, *, is_folder: bool) -> bool:
    """Whether a file is read in a format (None: any); what is named, or matches a pattern, is in the format named."""
    if file_format == "text_folders":
        return _is_in_class_folder(listing.root, file)
    if file_format is None:
        return format_of(file) is not None
    if not is_folder:
        return True
    if file_format in NAMED:
        return _named_suffix(file, file_format) in NAMED[file_format]
    return format_of(file) == file_format


def _nothing(path: str, file_format: FileFormat | None, setting: str, left_out: LeftOut) -> InputError:
    beside = f"; left out: {words}" if (words := left_out.words()) else ""
    if file_format == "text_folders":
        return InputError(
            f"no text folders in '{path}' (expected {path}/<class>/<name>{TEXT_SUFFIX}{beside}); set {setting} to the "
            "folder that holds one folder per class"
        )
    if file_format in NAMED:
        allowed = ", ".join(NAMED[file_format])
        return InputError(f"no file of format {file_format} in '{path}' (allowed: {allowed}{beside}); set {setting}")
    return InputError(f"nothing readable in '{path}' (allowed: {_READABLE}{beside}); set {setting} or source.format")


def _left_out(candidates: Listing, chosen: set[Path], file_format: FileFormat | None) -> Iterator[tuple[str, Path]]:
    """The candidates that are not chosen, by what their names end in."""

    def reason(file: Path) -> str:
        is_text = file_format == "text_folders" and file.suffix.lower() == TEXT_SUFFIX
        return LeftOutReason.NOT_IN_CLASS_FOLDER if is_text else LeftOutReason.suffix(_whole_suffix(file))

    return ((reason(file), file) for file in candidates.files if file not in chosen)


def _check_names(listing: Listing) -> None:
    for file in listing.files:
        name = listing.name(file)
        try:
            name.encode("utf-8")
        except UnicodeEncodeError as error:
            shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
            raise InputError(f"the name of file {shown} in {listing.root} is no UTF-8; rename it") from error


def format_of(file: Path) -> FileFormat | None:
    """The format that the suffix tells, seeing through `.gz`."""
    return SUFFIXES.get(_suffix(file))


def _suffix(file: Path) -> str:
    return Path(file.name.lower().removesuffix(".gz")).suffix


def _named_suffix(file: Path, file_format: FileFormat) -> str:
    """Pictures are not unpacked: `01.png.gz` is none."""
    return file.suffix.lower() if file_format == "image_folders" else _suffix(file)


def _whole_suffix(file: Path) -> str:
    """`.png.gz` of `01.PNG.gz`."""
    return _suffix(file) + (".gz" if file.suffix.lower() == ".gz" else "")


def _are_text_folders(listing: Listing) -> bool:
    files = listing.files
    return not any(map(format_of, files)) and any(_is_in_class_folder(listing.root, file) for file in files)


def _is_in_class_folder(root: Path, file: Path) -> bool:
    return file.suffix.lower() == TEXT_SUFFIX and len(file.relative_to(root).parts) > 1


def _common_format(files: Sequence[Path], path: str) -> FileFormat:
    formats = {found for file in files if (found := format_of(file))}
    if len(formats) > 1:
        listed = ", ".join(sorted(formats))
        raise InputError(f"'{path}' holds several formats ({listed}); set source.format to one of them")
    return formats.pop()
