"""What every worker needs to know, and the parts of the raw data, whoever works on them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from evergreen.adapters.kinds import AnySource
from evergreen.core.errors import InputError
from evergreen.core.intake import IntakeCount, LeftOut
from evergreen.core.members import SourceSettings, TaskSettings, source_of
from evergreen.core.preparation import Raw, RawPart
from evergreen.data.shards import iter_batches
from evergreen.preparation.settings import Preparation

if TYPE_CHECKING:
    import pyarrow as pa

STAGING = "_preparing-"
"""How the name of the folder begins in which a preparation writes; sources do not see it."""
_KEY_CHARS = 16


class Part(NamedTuple):
    """Some of the raw rows; `fingerprint` is that of their content when the preparation began."""

    number: int
    fingerprint: str
    raw: RawPart


@dataclass(frozen=True)
class Plan:
    """One preparation: `columns` names the written columns by canonical name, `folder` is where the source reads;
    `code` is a fingerprint of the code that makes rows ready.
    """

    preparation: Preparation
    task: TaskSettings
    columns: Mapping[str, str]
    folder: str
    code: str = ""

    @property
    def rules(self) -> str:
        """Tells what becomes of rows, whichever they are."""
        how = self.preparation.model_dump(mode="json", exclude={"origin", "runner", "max_bad_share"})
        fields = self.task.prepares
        task = self.task.model_dump(mode="json", include=None if fields is None else set(fields))
        return _hashed(how, task, dict(self.columns), self.code)

    @property
    def key(self) -> str:
        """Tells this preparation from others, of this folder and of others."""
        return _hashed(self.rules, self.folder, self.preparation.origin.model_dump(mode="json"))

    @property
    def staging(self) -> str:
        """Where the workers write, beside what is read meanwhile."""
        return f"{self.folder}/{STAGING}{self.key}"

    @property
    def compares(self) -> bool:
        """Whether rows of one part decide which rows of another stay."""
        return self.preparation.deduplicate or self.preparation.near_duplicates is not None

    def shards_of(self, part: Part, dropped: Collection[int] = ()) -> str:
        """Names what is written of a part: equal rows and rules, the places of the rows left out included."""
        return _hashed(self.rules, part.fingerprint, sorted(dropped))

    def whole(self, parts: Iterable[Part]) -> str:
        """Tells all rows that are prepared of these parts."""
        return _hashed(self.rules, sorted(part.fingerprint for part in parts))

    def raw(self) -> Raw:
        """The origin as it is now. Raises InputError where there is nothing."""
        source = source_of(self.preparation.origin)
        raw = source.raw()
        if raw is not None:
            return raw
        identity = source.identity(None)
        return Raw(identity.description, (_Whole(self.preparation.origin),), (identity.fingerprint,))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Errors of the origin within the block, which name fields of `source`, name those of `prepare.origin`."""
        try:
            yield
        except InputError as error:
            fields = "|".join(type(self.preparation.origin).model_fields)
            words = re.sub(rf"\bsource\.(?=({fields})\b)", "prepare.origin.", str(error))
            raise InputError(words) from error


def parts_of(raw: Raw) -> list[Part]:
    """The parts as they were listed; nothing is read."""
    listed = zip(raw.fingerprints, raw.parts, strict=True)
    return [Part(number, fingerprint, part) for number, (fingerprint, part) in enumerate(listed)]


@dataclass(frozen=True)
class _Whole:
    """All rows of a source that has no parts."""

    origin: SourceSettings

    def fingerprint(self) -> str:
        return source_of(self.origin).identity(None).fingerprint

    def rows(self, count: IntakeCount) -> Iterator[pa.RecordBatch]:
        with TemporaryDirectory(prefix="evergreen-origin-") as folder:
            dataset = source_of(self.origin).read(None, Path(folder))
            yield from iter_batches(dataset.shards)
        if intake := dataset.manifest.intake:
            count.add(LeftOut(counts=intake.left_out, examples=intake.examples))


def _hashed(*content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_KEY_CHARS]


def plan_of(preparation: Preparation, task: TaskSettings, source: AnySource, code: str = "") -> Plan:
    """The plan of a preparation for a configuration's task and source.

    Raises:
        InputError: the source reads no folder of Parquet files, or columns that the origin does not give.
    """
    folder = source_of(source).prepared_folder()
    given = preparation.origin.canonical_names
    if missing := [name for name in source.mapping if name not in given]:
        raise InputError(
            f"source.columns reads {', '.join(missing)}, which prepare.origin does not give "
            f"(given: {', '.join(sorted(given))}); map them in prepare.origin.columns"
        )
    columns = {"id": source.mapping.get("id", "id")} | source.mapping
    return Plan(preparation, task, columns, folder, code)
