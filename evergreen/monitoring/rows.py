"""The rows of a window that tell of one version, of all that a log has; each reading begins anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from evergreen.core.protocols import LoggedRows


@dataclass
class RowsOf:
    """Rows that `version` answered, and requests that it refused; what else is there is counted.

    `others` counts rows by the version that answered them, `engines` rows by what computed, `refused` are requests
    without an answer, `logs_inputs` whether a row holds what was asked; all of the last reading, once it is through.
    """

    logged: LoggedRows
    version: str
    others: dict[str, int] = field(default_factory=dict)
    engines: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    logs_inputs: bool = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches, as the log gives them."""
        self.others, self.engines, self.refused, self.logs_inputs = {}, {}, 0, False
        for batch in self.logged:
            _add(self.others, batch.filter(pc.not_equal(batch.column("version"), self.version)).column("version"))
            own = batch.filter(pc.equal(batch.column("version"), self.version))
            if own.num_rows:
                self._note(own)
                yield own

    @property
    def skipped(self) -> int:
        """Damaged lines and files of the last reading."""
        return self.logged.skipped

    def _note(self, own: pa.RecordBatch) -> None:
        answered = own.filter(pc.is_valid(own.column("index")))
        _add(self.engines, answered.column("engine"))
        counts = own.filter(pc.is_null(own.column("index"))).column("count")
        self.refused += pc.sum(counts).as_py() or 0
        self.logs_inputs = self.logs_inputs or own.column("input").null_count < own.num_rows


def _add(counts: dict[str, int], values: pa.Array) -> None:
    for counted in pc.value_counts(values).to_pylist():
        counts[counted["values"]] = counts.get(counted["values"], 0) + counted["counts"]
