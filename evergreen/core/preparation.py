"""What becomes of rows before a source can read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
