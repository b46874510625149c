"""Train, validation and test by the content of each row, so that new rows move no old ones.

A row's split is decided by a hash of seed and text (case and spacing aside): the order of files does not matter and
equal texts share a split by construction. Of equal texts one is kept; of similar texts in different splits the one in
the less protected split is left out (test loses none, validation those like test, train those like either).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, model_validator

from evergreen.core.artifacts import Dataset, RecordedSplitPlan, SplitName, Splits, SplitsManifest
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.data.content import Keys, content_keys, normalise
from evergreen.data.database import open_database, read_parquet
from evergreen.data.near_duplicates import find_straddling
from evergreen.data.shards import ShardWriter, iter_batches, regroup
from evergreen.data.similarity import word_pairs

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

CODES = (SplitName.TEST, SplitName.VALIDATION, SplitName.TRAIN)
"""Splits by code, the most protected first."""
EXACT, NEAR = "exact_duplicate", "near_duplicate"
_REMOVED = {EXACT: 3, NEAR: 4}

Assignment = np.ndarray[Any, np.dtype[np.uint8]]


class SplitPlan(Frozen):
    """How rows are shared out.

    `near_duplicate_similarity` is the share of common word pairs from which two texts count as the same (below one half
    it would tell nothing of copies); None: only equal texts do.
    """

    seed: int = 0
    train: float = Field(0.8, gt=0, lt=1)
    validation: float = Field(0.1, gt=0, lt=1)
    test: float = Field(0.1, gt=0, lt=1)
    near_duplicate_similarity: float | None = Field(0.8, ge=0.5, le=1)

    @model_validator(mode="after")
    def _fractions_sum_to_one(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(
                f"train {self.train:g} + validation {self.validation:g} + test {self.test:g} = {total:g}; "
                "they must sum to 1"
            )
        return self


def split(dataset: Dataset, plan: SplitPlan, out_dir: Path) -> Splits:
    """The dataset's rows below `train/`, `validation/` and `test/` of `out_dir`.

    Memory grows by one byte a row.

    Raises:
        InputError: a split without rows, or a class without training or test rows.
    """
    with TemporaryDirectory(prefix="evergreen-split-") as scratch, open_database() as connection:
        signatures = Path(scratch) / "signatures.parquet"
        assignment = _assign(dataset, plan, signatures)
        connection.execute(f"CREATE VIEW signatures AS SELECT * FROM {read_parquet([signatures])}")  # noqa: S608 - own path
        assignment[_repeated(connection)] = _REMOVED[EXACT]
        if plan.near_duplicate_similarity is not None:
            found = find_straddling(connection, signatures, assignment, plan.near_duplicate_similarity)
            assignment[found] = _REMOVED[NEAR]
    return _write(dataset, plan, out_dir, assignment)


def split_codes(keys: Keys, plan: SplitPlan) -> Assignment:
    """Index into CODES of each key: (rows,) uint8."""
    return np.searchsorted([plan.test, plan.test + plan.validation], keys / 2.0**64, side="right").astype(np.uint8)


def _assign(dataset: Dataset, plan: SplitPlan, signatures: Path) -> Assignment:
    """Codes by row; what finding duplicates needs is written to `signatures`."""
    import pyarrow.parquet as pq

    parts = []
    tables = _signatures(dataset, plan)
    first = next(tables)
    with pq.ParquetWriter(signatures, first.schema, compression="lz4", use_dictionary=False) as writer:
        for table in chain([first], tables):
            parts.append(split_codes(table["key"].to_numpy(), plan))
            writer.write_table(table)
    return np.concatenate(parts)


def _signatures(dataset: Dataset, plan: SplitPlan) -> Iterator[pa.Table]:
    """Row number, id, content key and, for near duplicates, word pairs."""
    import pyarrow as pa

    first = 0
    for batch in iter_batches(dataset.shards, columns=["id", "text"]):
        texts = normalise(batch["text"])
        keys = content_keys(texts, plan.seed)
        rows = np.arange(first, first + len(keys), dtype=np.uint32)
        columns: dict[str, Any] = {"row": rows, "id": batch["id"], "key": keys}
        if plan.near_duplicate_similarity is not None:
            columns["pairs"] = word_pairs(texts)
        yield pa.table(columns)
        first += len(keys)


def _repeated(connection: duckdb.DuckDBPyConnection) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """Row numbers of equal texts, all but the one with the smallest id (the shorter id is the smaller).

    Ids and not positions decide, so that the order of the files does not.
    """
    found = connection.execute("""
        WITH repeated AS (SELECT key FROM signatures GROUP BY key HAVING count(*) > 1)
        SELECT row FROM signatures WHERE key IN (SELECT key FROM repeated)
        QUALIFY row_number() OVER (PARTITION BY key ORDER BY length(id), id, row) > 1
    """).fetchnumpy()["row"]
    return np.asarray(found, dtype=np.uint32)


def _write(dataset: Dataset, plan: SplitPlan, out_dir: Path, assignment: Assignment) -> Splits:
    labels: dict[str, Counter[str]] = {name: Counter() for name in SplitName.ALL}
    writers = {name: ShardWriter(out_dir, name) for name in SplitName.ALL}
    for name, writer in writers.items():
        for table in regroup(_rows_of(dataset, assignment == CODES.index(name))):
            labels[name].update(_label_counts(table))
            writer.write(table)
        writer.close()
    looked_for = [EXACT] if plan.near_duplicate_similarity is None else [EXACT, NEAR]
    manifest = SplitsManifest(
        files=tuple(entry for writer in writers.values() for entry in writer.entries),
        dataset=dataset.manifest.content_hash,
        seed=plan.seed,
        rows={name: writer.rows for name, writer in writers.items()},
        labels={name: dict(sorted(counts.items())) for name, counts in labels.items()},
        removed={reason: int((assignment == _REMOVED[reason]).sum()) for reason in looked_for},
        plan=RecordedSplitPlan(**plan.model_dump()),
    )
    _check(manifest)
    return Splits.write(out_dir, manifest)


def _rows_of(dataset: Dataset, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    first = 0
    for batch in iter_batches(dataset.shards):
        yield batch.filter(pa.array(chosen[first : first + batch.num_rows]))
        first += batch.num_rows


def _label_counts(table: pa.Table) -> dict[str, int]:
    if "label" not in table.column_names:
        return {}
    return {one["values"]: one["counts"] for one in table["label"].value_counts().to_pylist()}


def _check(manifest: SplitsManifest) -> None:
    counts = manifest.rows | {f"removed as {reason}": count for reason, count in manifest.removed.items() if count}
    rows = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    for name, count in manifest.rows.items():
        if not count:
            raise InputError(
                f"split '{name}' has no rows ({rows}); give it a larger fraction, more rows or another seed"
            )
    everywhere = set().union(*manifest.labels.values())
    for name, purpose in (SplitName.TRAIN, "training"), (SplitName.TEST, "test"):
        if absent := sorted(everywhere - set(manifest.labels[name])):
            raise InputError(
                f"no {purpose} rows of class {', '.join(absent)} ({rows}); add rows of it, take a larger {name} "
                "fraction or another seed"
            )
