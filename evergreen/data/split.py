"""Train, validation and test by the content of each row, so that new rows move no old ones.

A row's split is decided by a hash of seed and text (case and spacing aside) or pixels: the order of files does not
matter and equal rows share a split by construction. Of equal rows one is kept; of similar texts in different splits the
one in the less protected split is left out (test loses none, validation those like test, train those like either).

Where the rows have a column `split`, it decides instead; a split that no row is given to is drawn from those given to
train. Of equal rows the one in the most protected split is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, model_validator

from evergreen.core.artifacts import Dataset, RecordedSplitPlan, SplitName, Splits, SplitsManifest
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.data.content import Keys
from evergreen.data.database import open_database, read_parquet
from evergreen.data.given_splits import splits_given
from evergreen.data.near_duplicates import find_straddling
from evergreen.data.pictures import class_rows
from evergreen.data.shards import ShardWriter, iter_batches, regroup
from evergreen.data.signatures import has_pictures, signatures

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

CODES = (SplitName.TEST, SplitName.VALIDATION, SplitName.TRAIN)
"""Splits by code, the most protected first."""
EXACT, NEAR, SET_ASIDE = "exact_duplicate", "near_duplicate", "set_aside"
_REMOVED = {EXACT: 3, NEAR: 4, SET_ASIDE: 5}

Assignment = np.ndarray[Any, np.dtype[np.uint8]]


class SplitPlan(Frozen):
    """How rows are shared out.

    `near_duplicate_similarity` is the share of common word pairs from which two texts count as the same (below one half
    it would tell nothing of copies); None: only equal texts do. Of pictures only equal ones do, whatever it is.
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


def split(dataset: Dataset, plan: SplitPlan, out_dir: Path, set_aside: Collection[str] = ()) -> Splits:
    """The dataset's rows below `train/`, `validation/` and `test/` of `out_dir`, but for the ids that were `set_aside`.

    Memory grows by one byte a row.

    Raises:
        InputError: a split without rows, or a class without training or test rows.
    """
    with TemporaryDirectory(prefix="evergreen-split-") as scratch, open_database() as connection:
        path = Path(scratch) / "signatures.parquet"
        similarity = None if has_pictures(dataset) else plan.near_duplicate_similarity
        given = splits_given(dataset)
        assignment = _assign(_signatures(dataset, plan, given, set_aside), path)
        connection.execute(f"CREATE VIEW signatures AS SELECT * FROM {read_parquet([path])}")  # noqa: S608 - own path
        assignment[_repeated(connection)] = _REMOVED[EXACT]
        if similarity is not None:
            assignment[find_straddling(connection, path, assignment, similarity)] = _REMOVED[NEAR]
    return _write(dataset, plan, given, out_dir, assignment)


def split_codes(keys: Keys, plan: SplitPlan) -> Assignment:
    """Index into CODES of each key: (rows,) uint8."""
    return np.searchsorted([plan.test, plan.test + plan.validation], keys / 2.0**64, side="right").astype(np.uint8)


def codes_beside(given: Assignment, keys: Keys, plan: SplitPlan, present: Sequence[str]) -> Assignment:
    """The given codes, but for rows of train that are drawn for splits which are not `present`: (rows,) uint8.

    A split is drawn with the fraction that the plan has for it beside train.
    """
    absent = [name for name in CODES if name not in present]
    shares = np.array([getattr(plan, name) for name in absent])
    bounds = np.cumsum(shares) / (shares.sum() + plan.train)
    drawn = np.array([CODES.index(name) for name in (*absent, SplitName.TRAIN)], dtype=np.uint8)
    place = np.searchsorted(bounds, keys / 2.0**64, side="right")
    return np.where(given == CODES.index(SplitName.TRAIN), drawn[place], given).astype(np.uint8)


def _assign(tables: Iterator[pa.Table], path: Path) -> Assignment:
    """Codes by row; what finding duplicates needs is written to `path`."""
    import pyarrow.parquet as pq

    parts = []
    first = next(tables)
    with pq.ParquetWriter(path, first.schema, compression="lz4", use_dictionary=False) as writer:
        for table in chain([first], tables):
            parts.append(table["code"].to_numpy())
            writer.write_table(table)
    return np.concatenate(parts)


