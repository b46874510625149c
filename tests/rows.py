"""Datasets made of a few rows, for tests."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evergreen.core.artifacts import REPLAYED, Dataset, FileEntry, SourceIdentity, SplitName, Splits
from evergreen.data.dataset import write_dataset

SOURCE = SourceIdentity(kind="test", fingerprint="0", description="rows of a test")
SCHEMA = pa.schema({"id": pa.string(), "text": pa.string(), "label": pa.string()})

Row = tuple[str | None, str | None, str | None]


def dataset_of(rows: Sequence[Row], path: Path) -> Dataset:
    """A dataset of (id, text, label) rows at `path`."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    return write_dataset(
        [pa.RecordBatch.from_arrays([pa.array(c, pa.string()) for c in columns], schema=SCHEMA)], path, SOURCE
    )


def rows_of(shards: Sequence[Path]) -> list[dict[str, Any]]:
    """All rows of the shards."""
    return [row for shard in shards for row in pq.read_table(shard).to_pylist()]


def with_replayed(splits: Splits, path: Path) -> Splits:
    """The splits, of whose test rows every third was read once more."""
    shutil.copytree(splits.path, path)
    rows = 0
    for shard in Splits(path, splits.manifest).shards(SplitName.TEST):
        table = pq.read_table(shard)
        marks = pa.array([(rows + number) % 3 == 0 for number in range(table.num_rows)])
        pq.write_table(table.append_column(REPLAYED, marks), shard)
        rows += table.num_rows
    files = tuple(FileEntry.of(file, path) for file in sorted(path.rglob("*.parquet")))
    counts = {SplitName.TRAIN: 0, SplitName.VALIDATION: 0, SplitName.TEST: len(range(0, rows, 3))}
    return Splits.write(path, splits.manifest.model_copy(update={"files": files, "replayed": counts}))
