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
from evergreen.adapters.files.prepared import LIST, PREFIX, PreparedSet, set_in
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.visible import is_hidden
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.preparation import Prepared
from evergreen.data.prepare import PREPARED


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
    before = listed_set(files, folder)
    name = f"{PREFIX}{prepared.fingerprint[:12]}.parquet"
    put_file(files, prepared.path, f"{folder}/{name}")
    kept = set(before.files) if append else set()
    replaced = len(set(before.files) - kept - {name})
    replace_set(files, folder, before, PreparedSet(files=tuple(sorted(kept | {name}))))
    return f"{folder}/{name} written" + (f", {replaced} older replaced" if replaced else "")


def _was_prepared(files: Any, path: str) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with files.open(path, "rb") as file:
            return PREPARED.encode() in (pq.read_schema(file).metadata or {})
    except pa.ArrowInvalid:
        return False


def prepared_set(files: Any, folder: str) -> PreparedSet:
    """What is prepared below the folder: what its list says, or where an earlier version left none, all that is there.

    Raises:
        InputError: a file that a source would read was not prepared.
    """
    present = _present(files, folder)
    if files.exists(f"{folder}/{LIST}"):
        return set_in(files.cat_file(f"{folder}/{LIST}"), f"{folder}/{LIST}")
    return PreparedSet(files=tuple(present))


def listed_set(files: Any, folder: str) -> PreparedSet:
    """As `prepared_set`; from now on there is a list, so that nobody reads what is put beside it."""
    prepared = prepared_set(files, folder)
    if not files.exists(f"{folder}/{LIST}"):
        _write(files, folder, prepared)
    return prepared


def replace_set(files: Any, folder: str, before: PreparedSet, now: PreparedSet) -> None:
    """Makes `now` what sources read in place of `before`, and removes the files that neither of them has.

    Raises:
        EvergreenError: somebody else has changed the list or removed files meanwhile; it stays as it is.
    """
    current = prepared_set(files, folder)
    if now in (before, current):
        return
    present = set(_present(files, folder))
    if current != before or not present.issuperset(now.files):
        raise EvergreenError(f"{folder} was prepared by somebody else meanwhile, and stays as it is now; run again")
    for name in sorted(present.difference(before.files, now.files)):
        files.rm_file(f"{folder}/{name}")
    _write(files, folder, now)


def _present(files: Any, folder: str) -> list[str]:
    """The names of prepared files, listed or not. Raises InputError where a file beside them was not prepared."""
    root = files._strip_protocol(folder)
    below = [path.removeprefix(f"{root}/") for path in sorted(files.find(folder)) if path.startswith(f"{root}/")]
    present = [name for name in below if format_of(Path(name)) is not None and not is_hidden(name)]
    others = [name for name in present if not PurePosixPath(name).name.startswith(PREFIX)]
    if others:
        raise InputError(
            f"{folder} holds files that were not prepared ({', '.join(others[:3])}); "
            "set source.path to a folder of its own"
        )
    return present


def _write(files: Any, folder: str, prepared: PreparedSet) -> None:
    put_bytes(files, prepared.model_dump_json(indent=1).encode() + b"\n", f"{folder}/{LIST}")


def put_bytes(files: Any, content: bytes, path: str) -> None:
    """As `put_file`, of content in memory."""
    if is_cloud(path):
        files.pipe_file(path, content)
        return
    part = _hidden_part(files, path)
    files.pipe_file(part, content)
    files.mv(part, path)


def put_file(files: Any, local: Path, path: str) -> None:
    """A whole file at `path` or none: objects of a bucket appear whole, on this machine a hidden part is renamed."""
    if is_cloud(path):
        files.put_file(str(local), path, consistency="md5")
        return
    part = _hidden_part(files, path)
    files.put_file(str(local), part)
    files.mv(part, path)


def _hidden_part(files: Any, path: str) -> str:
    place = PurePosixPath(path)
    files.makedirs(str(place.parent), exist_ok=True)
    return str(place.with_name(f".{place.name}.part"))


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
