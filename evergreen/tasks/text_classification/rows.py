"""The test split, streamed; numbers are kept of its rows, texts are not.

Memory grows by some tens of bytes a row, whatever the texts weigh.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from evergreen.core.artifacts import SplitName, Splits
from evergreen.core.errors import InputError
from evergreen.core.quoting import excerpt
from evergreen.tasks.slices import ColumnValues, Numbers, require_columns

BATCH_ROWS = 512


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
            require_columns(tuple(columns), file.schema_arrow.names)
            for record in file.iter_batches(BATCH_ROWS, columns=["id", "text", "label", *columns]):
                yield _batch(record.to_pydict(), numbers)


def _batch(values: dict[str, list[Any]], numbers: dict[str, int]) -> Batch:
    ids, texts, labels = values.pop("id"), values.pop("text"), values.pop("label")
    unknown = [row for row, label in enumerate(labels) if label not in numbers]
    if unknown:
        raise InputError(
            f"test row {ids[unknown[0]]} has label {excerpt(labels[unknown[0]])}, which the task lacks "
            f"(has: {', '.join(numbers)}); set task.labels"
        )
    truth = np.array([numbers[label] for label in labels], dtype=np.int64)
    return Batch(ids=ids, texts=texts, truth=truth, columns=values)


class RowFacts:
    """What is kept of every test row: class number, characters, and the value of each slice column as a number."""

    def __init__(self, max_values: int) -> None:
        self._columns = ColumnValues(max_values)
        self._truth: list[Numbers] = []
        self._lengths: list[Numbers] = []

    def add(self, batch: Batch) -> None:
        """Keeps the batch's numbers.

        Raises:
            InputError: a slice column has more values than a person could look at.
        """
        self._truth.append(batch.truth)
        self._lengths.append(np.array([len(text) for text in batch.texts], dtype=np.int64))
        self._columns.add(batch.columns)

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
        return self._columns.numbers

    @property
    def names(self) -> dict[str, list[str]]:
        """The values of each column, by number."""
        return self._columns.names


def _joined(parts: list[Numbers]) -> Numbers:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
