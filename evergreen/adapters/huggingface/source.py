"""The source `huggingface`: rows of a data set on the Hugging Face Hub, or in a folder laid out like one, streamed."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from evergreen.adapters.files.decoding import reading
from evergreen.adapters.huggingface.settings import HuggingFaceSettings
from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity, sha256_of
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.intake import IntakeCount
from evergreen.core.members import ReadSource
from evergreen.core.names import nfc
from evergreen.core.part import NewRows, PartOfSource
from evergreen.data.canonical import canonical_rows, with_row_names
from evergreen.data.dataset import write_dataset
from evergreen.data.freshness import PartOfRows
from evergreen.data.row_fields import check_columns
from evergreen.runtime.hub import first_line, retried, token_in

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 1_000
_BATCH_PICTURES = 64
_SPLIT = "split"
_PATH = re.compile(r"[./~\\]|[A-Za-z]:|[^/]*/[^/]*/")
"""How paths begin, and no name of a data set does: `./news`, `/data/news`, `data/news/2024`."""
_PARQUET_BRANCH = "refs/convert/parquet"
"""Where the Hub keeps the rows of data sets with a loading script, as Parquet."""
_ARCHIVES = ("zip", "tar", "gzip", "bz2", "xz", "lz4", "zstd")


class HuggingFaceSource(ReadSource[HuggingFaceSettings]):
    """Rows of a Hub data set; class labels become their names unless `label_names` says otherwise."""

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """The Hub's commit (checksums of the files of a local folder) and the fields that shape rows.

        Raises:
            InputError: no such data set or revision, or no access to it.
            EvergreenError: the Hub does not answer.
        """
        self.settings.check_window(window)
        return self._identity(self._resolved_revision(), window)

    def _identity(self, revision: str, window: ResolvedWindow | None) -> SourceIdentity:
        content = json.dumps([revision, self.settings.shaping()], sort_keys=True)
        return SourceIdentity(
            kind=self.settings.kind,
            fingerprint=hashlib.sha256(content.encode()).hexdigest(),
            description=f"{self.settings.name} ({', '.join(self.settings.splits)}) at {revision[:12]}",
            window=window,
        )

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The rows as Parquet shards below `out_dir`; the data set itself is not kept.

        Raises:
            InputError: no such data set, subset, split or column, no access, or a row that cannot be used.
            EvergreenError: the Hub does not answer.
        """
        self.settings.check_window(window)
        revision = self._resolved_revision()
        count = IntakeCount()
        rows = canonical_rows(self._batches(revision), self.settings, window, count)
        source = partial(self.identity, window) if self._is_folder else self._identity(revision, window)
        return write_dataset(rows, out_dir, source, count)

    def find_new(self, part: PartOfSource) -> NewRows:
        """How many rows of the present commit are new, by reading them all. Raises as `read` does."""
        self.settings.check_incremental()
        part, count = part.model_copy(update={"revision": self._resolved_revision()}), IntakeCount()
        chosen = PartOfRows(part, count)
        for _ in self._chosen(chosen, part, count):
            pass
        return NewRows(identity=self._identity_of(chosen), part=chosen.part, new=chosen.new, replayed=chosen.replayed)

    def read_new(self, part: PartOfSource, out_dir: Path) -> Dataset:
        """The part's rows as Parquet shards below `out_dir`, of the commit that was counted in. Raises as `read` does.

        A folder has its present rows alone.
        """
        self.settings.check_incremental()
        count = IntakeCount()
        chosen = PartOfRows(part, count)
        return write_dataset(self._chosen(chosen, part, count), out_dir, lambda: self._identity_of(chosen), count)

    def _chosen(self, chosen: PartOfRows, part: PartOfSource, count: IntakeCount) -> Iterator[pa.RecordBatch]:
        revision = part.revision or self._resolved_revision()
        return chosen.of(canonical_rows(self._batches(revision), self.settings, None, count))

    def _identity_of(self, chosen: PartOfRows) -> SourceIdentity:
        """Of rows by their content: a commit that changes others, or none, changes nothing."""
        return chosen.identity(self.settings.kind, self.settings.name, self.settings.shaping())

    def _batches(self, revision: str) -> Iterator[pa.RecordBatch]:
        for split in self.settings.splits:
            with self._translated():
                yield from with_row_names(self._stream(split, revision), split)

    def _stream(self, split: str, revision: str) -> Iterator[pa.RecordBatch]:
        import datasets

        stream = datasets.load_dataset(
            self.settings.name,
            self.settings.config_name,
            split=split,
            revision=None if self._is_folder else revision,
            token=self._token(),
            streaming=True,
        )
        names = self._class_names(stream.features or {})
        rows = _BATCH_PICTURES if self.settings.has_pictures else _BATCH_ROWS
        for table in stream.with_format("arrow").iter(batch_size=rows):
            given = (
                table
                if _SPLIT in table.column_names or _SPLIT not in self.settings.mapping
                else _with_split(table, split)
            )
            present = check_columns(self.settings, given.column_names, f"split '{split}' of {self.settings.name}")
            whole = self._with_bytes(given.select(list(present.values())))
            chosen = whole.rename_columns(list(present)).replace_schema_metadata(None)
            for column, known in names.items():
                chosen = _named(chosen, column, known)
            yield from chosen.combine_chunks().to_batches()

    def _with_bytes(self, table: pa.Table) -> pa.Table:
        """The table with the bytes of pictures that it only names the files of."""
        if not self.settings.has_pictures:
            return table
        return with_bytes(table, self.settings.name, self._token())

    def _class_names(self, features: dict[str, Any]) -> dict[str, list[str]]:
        """The names of the label column's classes, where the data set has them and the configuration has not."""
        column = self.settings.mapping.get("label")
        by_name = {nfc(name): feature for name, feature in features.items()}
        names = getattr(by_name.get(nfc(column or "")), "names", None)
        return {} if column is None or names is None or self.settings.label_names is not None else {column: names}

    @property
    def _is_folder(self) -> bool:
        return Path(self.settings.name).is_dir()

    def _resolved_revision(self) -> str:
        """The commit that the rows are read at, or the checksum of a local folder."""
        name = self.settings.name
        if Path(name).is_file():
            what = "a loading script, whose code is never run" if name.endswith(".py") else "a file"
            raise InputError(
                f"source.name '{name}' is {what}; name a data set of the Hub or a folder, or read files with "
                "kind: files"
            )
        if not self._is_folder and _PATH.match(name):
            raise InputError(
                f"source.name '{name}' is no folder here (looked in {Path.cwd()}), and no data set of the Hub has "
                "such a name (owner/name); correct source.name"
            )
        return self._folder_checksum() if self._is_folder else self._commit()

    def _commit(self) -> str:
        from huggingface_hub import HfApi

        api = HfApi(token=self._token())
        with self._translated():
            info = retried(lambda: api.dataset_info(self.settings.name, revision=self.settings.revision))
        self._check_script({sibling.rfilename for sibling in info.siblings or ()})
        return str(info.sha)

    def _check_script(self, files: Collection[str]) -> None:
        """Raises InputError where the data set is a program that makes its rows, which nothing runs."""
        name = self.settings.name
        script = f"{PurePosixPath(name.replace(os.sep, '/')).name}.py"
        if script in files:
            advice = (
                "give the files beside it to a source of kind files, or a copy of the Hub's branch"
                if self._is_folder
                else "name another data set, or set source.revision to the branch of its rows as Parquet,"
            )
            raise InputError(
                f"source.name '{name}' is a data set with a loading script, {script}, whose code is never run; "
                f"{advice} {_PARQUET_BRANCH}"
            )

    def _folder_checksum(self) -> str:
        root = Path(self.settings.name)
        self._check_script({path.name for path in root.iterdir()})
        files = sorted(path for path in root.rglob("*") if path.is_file())
        entries = []
        for file in files:
            name = file.relative_to(root).as_posix()
            with reading(file, name):
                entries.append((name, sha256_of(file)))
        return hashlib.sha256(json.dumps(entries).encode()).hexdigest()

    def _token(self) -> str | None:
        if self.settings.token_env is None:
            return None
        return token_in(
            self.settings.token_env,
            "list the secret that holds it under `secrets:`, export it, or remove source.token_env",
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from httpx2 import HTTPError
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

        what = " ".join(
            part for part in (self.settings.name, self.settings.config_name, self.settings.revision) if part
        )
        try:
            yield
        except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError, FileNotFoundError, ValueError) as error:
            raise InputError(
                f"data set '{what}' cannot be read: {first_line(error)}; set source.name, config_name, splits, "
                f"revision, or token_env for a private one; a folder of this name is not in {Path.cwd()}"
            ) from error
        except (OSError, HTTPError) as error:
            raise EvergreenError(
                f"the Hugging Face Hub does not answer for data set '{what}': {first_line(error)}; try again later, "
                "or read a local copy"
            ) from error


