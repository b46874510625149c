"""The pixels of each class in every mask of a dataset, counted once, by who examines them, for all that follows.

{"classes": [0, 1, 255], "pixels": [11_204, 5_102, 78]}
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import ClassCounts, ClassCountsManifest
from evergreen.data.duplicates.keys import Codes
from evergreen.data.shards import GROUP_ROWS, ShardWriter, iter_batches

if TYPE_CHECKING:
    import pyarrow as pa

INDICES = 256
Counts = npt.NDArray[np.int64]


class ClassCountsWriter:
    """Writes the counts of a dataset's masks below `out_dir` as they come; `add` takes (rows, 256) of the next rows."""

    def __init__(self, out_dir: Path) -> None:
        self._out_dir, self._writer = out_dir, ShardWriter(out_dir)
        self._pending: list[pa.RecordBatch] = []

    def add(self, counts: Counts) -> None:
        """Keeps the pixels by class index of some rows; a row without a mask that can be used has none."""
        self._pending.append(_batch(counts))
        if sum(batch.num_rows for batch in self._pending) >= GROUP_ROWS:
            self._write()

    def close(self) -> ClassCounts:
        """The counts; without rows where nobody added any."""
        self._write()
        self._writer.close()
        manifest = ClassCountsManifest(files=tuple(self._writer.entries), rows=self._writer.rows)
        return ClassCounts.write(self._out_dir, manifest)

    def _write(self) -> None:
        import pyarrow as pa

        if self._pending:
            self._writer.write(pa.Table.from_batches(self._pending).combine_chunks())
            self._pending = []


def by_code(counts: ClassCounts, codes: Codes, code: int) -> tuple[dict[str, int], dict[str, int]]:
    """Of the rows with one code, those in which each class index occurs, and its pixels; `codes` are (rows,)."""
    rows, pixels = np.zeros(INDICES, dtype=np.int64), np.zeros(INDICES, dtype=np.int64)
    for classes, counted in _chosen(counts, codes == code):
        rows += np.bincount(classes, minlength=INDICES)
        np.add.at(pixels, classes, counted)
    present = np.flatnonzero(rows).tolist()
    return {str(index): int(rows[index]) for index in present}, {str(index): int(pixels[index]) for index in present}


def _batch(counts: Counts) -> pa.RecordBatch:
    import pyarrow as pa

    row, index = np.nonzero(counts)
    offsets = np.searchsorted(row, np.arange(len(counts) + 1)).astype(np.int32)
    columns = {
        "classes": pa.ListArray.from_arrays(offsets, pa.array(index.astype(np.uint8))),
        "pixels": pa.ListArray.from_arrays(offsets, pa.array(counts[row, index])),
    }
    return pa.RecordBatch.from_pydict(columns)


def _chosen(counts: ClassCounts, chosen: npt.NDArray[np.bool_]) -> Iterator[tuple[npt.NDArray[np.uint8], Counts]]:
    """Class indices, and pixels of each, of all chosen rows of a batch."""
    import pyarrow as pa

    first = 0
    for batch in iter_batches(counts.shards):
        kept = batch.filter(pa.array(chosen[first : first + batch.num_rows]))
        yield kept["classes"].flatten().to_numpy(), kept["pixels"].flatten().to_numpy()
        first += batch.num_rows
