"""Datasets made of a few rows, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evergreen.core.artifacts import Dataset, SourceIdentity
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
