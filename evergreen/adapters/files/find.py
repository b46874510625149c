"""Which files a `path` means: one file, a folder, or a glob such as `data/**/part-*.csv`."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evergreen.core.errors import InputError

FileFormat = Literal["csv", "jsonl", "parquet", "text_folders"]

SUFFIXES: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
TEXT_SUFFIX = ".txt"
_READABLE = "*.csv, *.tsv, *.jsonl, *.ndjson (also with .gz), *.parquet, or folders of *.txt"


@dataclass(frozen=True)
class Listing:
    """Files in the order they are read; names in messages and ids are relative to `root`."""

    root: Path
    files: tuple[Path, ...]
    format: FileFormat

    def name(self, file: Path) -> str:
        """POSIX path relative to the root."""
        return file.relative_to(self.root).as_posix()


def find_files(path: str, file_format: FileFormat | None) -> Listing:
    """The files that `path` means, sorted by name.

    Raises:
        InputError: nothing there, nothing readable there, or several formats at once.
    """
    root, files = _candidates(path)
    if file_format == "text_folders" or (file_format is None and _are_text_folders(root, files)):
        return Listing(root, _text_files(root, files, path), "text_folders")
    if file_format is None or Path(path).is_dir():
        wanted = {file_format} if file_format else set(SUFFIXES.values())
        files = [file for file in files if format_of(file) in wanted]
    if not files:
        raise InputError(f"nothing readable in '{path}' (allowed: {_READABLE}); set source.path or source.format")
    return Listing(root, tuple(files), file_format or _common_format(files, path))


def format_of(file: Path) -> FileFormat | None:
    """The format that the suffix tells, seeing through `.gz`."""
    name = file.name.lower().removesuffix(".gz")
    return SUFFIXES.get(Path(name).suffix)


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
    files = [root / name for name in names if not any(part.startswith(("_", ".")) for part in Path(name).parts)]
    return [file for file in files if file.is_file()]


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