def _with_split(table: pa.Table, split: str) -> pa.Table:
    import pyarrow as pa

    return table.append_column(_SPLIT, pa.array([split.partition("[")[0]] * table.num_rows, pa.string()))


def _named(table: pa.Table, column: str, names: list[str]) -> pa.Table:
    """The table with class numbers replaced by names; -1, the Hub's mark for no label, becomes null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = table[column]
    labels = pa.array(names, pa.string()).take(pc.if_else(pc.less(numbers, 0), None, numbers))
    return table.set_column(table.column_names.index(column), column, labels)


def with_bytes(table: pa.Table, name: str, token: str | None) -> pa.Table:
    """The table with the bytes of the pictures of data set `name`, a Hub name or a folder.

    Raises:
        InputError: it names a file that is no part of the data set.
    """
    from datasets.table import embed_table_storage

    pictures = [field.name for field in table.schema if _has_paths(field.type)]
    for column in pictures:
        _check_own(table[column], column, name)
    if not pictures:
        return table
    whole = embed_table_storage(table.select(pictures), token_per_repo_id={name: token})
    for column in pictures:
        table = table.set_column(table.column_names.index(column), column, whole[column])
    return table


def is_own(path: str, name: str) -> bool:
    """Whether a path, perhaps into an archive (`zip://1.png::…`), is that of a file of the data set `name`."""
    from huggingface_hub import constants

    *inner, outer = path.split("::")
    if any(hop.partition("://")[0] not in _ARCHIVES or "://" not in hop for hop in inner):
        return False
    if ".." in PurePosixPath(outer.replace(os.sep, "/")).parts:
        return False
    if Path(name).is_dir():
        kinds = (os.path.abspath, os.path.realpath)
        return "://" not in outer and any(Path(kind(outer)).is_relative_to(kind(name)) for kind in kinds)
    return outer.startswith((f"hf://datasets/{name}@", f"{constants.ENDPOINT}/datasets/{name}/resolve/"))


def _has_paths(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_struct(kind) and {field.name for field in kind} == {"bytes", "path"}


def _check_own(column: pa.ChunkedArray, source: str, name: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded, paths = (pc.struct_field(column, field) for field in ("bytes", "path"))
    for path in paths.filter(pc.and_(pc.is_null(encoded), pc.is_valid(paths))).cast(pa.string()).to_pylist():
        if not is_own(path, name):
            raise InputError(
                f"column '{source}' only names the file {path!r:.200}, which is no part of data set '{name}', and its "
                "bytes are not there; write the bytes of the pictures into it"
            )
