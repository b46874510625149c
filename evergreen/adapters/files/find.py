"""Which files a `path` means: one file, a folder, or a glob such as `data/**/part-*.csv` or `gs://news/2024-*.parquet`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from evergreen.adapters.files.cloud import Bucket, is_cloud, list_cloud
from evergreen.adapters.files.decoding import reading
from evergreen.adapters.files.formats import READERS
from evergreen.adapters.files.prepared import LIST, OWN, set_in
from evergreen.adapters.files.settings import FileFormat, FilesSettings, RowFormat
from evergreen.adapters.files.visible import files_below, is_hidden
from evergreen.adapters.gcs.bucket import SCHEME
from evergreen.core.artifacts import sha256_of
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.intake import LeftOut, LeftOutReason
from evergreen.runtime.packages import in_package, is_in_package

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES: dict[str, RowFormat] = {
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
_LOOKS = 3
_READABLE = "*.csv, *.tsv, *.jsonl, *.ndjson (also with .gz), *.parquet, or folders of *.txt"


class Store(Protocol):
    """Where files lie, and how their content is had."""

    def of(self, files: Sequence[Path]) -> Self:
        """The store of these files alone."""

    def place(self, folder: Path) -> str:
        """Where a folder really is, whatever links lead to it."""

    def checksum(self, file: Path, name: str) -> tuple[str, int]:
        """Checksum and bytes of a file. Raises InputError naming one that cannot be read."""

    def opened(self, files: Sequence[Path]) -> Iterator[Path]:
        """Where each file can be read, until the next is asked for."""


@dataclass(frozen=True)
class Disk:
    """This machine."""

    def of(self, files: Sequence[Path]) -> Self:  # noqa: ARG002 - the protocol's
        """The same."""
        return self

    def place(self, folder: Path) -> str:
        """Its real path."""
        return os.path.realpath(folder)

    def checksum(self, file: Path, name: str) -> tuple[str, int]:
        """Of its bytes, which are read."""
        with reading(file, name):
            return sha256_of(file), file.stat().st_size

    def opened(self, files: Sequence[Path]) -> Iterator[Path]:
        """The files themselves."""
        yield from files


@dataclass(frozen=True)
class Files:
    """Files in the order they are read, and what beside them is not; names in messages and ids are relative to `root`.

    A part of them tells nothing of what is left out: the whole does. `whole`: a list names them, which is replaced at
    once with all of them, so that they are the rows of one instant.
    """

    root: Path
    files: tuple[Path, ...]
    store: Store = Disk()
    beside: tuple[tuple[str, Path], ...] = ()
    whole: bool = False

    @property
    def left_out(self) -> LeftOut:
        """What is beside the files, by reason."""
        return LeftOut.of((reason, self.name(file)) for reason, file in self.beside)

    def of(self, files: Sequence[Path]) -> Self:
        """Those of the files alone, in that order."""
        return replace(self, files=tuple(files), store=self.store.of(files), beside=())

    def parts(self, sizes: Sequence[int]) -> Iterator[Self]:
        """So many of the files at a time, in order."""
        for first, size in zip(accumulate(sizes, initial=0), sizes, strict=False):
            yield self.of(self.files[first : first + size])

    def without(self, other: Files) -> Self:
        """All of it but what the others have seen too, by whatever path."""
        theirs = set(other.places([*other.files, *(file for _, file in other.beside), other.root]))
        files = zip(self.files, self.places(self.files), strict=True)
        beside = zip(self.beside, self.places([file for _, file in self.beside]), strict=True)
        kept = self.of([file for file, place in files if place not in theirs])
        return replace(kept, beside=tuple(entry for entry, place in beside if place not in theirs))

    def places(self, files: Sequence[Path]) -> list[str]:
        """Where each file is, whatever links lead to its folder."""
        real = {folder: self.store.place(folder) for folder in {file.parent for file in files}}
        return [f"{real[file.parent]}/{file.name}" for file in files]

    def name(self, file: Path) -> str:
        """POSIX path relative to the root."""
        return file.relative_to(self.root).as_posix()

    @property
    def names(self) -> list[str]:
        """Those of the files, in order."""
        return [self.name(file) for file in self.files]

    def checksums(self) -> Iterator[tuple[str, str, int]]:
        """Name, checksum and bytes of each file. Raises InputError naming one that cannot be read."""
        for file in self.files:
            name = self.name(file)
            yield name, *self.store.checksum(file, name)

    def opened(self) -> Iterator[tuple[str, Path]]:
        """Each file's name, and where it can be read until the next is asked for."""
        yield from zip(map(self.name, self.files), self.store.opened(self.files), strict=True)


@dataclass(frozen=True, kw_only=True)
class Listing(Files):
    """Files of one format of rows."""

    format: RowFormat

    @property
    def rows(self) -> int | None:
        """Where each file is one; None: they must be read to know."""
        return len(self.files) if self.format == "text_folders" else None

    def batches(self, settings: FilesSettings) -> Iterator[pa.RecordBatch]:
        """The rows in the source's own columns, each named for a person to find."""
        return READERS[self.format](self.opened(), settings)


def find_files(path: str, file_format: RowFormat | None) -> Listing:
    """The files of rows that `path` means, all of one format. Raises as `find_of`, and where there are several."""
    found = find_of(path, file_format)
    known = file_format or _common_format(found.files, path)
    return Listing(
        root=found.root, files=found.files, store=found.store, beside=found.beside, whole=found.whole, format=known
    )


