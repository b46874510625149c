"""What becomes of rows before a source can read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from evergreen.core.base import Frozen
from evergreen.core.intake import NOTHING, Intake, IntakeCount, LeftOut

if TYPE_CHECKING:
    import pyarrow as pa


class RawPart(Protocol):
    """Some of the rows of raw data, for one worker: it travels there, and reads them."""

    def fingerprint(self) -> str:
        """Of all that decides the rows. Raises InputError where the content cannot be read."""

    def rows(self, count: IntakeCount) -> Iterator[pa.RecordBatch]:
        """The rows with canonical columns; `count` counts them and what is left out. Raises InputError naming what
        cannot be read.
        """


@dataclass(frozen=True)
class Raw:
    """Raw data in parts that are read one by one, the fingerprint of each as it was listed, for which no file is read
    twice, and what lies beside them unread.
    """

    description: str
    parts: Sequence[RawPart]
    fingerprints: Sequence[str]
    left_out: LeftOut = NOTHING


@dataclass(frozen=True)
class PreparedRows:
    """The good rows of a batch; of each other its id and why it is not.

    `counts` are what statistics add up, such as `{"label": {"Sports": 12}}` or `{"class pixels": {"pet": 81920}}`.
    """

    rows: pa.RecordBatch
    bad: Sequence[tuple[str, str]] = ()
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass
class Prepared:
    """A Parquet file of prepared rows, and what is in it; `in_window` counts the rows that a run would train on now."""

    path: Path
    columns: Mapping[str, str]
    rows: int = 0
    in_window: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None
    fingerprint: str = ""


class PreparationReport(Frozen):
    """What the rows of `folder` are made of, and which of the parts of `origin` were worked on this time: `written` of
    them gave new shards. `counts` are the sums over all rows that statistics tell.
    """

    origin: str
    folder: str
    runner: str
    parts: int
    written: int
    shards: int
    intake: Intake
    counts: dict[str, dict[str, int]] = {}

    @property
    def done(self) -> str:
        """`2 of 8 parts prepared (local)`."""
        if not self.written:
            return f"none of {self.parts:,} parts is new"
        return f"{self.written:,} of {self.parts:,} parts prepared ({self.runner})"


class Destination(Protocol):
    """Where prepared rows go: what the source of a configuration reads."""

    def store(self, prepared: Prepared, *, append: bool) -> str:
        """Replaces what was prepared there before, or with `append` adds to it; says what was done.

        Raises:
            InputError: what is there was not prepared, or cannot be written.
        """