def _signatures(
    dataset: Dataset, plan: SplitPlan, given: Sequence[str], set_aside: Collection[str]
) -> Iterator[pa.Table]:
    """Row number, id, split, content key and, for near duplicates of texts, word pairs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first = 0
    left_out = pa.array(list(set_aside), pa.string())
    for batch, found in signatures(dataset, plan.seed, with_pairs=plan.near_duplicate_similarity is not None):
        rows = np.arange(first, first + batch.num_rows, dtype=np.uint32)
        codes = split_codes(found["key"], plan)
        if given:
            told = pc.index_in(batch["split"], pa.array(CODES)).to_numpy().astype(np.uint8)
            codes = codes_beside(told, found["key"], plan, given)
        codes[pc.is_in(batch["id"], left_out).to_numpy(zero_copy_only=False)] = _REMOVED[SET_ASIDE]
        yield pa.table({"row": rows, "id": batch["id"], "code": codes, **found})
        first += batch.num_rows


def _repeated(connection: duckdb.DuckDBPyConnection) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """Row numbers of equal rows, all but one: the one in the most protected split, there the one with the smallest id
    (the shorter id is the smaller).

    Ids and not positions decide, so that the order of the files does not.
    """
    found = connection.execute(
        """
        WITH kept AS (SELECT * FROM signatures WHERE code < ?),
        repeated AS (SELECT key FROM kept GROUP BY key HAVING count(*) > 1)
        SELECT row FROM kept WHERE key IN (SELECT key FROM repeated)
        QUALIFY row_number() OVER (PARTITION BY key ORDER BY code, length(id), id, row) > 1
    """,
        [len(CODES)],
    ).fetchnumpy()["row"]
    return np.asarray(found, dtype=np.uint32)


def _write(dataset: Dataset, plan: SplitPlan, given: tuple[str, ...], out_dir: Path, assignment: Assignment) -> Splits:
    pictures = has_pictures(dataset)
    in_order = _by_number if pictures else None
    labels: dict[str, Counter[str]] = {name: Counter() for name in SplitName.ALL}
    writers = {name: ShardWriter(out_dir, name) for name in SplitName.ALL}
    for name, writer in writers.items():
        for table in regroup(_rows_of(dataset, assignment == CODES.index(name))):
            labels[name].update(_label_counts(table))
            writer.write(table)
        writer.close()
    looked_for = [EXACT] if pictures or plan.near_duplicate_similarity is None else [EXACT, NEAR]
    looked_for += [SET_ASIDE] if (assignment == _REMOVED[SET_ASIDE]).any() else []
    manifest = SplitsManifest(
        files=tuple(entry for writer in writers.values() for entry in writer.entries),
        dataset=dataset.manifest.content_hash,
        seed=plan.seed,
        rows={name: writer.rows for name, writer in writers.items()},
        labels={name: dict(sorted(counts.items(), key=in_order)) for name, counts in labels.items()},
        removed={reason: int((assignment == _REMOVED[reason]).sum()) for reason in looked_for},
        plan=RecordedSplitPlan(**plan.model_dump(), given=given),
    )
    _check_rows(manifest)
    if not pictures:  # every text has one label; a class of pictures may be too rare to be in every split
        _check_labels(manifest)
    return Splits.write(out_dir, manifest)


def _rows_of(dataset: Dataset, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    first = 0
    for batch in iter_batches(dataset.shards):
        yield batch.filter(pa.array(chosen[first : first + batch.num_rows]))
        first += batch.num_rows


def _by_number(counted: tuple[str, int]) -> int:
    return int(counted[0])


def _label_counts(table: pa.Table) -> dict[str, int]:
    if "mask" in table.column_names:
        return class_rows(table["mask"])
    if "label" not in table.column_names:
        return {}
    return {one["values"]: one["counts"] for one in table["label"].value_counts().to_pylist()}


def _listed(manifest: SplitsManifest) -> str:
    counts = manifest.rows | {f"removed as {reason}": count for reason, count in manifest.removed.items() if count}
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _check_rows(manifest: SplitsManifest) -> None:
    for name, count in manifest.rows.items():
        if not count:
            raise InputError(
                f"split '{name}' has no rows ({_listed(manifest)}); "
                "give it a larger fraction, more rows or another seed"
            )


def _check_labels(manifest: SplitsManifest) -> None:
    everywhere = set().union(*manifest.labels.values())
    for name, purpose in (SplitName.TRAIN, "training"), (SplitName.TEST, "test"):
        if absent := sorted(everywhere - set(manifest.labels[name])):
            raise InputError(
                f"no {purpose} rows of class {', '.join(absent)} ({_listed(manifest)}); "
                f"add rows of it, take a larger {name} fraction or another seed"
            )