def find_of(path: str, file_format: FileFormat | None, setting: str = "source.path") -> Files:
    """The files of a format (None: any of rows) that `path` means, sorted by name, and what beside them is left out;
    `setting` is where it was set.

    Raises:
        InputError: nothing there, nothing readable there, a broken link that is named, or a file whose name is no
            UTF-8.
        EvergreenError: Cloud Storage does not answer.
    """
    listed, is_folder = _candidates(path, setting)
    if is_folder and file_format in (None, "parquet") and (prepared := _prepared_files(listed, path, setting)):
        return prepared
    if file_format is None and _are_text_folders(listed):
        file_format = "text_folders"
    files = [file for file in listed.files if _is_read(listed, file, file_format, is_folder=is_folder)]
    others = tuple(_left_out(listed, set(files), file_format))
    chosen = replace(listed.of(files), beside=listed.beside + others)
    if not files:
        raise _nothing(path, file_format, setting, chosen.left_out)
    _check_names(chosen)
    return chosen


def _candidates(path: str, setting: str) -> tuple[Files, bool]:
    """All files that the path means, and whether it is a folder."""
    if is_cloud(path):
        return _in_bucket(path, setting)
    here = _here(path, setting)
    root, below, beside = files_below(here, setting)
    return Files(root, tuple(below), beside=tuple(beside)), Path(here).is_dir()


def _prepared_files(candidates: Files, path: str, setting: str) -> Files | None:
    """The files that the folder's list of prepared rows names, where it has one; what else it holds is left out.

    Raises:
        InputError: nothing was prepared yet.
        EvergreenError: files that the list names are gone.
    """
    for _ in range(_LOOKS):  # a list that is newer than the listing may name files that came after that
        place = candidates.root / LIST
        if not any(file == place for _, file in candidates.beside):
            return None
        (content,) = (file.read_bytes() for file in candidates.store.opened([place]))
        names = set_in(content, f"{path}/{LIST}").files
        if not names:
            raise InputError(f"no rows were prepared in '{path}' yet (python run.py prepare); set {setting}")
        files = tuple(candidates.root / name for name in sorted(names))
        if set(files) <= set(candidates.files):
            return _alone(candidates, files)
        candidates, _ = _candidates(path, setting)
    raise EvergreenError(f"'{path}' lacks files that its {LIST} names; prepare it again: python run.py prepare")


def _alone(candidates: Files, files: tuple[Path, ...]) -> Files:
    """The files, and what others have put beside them; nothing tells of what a preparation itself keeps there."""
    strangers = [file for file in candidates.files if not file.name.startswith(OWN)]
    beside = [(reason, file) for reason, file in candidates.beside if not file.name.startswith(OWN)]
    beside += [(LeftOutReason.suffix(_whole_suffix(file)), file) for file in strangers]
    return replace(candidates.of(files), beside=tuple(beside), whole=True)


def _here(path: str, setting: str) -> str:
    """The path on this machine, which may be one inside a package."""
    if not is_in_package(path):
        return path
    try:
        return str(in_package(path))
    except InputError as error:
        raise InputError(f"{setting} {path!r}: {error}") from error


def _in_bucket(path: str, setting: str) -> tuple[Files, bool]:
    """The objects that the path means, and whether it is a folder."""
    folder, objects, is_folder = list_cloud(path)
    by_path = {Path(item.path): item for item in objects}
    root = Path(folder)
    is_named = len(by_path) == 1 and next(iter(by_path)).as_posix() == path.removeprefix(SCHEME)
    hidden = set() if is_named else {file for file in by_path if is_hidden(file.relative_to(root))}
    files = tuple(file for file in by_path if file not in hidden)
    left_out = tuple((LeftOutReason.HIDDEN_FILE, file) for file in by_path if file in hidden)
    matched = Files(root, files, Bucket(path, by_path), left_out)
    if not files:
        words = f" (left out: {words})" if (words := matched.left_out.words()) else ""
        raise InputError(f"no file in '{path}'{words}; set {setting}")
    return matched, is_folder


def _is_read(listed: Files, file: Path, file_format: FileFormat | None, *, is_folder: bool) -> bool:
    """Whether a file is read in a format (None: any); what is named, or matches a pattern, is in the format named."""
    if file_format == "text_folders":
        return _is_in_class_folder(listed.root, file)
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


def _left_out(listed: Files, chosen: set[Path], file_format: FileFormat | None) -> Iterator[tuple[str, Path]]:
    """The files that are not chosen, by what their names end in."""

    def reason(file: Path) -> str:
        is_text = file_format == "text_folders" and file.suffix.lower() == TEXT_SUFFIX
        return LeftOutReason.NOT_IN_CLASS_FOLDER if is_text else LeftOutReason.suffix(_whole_suffix(file))

    return ((reason(file), file) for file in listed.files if file not in chosen)


def _check_names(listed: Files) -> None:
    for file in listed.files:
        name = listed.name(file)
        try:
            name.encode("utf-8")
        except UnicodeEncodeError as error:
            shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
            raise InputError(f"the name of file {shown} in {listed.root} is no UTF-8; rename it") from error


def format_of(file: Path) -> RowFormat | None:
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


def _are_text_folders(listed: Files) -> bool:
    files = listed.files
    return not any(map(format_of, files)) and any(_is_in_class_folder(listed.root, file) for file in files)


def _is_in_class_folder(root: Path, file: Path) -> bool:
    return file.suffix.lower() == TEXT_SUFFIX and len(file.relative_to(root).parts) > 1


def _common_format(files: Sequence[Path], path: str) -> RowFormat:
    formats: set[RowFormat] = {format_of(file) or "text_folders" for file in files}
    if len(formats) > 1:
        listed = ", ".join(sorted(formats))
        raise InputError(f"'{path}' holds several formats ({listed}); set source.format to one of them")
    return formats.pop()
