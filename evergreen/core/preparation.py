"""What becomes of rows before a source can read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


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


class Destination(Protocol):
    """Where prepared rows go: what the source of a configuration reads."""

    def store(self, prepared: Prepared, *, append: bool) -> str:
        """Replaces what was prepared there before, or with `append` adds to it; says what was done.

        Raises:
            InputError: what is there was not prepared, or cannot be written.
        """
