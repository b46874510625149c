"""Which files a `path` means: one file, a folder, or a glob such as `data/**/part-*.csv` or `gs://news/2024-*.parquet`."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from evergreen.adapters.files.cloud import CloudFile, fetched, is_cloud, list_cloud
from evergreen.adapters.files.decoding import reading
from evergreen.core.artifacts import sha256_of
from evergreen.core.errors import InputError
from evergreen.core.intake import NOTHING, LeftOut

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
    "image_folders": (".png", ".jpg", ".jpeg"),
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
    left_out: LeftOut = field(default=NOTHING, kw_only=True)

    @property
    def rows(self) -> int | None:
        """Where each file is one; None: they must be read to know."""
        return len(self.files) if self.format == "text_folders" else None

    def of(self, files: Sequence[Path]) -> Self:
        """Those of the files alone, in that order."""
        return replace(self, files=tuple(files), left_out=NOTHING)

    def parts(self, size: int) -> Iterator[Self]:
        """At most `size` of the files at a time, in order."""
        for first in range(0, len(self.files), size):
            yield self.of(self.files[first : first + size])

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
        return replace(self, files=tuple(files), objects=tuple(by_file[file] for file in files), left_out=NOTHING)

    def checksums(self) -> Iterator[tuple[str, str, int]]:
        """As the bucket lists them; nothing is read."""
        for file, one in zip(self.files, self.objects, strict=True):
            yield self.name(file), one.checksum, one.bytes

    def opened(self) -> Iterator[tuple[str, Path]]:
        """Fetched to this machine, several at a time, and removed again. Raises EvergreenError where one changed."""
        yield from zip(map(self.name, self.files), fetched(self.path, self.objects), strict=True)


def find_files(path: str, file_format: FileFormat | None) -> Listing:
    """The files that `path` means, sorted by name.

    Raises:
        InputError: nothing there, nothing readable there, or several formats at once.
        EvergreenError: Cloud Storage does not answer.
    """
    if not is_cloud(path):
        root, files = _candidates(path)
        return _chosen(Listing(root, tuple(files), "text_folders"), path, file_format, Path(path).is_dir())
    folder, objects, is_folder = list_cloud(path)
    by_path = {Path(one.path): one for one in objects}
    root = Path(folder)
    files = list(by_path)
    if is_folder or glob.has_magic(path):
        files = [file for file in files if _is_visible(file.relative_to(root))]
    if not files:
        raise InputError(f"no file in '{path}'; set source.path")
    chosen = _chosen(Listing(root, tuple(files), "text_folders"), path, file_format, is_folder)
    return CloudListing(root, chosen.files, chosen.format, path, tuple(by_path[file] for file in chosen.files))


def _chosen(candidates: Listing, path: str, file_format: FileFormat | None, is_folder: bool) -> Listing:
    """Those of the candidates that can be read, with their format."""
    root, files = candidates.root, list(candidates.files)
    if file_format == "text_folders" or (file_format is None and _are_text_folders(root, files)):
        return Listing(root, _text_files(root, files, path), "text_folders")
    if file_format in NAMED:
        if is_folder:
            files = [file for file in files if _suffix(file) in NAMED[file_format]]
        if not files:
            allowed = ", ".join(NAMED[file_format])
            raise InputError(f"no file of format {file_format} in '{path}' (allowed: {allowed}); set source.path")
        return Listing(root, tuple(files), file_format)
    if file_format is None or is_folder:
        wanted = {file_format} if file_format else set(SUFFIXES.values())
        files = [file for file in files if format_of(file) in wanted]
    if not files:
        raise InputError(f"nothing readable in '{path}' (allowed: {_READABLE}); set source.path or source.format")
    return Listing(root, tuple(files), file_format or _common_format(files, path))


def format_of(file: Path) -> FileFormat | None:
    """The format that the suffix tells, seeing through `.gz`."""
    return SUFFIXES.get(_suffix(file))


def _suffix(file: Path) -> str:
    return Path(file.name.lower().removesuffix(".gz")).suffix


def _candidates(path: str) -> tuple[Path, list[Path]]:
    place = Path(path)
    if place.is_file():
        return place.parent, [place]
    if place.is_dir():
        return place, _visible(place, "**/*")
    if not glob.has_magic(path):
        raise InputError(f"no file or folder '{path}' (looked in {Path.cwd()}); set source.path")
    parts = place.parts
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    files = _visible(root, str(Path(*parts[fixed:])))
    if not files:
        raise InputError(f"no file matches '{path}' (looked in {root.resolve()}); set source.path")
    return root, files


def _visible(root: Path, pattern: str) -> list[Path]:
    """Files by pattern, without hidden ones and markers such as `_SUCCESS`."""
    names = sorted(Path(name).as_posix() for name in glob.glob(pattern, root_dir=root, recursive=True))  # noqa: PTH207 - Path.glob refuses `**.csv`
    files = [root / name for name in names if _is_visible(Path(name))]
    return [file for file in files if file.is_file()]


def _is_visible(name: Path) -> bool:
    return not any(part.startswith(("_", ".")) for part in name.parts)


def _are_text_folders(root: Path, files: list[Path]) -> bool:
    return not any(map(format_of, files)) and any(_is_in_class_folder(root, file) for file in files)


def _is_in_class_folder(root: Path, file: Path) -> bool:
    return file.suffix == TEXT_SUFFIX and len(file.relative_to(root).parts) > 1


def _text_files(root: Path, files: list[Path], path: str) -> tuple[Path, ...]:
    texts = tuple(file for file in files if _is_in_class_folder(root, file))
    if not texts:
        raise InputError(
            f"no text folders in '{path}' (expected {path}/<class>/<name>{TEXT_SUFFIX}); set source.path to the folder "
            "that holds one folder per class"
        )
    return texts


def _common_format(files: list[Path], path: str) -> FileFormat:
    formats = {found for file in files if (found := format_of(file))}
    if len(formats) > 1:
        listed = ", ".join(sorted(formats))
        raise InputError(f"'{path}' holds several formats ({listed}); set source.format to one of them")
    return formats.pop()
