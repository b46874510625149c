"""Prepared rows as the Parquet file that a source of kind `files` reads, on this machine or in a bucket.

Below a folder the file is named for its content, so that writing the same rows twice leaves one file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from evergreen.adapters.files.cloud import cloud_files, is_cloud
from evergreen.adapters.files.find import format_of
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.visible import is_hidden
from evergreen.core.errors import InputError
from evergreen.core.preparation import Prepared
from evergreen.data.prepare import PREPARED

PREFIX = "prepared-"
"""How the names of prepared files begin."""


@dataclass(frozen=True)
class FilesDestination:
    """The file or folder that `source` reads."""

    source: FilesSettings

    def store(self, prepared: Prepared, *, append: bool) -> str:
        """Replaces what was prepared there before, or adds a file beside it; says which file was written.

        Raises:
            InputError: the path is no Parquet file or folder, holds what was not prepared, or may not be written.
        """
        path = self.source.path.rstrip("/")
        if any(sign in path for sign in "*?[") or self.source.format not in (None, "parquet"):
            raise InputError(f"prepared rows are Parquet; set source.path '{path}' to a folder or a .parquet file")
        with opened_files(path) as files:
            if PurePosixPath(path).suffix:
                return _store_file(files, path, prepared, append=append)
            return _store_below(files, path, prepared, append=append)


def _store_file(files: Any, path: str, prepared: Prepared, *, append: bool) -> str:
    if not path.endswith(".parquet"):
        raise InputError(f"prepared rows are Parquet, '{path}' is not; set source.path to a .parquet file or a folder")
    if append:
        raise InputError(f"one file cannot be added to; set source.path '{path}' to a folder to use --append")
    if files.exists(path) and not _was_prepared(files, path):
        raise InputError(f"{path} was not prepared and is left alone; move it away, or set another source.path")
    put_file(files, prepared.path, path)
    return f"{path} written"


def _store_below(files: Any, folder: str, prepared: Prepared, *, append: bool) -> str:
    """Files that were prepared before go once the new one is there: a run meanwhile reads both, never none."""
    present = prepared_below(files, folder)
    name = f"{PREFIX}{prepared.fingerprint[:12]}.parquet"
    put_file(files, prepared.path, f"{folder}/{name}")
    stale = [] if append else [file for file in present if PurePosixPath(file).name != name]
    for file in stale:
        files.rm_file(file)
    return f"{folder}/{name} written" + (f", {len(stale)} older removed" if stale else "")


def prepared_below(files: Any, folder: str) -> list[str]:
    """The files that a source reads below the folder. Raises InputError where one was not prepared."""
    present = [
        file for file in _below(files, folder) if _is_read(file.removeprefix(f"{files._strip_protocol(folder)}/"))
    ]
    others = [file for file in present if not PurePosixPath(file).name.startswith(PREFIX)]
    if others:
        raise InputError(
            f"{folder} holds files that were not prepared ({', '.join(others[:3])}); "
            "set source.path to a folder of its own"
        )
    return present


def _below(files: Any, folder: str) -> list[str]:
    """Files below the folder: of one that is not there, a bucket lists those whose names begin alike."""
    root = files._strip_protocol(folder)
    return [file for file in sorted(files.find(folder)) if file.startswith(f"{root}/")]


def _is_read(name: str) -> bool:
    return format_of(Path(name)) is not None and not is_hidden(name)


def _was_prepared(files: Any, path: str) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with files.open(path, "rb") as file:
            return PREPARED.encode() in (pq.read_schema(file).metadata or {})
    except pa.ArrowInvalid:
        return False


def put_file(files: Any, local: Path, path: str) -> None:
    """A whole file at `path` or none: objects of a bucket appear whole, on this machine a hidden part is renamed."""
    if is_cloud(path):
        files.put_file(str(local), path, consistency="md5")
        return
    place = PurePosixPath(path)
    part = str(place.with_name(f".{place.name}.part"))
    files.makedirs(str(place.parent), exist_ok=True)
    files.put_file(str(local), part)
    files.mv(part, path)


@contextmanager
def opened_files(path: str) -> Iterator[Any]:
    """The file system that holds the path. Raises InputError where it cannot be written."""
    if is_cloud(path):
        with cloud_files(path) as files:
            yield files
        return
    from fsspec.implementations.local import LocalFileSystem

    try:
        yield LocalFileSystem()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}; set source.path to a place that can") from error
