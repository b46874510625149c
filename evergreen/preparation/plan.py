"""What every worker is told, and the parts into which the origin's files are cut, whoever works on them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from evergreen.adapters.files.find import Listing
from evergreen.adapters.files.pictures import PictureFolders
from evergreen.adapters.files.source import FilesSource
from evergreen.adapters.kinds import AnySource
from evergreen.core.errors import InputError
from evergreen.core.members import TaskSettings, source_of
from evergreen.preparation.settings import Preparation

if TYPE_CHECKING:
    import pyarrow as pa

FILES_PER_PART = 200
"""Of formats where a file is a row; of others each file is a part."""
STAGING = "_preparing-"
"""How the name of the folder begins in which a preparation writes; sources do not see it."""


class Part(NamedTuple):
    """Some of the origin's files; its number names what is written of it."""

    number: int
    listing: Listing | PictureFolders


@dataclass(frozen=True)
class Plan:
    """One preparation: `columns` names the written columns by canonical name, `folder` is where the source reads."""

    preparation: Preparation
    task: TaskSettings
    columns: Mapping[str, str]
    folder: str

    @property
    def key(self) -> str:
        """Tells this preparation from others that write to the same folder."""
        identity = [self.preparation.model_dump_json(exclude={"runner"}), self.task.kind, dict(self.columns)]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def staging(self) -> str:
        """Where the workers write, beside what is read meanwhile."""
        return f"{self.folder}/{STAGING}{self.key}"

    def listing(self) -> Listing | PictureFolders:
        """The origin's files. Raises InputError where there is none."""
        return FilesSource(self.preparation.origin).listing()

    def parts(self, whole: Listing | PictureFolders | None = None) -> list[Part]:
        """The origin's files (None: those that are there now) in parts. Raises InputError where there is none."""
        listing = self.listing() if whole is None else whole
        size = 1 if listing.rows is None else FILES_PER_PART
        cut: Iterable[Listing | PictureFolders] = listing.parts(size)
        return [Part(number, files) for number, files in enumerate(cut)]

    def rows(self, part: Part) -> Iterator[pa.RecordBatch]:
        """The rows of a part with canonical columns. Raises InputError naming file and row that cannot be read."""
        return FilesSource(self.preparation.origin).rows(part.listing)


def plan_of(preparation: Preparation, task: TaskSettings, source: AnySource) -> Plan:
    """The plan of a preparation for a configuration's task and source.

    Raises:
        InputError: the source reads no folder of Parquet files, or columns that the origin does not give.
    """
    folder = source_of(source).prepared_folder()
    given = preparation.origin.canonical_names
    if missing := [name for name in source.mapping if name not in given]:
        raise InputError(
            f"source.columns reads {', '.join(missing)}, which extra.prepare.origin does not give "
            f"(given: {', '.join(sorted(given))}); map them in extra.prepare.origin.columns"
        )
    columns = {"id": source.mapping.get("id", "id")} | source.mapping
    return Plan(preparation, task, columns, folder)
