"""One row of each id, where rows tell when they arrived: the last, or one of those that arrived at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import Dataset
from evergreen.core.coverage import NO_TIME
from evergreen.core.intake import Intake, LeftOut, LeftOutReason
from evergreen.data.database import open_database, view_parquet
from evergreen.data.rows_digest import row_digests
from evergreen.data.shards import ShardWriter, iter_batches, regroup

if TYPE_CHECKING:
    import pyarrow as pa


def latest_rows(dataset: Dataset, out_dir: Path) -> Dataset:
    """The dataset with the row of each id that arrived last; the others are counted as left out.

    One without a known time of arrival counts as the first. Of those that arrived at once one is taken, by what they
    say, so that it is the same in whatever order they come. `out_dir` is written where there is something to leave out.
    """
    import pyarrow as pa

    if "arrived" not in dataset.manifest.columns:
        return dataset
    repeated = _repeated_ids(dataset)
    if not len(repeated):
        return dataset
    replaced = _replaced(dataset, repeated)
    left_out = LeftOut()

    def kept() -> Iterator[pa.RecordBatch]:
        nonlocal left_out
        for batch, first in _numbered(dataset):
            lost = replaced[first : first + batch.num_rows]
            names = batch.column("id").filter(pa.array(lost)).to_pylist()
            left_out += LeftOut.of((LeftOutReason.REPLACED, name) for name in names)
            yield batch.filter(pa.array(~lost))

    with ShardWriter(out_dir) as writer:
        for table in regroup(kept()):
            writer.write(table)
    before = dataset.manifest.intake or Intake(seen=dataset.manifest.rows, read=dataset.manifest.rows)
    left_out = LeftOut(counts=before.left_out, examples=before.examples) + left_out
    intake = Intake(seen=before.seen, read=writer.rows, left_out=left_out.counts, examples=left_out.examples)
    changed = {"files": tuple(writer.entries), "rows": writer.rows, "intake": intake}
    return Dataset.write(out_dir, dataset.manifest.model_copy(update=changed))


def _repeated_ids(dataset: Dataset) -> pa.Array:
    """The ids of more than one row; rows that have none are not alike."""
    with open_database() as connection:
        view_parquet(connection, "rows", dataset.shards)
        query = "SELECT id FROM rows WHERE NOT is_blank(id) GROUP BY id HAVING count(*) > 1"
        return connection.sql(query).to_arrow_table()["id"].combine_chunks()


def _replaced(dataset: Dataset, repeated: pa.Array) -> npt.NDArray[np.bool_]:
    """Which rows another one takes the place of: (rows,) bool."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows: list[tuple[str, int, bytes, int]] = []
    for batch, first in _numbered(dataset):
        alike = pc.is_in(batch.column("id"), value_set=repeated)
        some = batch.filter(alike)
        arrived = pc.fill_null(some.column("arrived").cast(pa.int64()), NO_TIME).to_pylist()
        places = np.flatnonzero(np.asarray(alike)) + first
        rows += zip(some.column("id").to_pylist(), arrived, row_digests(some), places.tolist(), strict=True)
    rows.sort()
    found = np.zeros(dataset.manifest.rows, dtype=np.bool_)
    found[[place for (name, *_, place), (later, *_) in pairwise(rows) if name == later]] = True
    return found


def _numbered(dataset: Dataset) -> Iterator[tuple[pa.RecordBatch, int]]:
    """The rows, and the number of the first of each batch."""
    first = 0
    for batch in iter_batches(dataset.shards):
        yield batch, first
        first += batch.num_rows
