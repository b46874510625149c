"""The test split, streamed; numbers are kept of its rows, texts are not.

Memory grows by some tens of bytes a row, whatever the texts weigh.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import SplitName, Splits
from evergreen.core.errors import InputError

BATCH_ROWS = 512
NULL_VALUE = "(null)"

Numbers = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """Rows of the test split; `truth` holds class numbers, `columns` the values of the slice columns."""

    ids: list[str]
    texts: list[str]
    truth: Numbers
    columns: dict[str, list[Any]]


def read_test_rows(splits: Splits, labels: Sequence[str], columns: Sequence[str] = ()) -> Iterator[Batch]:
    """The test split in file order, a batch at a time.

    Raises:
        InputError: a slice column is missing, or a label is not one of `labels`.
    """
    import pyarrow.parquet as pq

    numbers = {label: number for number, label in enumerate(labels)}
    for shard in splits.shards(SplitName.TEST):
        with pq.ParquetFile(shard) as file:
            present = file.schema_arrow.names
            missing = [column for column in columns if column not in present]
            if missing:
                raise InputError(
                    f"slice column {missing[0]!r} missing from the test split (has: {', '.join(present)}); "
                    f"set task.slices.columns, or map the column in source.columns"
                )
            for record in file.iter_batches(BATCH_ROWS, columns=["id", "text", "label", *columns]):
                yield _batch(record.to_pydict(), numbers)


def _batch(values: dict[str, list[Any]], numbers: dict[str, int]) -> Batch:
    ids, texts, labels = values.pop("id"), values.pop("text"), values.pop("label")
    unknown = [row for row, label in enumerate(labels) if label not in numbers]
    if unknown:
        raise InputError(
            f"test row {ids[unknown[0]]} has label {labels[unknown[0]]!r}, which the task lacks "
            f"(has: {', '.join(numbers)}); set task.labels"
        )
    truth = np.array([numbers[label] for label in labels], dtype=np.int64)
    return Batch(ids=ids, texts=texts, truth=truth, columns=values)


class RowFacts:
    """What is kept of every test row: class number, characters, and the value of each slice column as a number."""

    def __init__(self, max_values: int) -> None:
        self.names: dict[str, list[str]] = {}
        self._max_values = max_values
        self._known: dict[str, dict[str, int]] = {}
        self._truth: list[Numbers] = []
        self._lengths: list[Numbers] = []
        self._values: dict[str, list[Numbers]] = {}

    def add(self, batch: Batch) -> None:
        """Keeps the batch's numbers.

        Raises:
            InputError: a slice column has more values than a person could look at.
        """
        self._truth.append(batch.truth)
        self._lengths.append(np.array([len(text) for text in batch.texts], dtype=np.int64))
        for column, values in batch.columns.items():
            known = self._known.setdefault(column, {})
            numbers = [known.setdefault(NULL_VALUE if one is None else str(one), len(known)) for one in values]
            if len(known) > self._max_values:
                raise InputError(
                    f"slice column {column!r} has more than {self._max_values:,} different values; "
                    f"take columns with few values into task.slices.columns, or raise task.slices.max_values"
                )
            self._values.setdefault(column, []).append(np.array(numbers, dtype=np.int64))
            self.names[column] = list(known)

    @property
    def truth(self) -> Numbers:
        """(rows,) class numbers."""
        return _joined(self._truth)

    @property
    def lengths(self) -> Numbers:
        """(rows,) characters."""
        return _joined(self._lengths)

    @property
    def values(self) -> dict[str, Numbers]:
        """(rows,) by column; `names[column][number]` is the value."""
        return {column: _joined(parts) for column, parts in self._values.items()}


def _joined(parts: list[Numbers]) -> Numbers:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
