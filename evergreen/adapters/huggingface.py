"""The source `huggingface`: rows of a data set on the Hugging Face Hub, or in a folder laid out like one, streamed.

kind: huggingface
name: fancyzhx/ag_news
splits: [train, test]
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evergreen.core.artifacts import Dataset, FileEntry, ResolvedWindow, SourceIdentity
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.hub import first_line, retried
from evergreen.data.canonical import RowFields, canonical_rows, check_columns, with_row_names
from evergreen.data.dataset import write_dataset

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 1_000


class HuggingFaceSource(RowFields):
    """Rows of a Hub data set; class labels become their names unless `label_names` says otherwise.

    `config_name` is the Hub's subset, `revision` a branch, tag or commit, `token_env` the name of the environment
    variable that holds an access token. All of `splits` are read: the split step shares rows out itself.
    """

    kind: Literal["huggingface"] = "huggingface"
    name: str
    config_name: str | None = None
    splits: tuple[str, ...] = ("train",)
    revision: str | None = None
    token_env: str | None = None

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """The Hub's commit (checksums of the files of a local folder) and the fields that shape rows.

        Raises:
            InputError: no such data set or revision, or no access to it.
            EvergreenError: the Hub does not answer.
        """
        self.check_window(window)
        return self._identity(self._resolved_revision(), window)

    def _identity(self, revision: str, window: ResolvedWindow | None) -> SourceIdentity:
        shaping = self.model_dump(exclude={"kind", "token_env", "revision"})
        content = json.dumps([revision, shaping], sort_keys=True)
        return SourceIdentity(
            kind=self.kind,
            fingerprint=hashlib.sha256(content.encode()).hexdigest(),
            description=f"{self.name} ({', '.join(self.splits)}) at {revision[:12]}",
            window=window,
        )

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The rows as Parquet shards below `out_dir`; the data set itself is not kept.

        Raises:
            InputError: no such data set, subset, split or column, no access, or a row that cannot be used.
            EvergreenError: the Hub does not answer.
        """
        self.check_window(window)
        revision = self._resolved_revision()
        rows = canonical_rows(self._batches(revision), self, window)
        source = partial(self.identity, window) if self._is_folder else self._identity(revision, window)
        return write_dataset(rows, out_dir, source)

    def _batches(self, revision: str) -> Iterator[pa.RecordBatch]:
        for split in self.splits:
            with self._translated():
                yield from with_row_names(self._stream(split, revision), split)

    def _stream(self, split: str, revision: str) -> Iterator[pa.RecordBatch]:
        import datasets

        stream = datasets.load_dataset(
            self.name,
            self.config_name,
            split=split,
            revision=None if self._is_folder else revision,
            token=self._token(),
            streaming=True,
        )
        names = self._class_names(stream.features or {})
        for table in stream.with_format("arrow").iter(batch_size=_BATCH_ROWS):
            check_columns(self, table.column_names, f"split '{split}' of {self.name}")
            chosen = table.select(self.needed).replace_schema_metadata(None)
            yield from _named(chosen, self.mapping["label"], names).combine_chunks().to_batches()

    def _class_names(self, features: dict[str, Any]) -> list[str] | None:
        if self.label_names is not None:
            return None
        return getattr(features.get(self.mapping["label"]), "names", None)

    @property
    def _is_folder(self) -> bool:
        return Path(self.name).is_dir()

    def _resolved_revision(self) -> str:
        """The commit that the rows are read at, or the checksum of a local folder."""
        return self._folder_checksum() if self._is_folder else self._commit()

    def _commit(self) -> str:
        from huggingface_hub import HfApi

        api = HfApi(token=self._token())
        with self._translated():
            return str(retried(lambda: api.dataset_info(self.name, revision=self.revision)).sha)

    def _folder_checksum(self) -> str:
        root = Path(self.name)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        entries = [(entry.name, entry.sha256) for entry in (FileEntry.of(file, root) for file in files)]
        return hashlib.sha256(json.dumps(entries).encode()).hexdigest()

    def _token(self) -> str | None:
        if self.token_env is None:
            return None
        token = os.environ.get(self.token_env)
        if not token:
            raise InputError(
                f"environment variable {self.token_env} is not set; list the secret that holds it under `secrets:`, "
                "export it, or remove source.token_env"
            )
        return token

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from httpx2 import HTTPError
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

        what = " ".join(part for part in (self.name, self.config_name, self.revision) if part)
        try:
            yield
        except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError, FileNotFoundError, ValueError) as error:
            raise InputError(
                f"data set '{what}' cannot be read: {first_line(error)}; set source.name, config_name, splits, "
                "revision, or token_env for a private one"
            ) from error
        except (OSError, HTTPError) as error:
            raise EvergreenError(
                f"the Hugging Face Hub does not answer for data set '{what}': {first_line(error)}; try again later, "
                "or read a local copy"
            ) from error


def _named(table: pa.Table, column: str, names: list[str] | None) -> pa.Table:
    """The table with class numbers replaced by names; -1, the Hub's mark for no label, becomes null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if names is None:
        return table
    numbers = table[column]
    labels = pa.array(names, pa.string()).take(pc.if_else(pc.less(numbers, 0), None, numbers))
    return table.set_column(table.column_names.index(column), column, labels)
