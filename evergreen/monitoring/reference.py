"""What a version was evaluated on, as a request log would have noted it: what later requests are compared with.

reference/manifest.json   {"kind": "text_classification", "labels": ["business", "sport"], "engine": "onnx-fp32", …}
reference/rows.parquet    features, sketch, prediction, score, probabilities, embedding, label, example
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evergreen.core.artifacts import DirectoryArtifact, FileEntry, Manifest
from evergreen.requestlog.arrow import SCHEMA

ROWS_FILE = "rows.parquet"
MOST_ROWS = 5_000
OBSERVED = ("features", "sketch", "prediction", "score", "probabilities", "embedding")
REFERENCE_SCHEMA = pa.schema(
    [*(SCHEMA.field(name) for name in OBSERVED), pa.field("label", pa.string()), pa.field("example", pa.string())]
)
"""`label` is the true one, `example` the beginning of a text; null where there is none."""


class ReferenceManifest(Manifest):
    """Observations of `rows` rows by `version`, a model of the task `kind`, computed by `engine`.

    `labels` are the order of `probabilities`; empty for a task without classes.
    """

    kind: str
    labels: tuple[str, ...]
    engine: str
    rows: int
    version: str


class Reference(DirectoryArtifact[ReferenceManifest]):
    """Observations of a version's validation and test rows, at most MOST_ROWS of them."""

    manifest_type = ReferenceManifest

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, as REFERENCE_SCHEMA has them."""
        with pq.ParquetFile(self.path / ROWS_FILE, pre_buffer=False) as file:
            yield from file.iter_batches(columns=None if columns is None else list(columns), use_threads=False)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The same as one table: they are few."""
        kept = REFERENCE_SCHEMA if columns is None else pa.schema([REFERENCE_SCHEMA.field(name) for name in columns])
        return pa.Table.from_batches(list(self.batches(kept.names)), kept)


def write_reference(path: Path, rows: Sequence[dict[str, Any]], **manifest: Any) -> Reference:
    """The reference of these rows, by column name, at `path`; `manifest` are the other fields of its manifest."""
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in REFERENCE_SCHEMA]
    pq.write_table(pa.Table.from_arrays(columns, schema=REFERENCE_SCHEMA), path / ROWS_FILE, compression="zstd")
    files = (FileEntry.of(path / ROWS_FILE, path),)
    return Reference.write(path, ReferenceManifest(files=files, rows=len(rows), **manifest))
