"""Predictions as files, here or in a bucket: parts in a folder, which is the output, or becomes one table at the end.

predictions/00000-9f2c41d07be8a615-0.parquet, …          of  path: predictions
.labelled.csv.parts/00000-9f2c41d07be8a615-0.jsonl, …    becomes  labelled.csv
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import IO, Any, Self, cast

from evergreen.adapters.files.cloud import is_cloud
from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.files.output_turns import turn_at, turn_here
from evergreen.adapters.files.replacing import check_replaceable
from evergreen.adapters.files.rows import table_format
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.table_writers import RowWriter, table_writer
from evergreen.adapters.gcs.bucket import bucket_files
from evergreen.core.batch import Part, PartFormat, Row, Turn
from evergreen.core.errors import InputError
from evergreen.core.lease import Holder, Lease
from evergreen.data.shards import parquet_writer

ROWS_AT_ONCE = 4_000
_UNFINISHED = ".unfinished-"
"""How the names of folders begin in which parts are written on this machine."""


@dataclass(frozen=True)
class FilesPredictions:
    """Parts for an `output`. Tables of text are written in the `dialect` of the input; `typed`: its types are known."""

    output: FilesOutput
    dialect: Mapping[str, Any] = field(default_factory=dict)
    typed: bool = False

    @property
    def is_local(self) -> bool:
        """Whether it is in no bucket."""
        return not is_cloud(self.output.path)

    @property
    def is_delimited(self) -> bool:
        """Whether it is a table of fields between commas or tabs."""
        return self.output.is_table and table_format(Path(self.output.path)) == "csv"

    def of_rows(self, dialect: Mapping[str, Any], *, typed: bool) -> Self:
        """The same for rows of an input."""
        return replace(self, dialect=dialect, typed=typed)

    @property
    def part_format(self) -> PartFormat:
        """JSON Lines where the rows are written as text, or only all of them together show their types."""
        if not self.output.is_table:
            return "parquet"
        return "parquet" if self.typed and table_format(Path(self.output.path)) == "parquet" else "jsonl"

    @property
    def _folder(self) -> str:
        """Where parts are kept."""
        if not self.output.is_table:
            return self.output.path.rstrip("/")
        folder, _, name = self.output.path.rpartition("/")
        return f"{folder}/.{name}.parts" if folder else f".{name}.parts"

    def check(self) -> str:
        """The path. Raises InputError: it is no table, its folder is missing, or what is there was not predicted."""
        path = self.output.path
        if self.output.is_table:
            table_format(Path(path))
            if not is_cloud(path) and not Path(path).parent.is_dir():
                raise InputError(f"no folder {Path(path).parent} for {Path(path).name}; create it")
            with self._files() as files:
                self._check_replaceable(files)
        elif not is_cloud(path) and Path(path).is_file():
            raise InputError(f"{path} is a file; name a folder, or a table such as {path}.csv")
        return path

    def turn(self, holder: Holder, over: Callable[[Lease], bool]) -> AbstractContextManager[Turn]:
        """By a lock of the kernel's on this machine, which a killed job leaves free, and by a lease in a bucket."""
        path = self.output.path
        if is_cloud(path):
            return turn_at(path, holder, over)
        lock = f"{self._folder.removesuffix('.parts')}.lock" if self.output.is_table else f"{self._folder}/.lock"
        return turn_here(path, Path(lock))

    def known(self) -> Iterable[Part]:
        """Those in the folder, in this format."""
        with self._files() as files:
            return list(self._listed(files))

    def put(self, part: Part, file: Path) -> None:
        """Puts the file into the folder, under the part's name."""
        place = f"{self._folder}/{part}.{self.part_format}"
        with self._files() as files:
            if is_cloud(place):
                files.put_file(str(file), place, consistency="md5")  # objects appear whole
                return
            folder = Path(self._folder)
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=folder, prefix=_UNFINISHED) as hidden:
                written = Path(hidden) / file.name
                files.put_file(str(file), str(written))
                with written.open("rb") as whole:
                    os.fsync(whole.fileno())  # its name proves it, also where the machine goes down
                written.replace(place)

    def finish(self, parts: Sequence[Part]) -> str:
        """The table, or the folder without parts of other rows or versions."""
        with self._files() as files:
            if self.output.is_table:
                self._check_replaceable(files)  # somebody may have put it there meanwhile
                self._write_table(files, parts)
                with suppress(FileNotFoundError):
                    files.rm(self._folder, recursive=True)
            else:
                for part in set(self._listed(files)) - set(parts):
                    files.rm_file(f"{self._folder}/{part}.{self.part_format}")
                for path in () if is_cloud(self._folder) else Path(self._folder).glob(f"{_UNFINISHED}*"):
                    rmtree(path)
        return self.output.path

    def _check_replaceable(self, files: Any) -> None:
        path = self.output.path
        check_replaceable(path, self._fields, lambda: cast("IO[bytes]", files.open(path, "rb")))

    @property
    def _fields(self) -> FilesSettings:
        """How a table of text is written."""
        return FilesSettings.model_validate({**self.dialect, "path": self.output.path})

    def _listed(self, files: Any) -> Iterator[Part]:
        with suppress(FileNotFoundError):
            for path in files.ls(self._folder, detail=False, refresh=True):
                name, _, kind = PurePosixPath(path).name.partition(".")
                if kind == self.part_format and (part := Part.parse(name)):
                    yield part

    def _write_table(self, files: Any, parts: Sequence[Part]) -> None:
        places = [f"{self._folder}/{part}.{self.part_format}" for part in parts]
        path = self.output.path
        if not is_cloud(path):  # first among the parts, so that whatever a kill leaves goes with them
            whole = Path(self._folder) / Path(path).name
            self._append(files, places, whole)
            whole.replace(path)
            return
        with TemporaryDirectory(prefix="evergreen-batch-") as folder:
            local = Path(folder) / PurePosixPath(path).name
            self._append(files, places, local)
            files.put_file(str(local), path, consistency="md5")

    def _append(self, files: Any, places: Sequence[str], path: Path) -> None:
        if self.part_format == "parquet":
            _append_parquet(files, places, path)
            return
        with table_writer(path, self._fields) as writer:
            for place in places:
                _append_lines(files, place, writer)

    @contextmanager
    def _files(self) -> Iterator[Any]:
        """The file system of the output. Raises InputError where it cannot be written."""
        if is_cloud(self.output.path):
            with bucket_files(self.output.path, "correct the output") as files:
                yield files
            return
        from fsspec.implementations.local import LocalFileSystem

        try:
            yield LocalFileSystem()
        except OSError as error:
            raise InputError(f"{self.output.path} cannot be written: {error}; correct the output") from error


def _append_lines(files: Any, place: str, writer: RowWriter) -> None:
    rows: list[Row] = []
    with files.open(place, "rb") as file:
        for line in file:
            rows.append(json.loads(line))
            if len(rows) == ROWS_AT_ONCE:
                writer.write(rows)
                rows = []
    writer.write(rows)


def _append_parquet(files: Any, places: Sequence[str], path: Path) -> None:
    """One table of all row groups, which appears whole."""
    import pyarrow.parquet as pq

    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        whole = Path(folder) / path.name
        writer = None
        try:
            for place in places:
                with files.open(place, "rb") as opened, pq.ParquetFile(opened) as file:
                    writer = writer or parquet_writer(whole, file.schema_arrow)
                    for group in range(file.num_row_groups):
                        writer.write_table(file.read_row_group(group))
        finally:
            if writer is not None:
                writer.close()
        whole.replace(path)
