"""Rows of a log or a reference as arrays, a missing number as NaN: what statistics are computed from.

observed = Observed.of(reference.table())  →  observed.features["tokens"]: (rows,), observed.sketches: (rows, 256)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Observed:
    """`features` has (rows,) numbers by name; `sketches`, `probabilities` and `embeddings` are (rows, width), width 0
    where no row has any. `predictions` are texts or None. Rows of one request share its number in `requests`; `times`
    are microseconds since the epoch, zeros in a reference.
    """

    features: dict[str, Floats]
    sketches: Floats
    predictions: npt.NDArray[np.object_]
    scores: Floats
    probabilities: Floats
    embeddings: Floats
    requests: Integers
    times: Integers

    def __len__(self) -> int:
        """Rows."""
        return len(self.scores)

    @classmethod
    def of(cls, table: pa.Table) -> Observed:
        """The rows of a table in the columns of a log or of a reference, where each is a request of its own."""
        rows = table.num_rows
        logged = "trace_id" in table.column_names
        traces = pc.dictionary_encode(_whole(table, "trace_id")).indices if logged else np.arange(rows)
        times = _whole(table, "time").cast(pa.int64()) if logged else np.zeros(rows, dtype=np.int64)
        return cls(
            features=_features(_whole(table, "features"), rows),
            sketches=_matrix(_whole(table, "sketch")),
            predictions=np.asarray(_whole(table, "prediction").to_pylist(), dtype=object),
            scores=_numbers(_whole(table, "score")),
            probabilities=_matrix(_whole(table, "probabilities")),
            embeddings=_matrix(_whole(table, "embedding")),
            requests=np.asarray(traces, dtype=np.int64),
            times=np.asarray(times, dtype=np.int64),
        )


def _whole(table: pa.Table, name: str) -> Any:
    """A column in one piece."""
    column = table.column(name)
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _numbers(column: Any) -> Floats:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _features(column: Any, rows: int) -> dict[str, Floats]:
    """The maps by name."""
    entries = pc.list_flatten(column.cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.float64())]))))
    lengths = column.cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.float64())])))
    of_row = np.asarray(pc.list_parent_indices(lengths), dtype=np.int64)
    names = pc.dictionary_encode(entries.field("key"))
    values, codes = _numbers(entries.field("value")), np.asarray(names.indices, dtype=np.int64)
    features = {}
    for code, name in enumerate(names.dictionary.to_pylist()):
        mine = codes == code
        features[name] = np.full(rows, np.nan)
        features[name][of_row[mine]] = values[mine]
    return features


def _matrix(column: Any) -> Floats:
    """(rows, width) of the width that most rows have; NaN in rows of another one."""
    widths = np.asarray(pc.fill_null(pc.list_value_length(column), 0), dtype=np.int64)
    filled = widths[widths > 0]
    width = int(np.bincount(filled).argmax()) if filled.size else 0
    matrix = np.full((len(widths), width), np.nan)
    mine = widths == width
    if width and mine.any():
        matrix[mine] = _numbers(pc.list_flatten(column.filter(pa.array(mine)))).reshape(-1, width)
    return matrix
