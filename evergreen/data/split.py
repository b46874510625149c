"""Train, validation and test by the content of each row, so that new rows move no old ones.

A row's split is decided by a hash of seed and text (case and spacing aside): the order of files does not matter and
equal texts share a split by construction. Of equal texts one is kept; of similar texts in different splits the one in
the less protected split is left out (test loses none, validation those like test, train those like either).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, model_validator

from evergreen.core.artifacts import Dataset, SplitName, Splits, SplitsManifest
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.data.database import open_database, read_parquet
from evergreen.data.near_duplicates import Bands, band_hashes, find_straddling, word_pairs
from evergreen.data.shards import ShardWriter, iter_batches, regroup

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

CODES = (SplitName.TEST, SplitName.VALIDATION, SplitName.TRAIN)
"""Splits by code, the most protected first."""
EXACT, NEAR = "exact_duplicate", "near_duplicate"
_REMOVED = {EXACT: 3, NEAR: 4}

Keys = np.ndarray[Any, np.dtype[np.uint64]]
Assignment = np.ndarray[Any, np.dtype[np.uint8]]


class SplitPlan(Frozen):
    """How rows are shared out.

    `near_duplicate_similarity` is the share of common word pairs from which two texts count as the same; None: only
    equal texts do.
    """

    seed: int = 0
    train: float = Field(0.8, gt=0, lt=1)
    validation: float = Field(0.1, gt=0, lt=1)
    test: float = Field(0.1, gt=0, lt=1)
    near_duplicate_similarity: float | None = Field(0.8, gt=0, le=1)

    @model_validator(mode="after")
    def _fractions_sum_to_one(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(
                f"train {self.train:g} + validation {self.validation:g} + test {self.test:g} = {total:g}; "
                "they must sum to 1"
            )
        return self


def split(dataset: Dataset, plan: SplitPlan, out_dir: Path, key: str = "text") -> Splits:
    """The dataset's rows below `train/`, `validation/` and `test/` of `out_dir`; `key` is the column that decides.

    Memory grows by one byte a row.

    Raises:
        InputError: a split without rows, or a class without training rows.
    """
    with TemporaryDirectory(prefix="evergreen-split-") as scratch, open_database() as connection:
        signatures = Path(scratch) / "signatures.parquet"
        assignment = _assign(dataset, plan, key, signatures)
        connection.execute(f"CREATE VIEW signatures AS SELECT * FROM {read_parquet([signatures])}")  # noqa: S608 - own path
        if plan.near_duplicate_similarity is not None:
            assignment[find_straddling(connection, signatures, plan.near_duplicate_similarity)] = _REMOVED[NEAR]
        assignment[_repeated(connection)] = _REMOVED[EXACT]
    return _write(dataset, plan, out_dir, assignment)


def normalise(texts: pa.Array) -> pa.Array:
    """Lower case, every run of white space one space; null is empty."""
    import pyarrow.compute as pc

    words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(pc.utf8_lower(pc.fill_null(texts, ""))))
    return pc.binary_join(words, " ")


def content_keys(texts: pa.Array, seed: int) -> Keys:
    """Hashes of seed and normalised text, uniform over 64 bits: (rows,) uint64."""
    salt = hashlib.blake2b(str(seed).encode(), digest_size=16).digest()
    digests = (hashlib.blake2b(text.encode(), digest_size=8, salt=salt).digest() for text in texts.to_pylist())
    return np.frombuffer(b"".join(digests), dtype="<u8")


def split_codes(keys: Keys, plan: SplitPlan) -> Assignment:
    """Index into CODES of each key: (rows,) uint8."""
    return np.searchsorted([plan.test, plan.test + plan.validation], keys / 2.0**64, side="right").astype(np.uint8)


def _assign(dataset: Dataset, plan: SplitPlan, key: str, signatures: Path) -> Assignment:
    """Codes by row; what finding duplicates needs is written to `signatures`."""
    import pyarrow.parquet as pq

    parts = []
    tables = _signatures(dataset, plan, key)
    first = next(tables)
    with pq.ParquetWriter(signatures, first.schema, compression="lz4", use_dictionary=False) as writer:
        for table in chain([first], tables):
            parts.append(table["split"].to_numpy())
            writer.write_table(table)
    return np.concatenate(parts)


def _signatures(dataset: Dataset, plan: SplitPlan, column: str) -> Iterator[pa.Table]:
    """Row number, id, content key, split code and, for near duplicates, word pairs and band hashes."""
    import pyarrow as pa

    similarity = plan.near_duplicate_similarity
    first = 0
    for batch in iter_batches(dataset.shards, columns=[*{"id", column}]):
        texts = normalise(batch[column].cast(pa.string()))
        keys = content_keys(texts, plan.seed)
        rows = np.arange(first, first + len(keys), dtype=np.uint32)
        columns: dict[str, Any] = {"row": rows, "id": batch["id"], "key": keys, "split": split_codes(keys, plan)}
        if similarity is not None:
            bands = Bands.for_similarity(similarity)
            columns["pairs"] = word_pairs(texts)
            columns |= dict(zip(bands.columns, band_hashes(columns["pairs"], bands), strict=True))
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
    manifest = SplitsManifest(
        files=tuple(entry for writer in writers.values() for entry in writer.entries),
        dataset=dataset.manifest.content_hash,
        seed=plan.seed,
        rows={name: writer.rows for name, writer in writers.items()},
        labels={name: dict(sorted(counts.items())) for name, counts in labels.items()},
        removed={reason: int((assignment == code).sum()) for reason, code in _REMOVED.items()},
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
    absent = sorted(everywhere - set(manifest.labels[SplitName.TRAIN]))
    if absent:
        raise InputError(
            f"no training rows of class {', '.join(absent)} ({rows}); add rows of it, take a larger train fraction "
            "or another seed"
        )
