"""Train, validation and test by the content of each row, so that new rows move no old ones.

A row's split is decided by a hash of seed and text (case and spacing aside) or pixels: the order of files does not
matter and equal rows share a split by construction. Of equal rows one is kept; of similar texts, or pictures that look
alike, in different splits the one in the less protected split is left out (test loses none, validation those like test,
train those like either).

Where the rows have a column `group` (a camera, a video, a customer), it is hashed instead of the content: all rows of a
group are in one split. Where they have a column `split`, it decides instead; a split that no row is given to is drawn
from those given to train. Of equal rows the one in the most protected split is kept.

Where a version is gone on from, a row that equals one that it was tested on or selected by is in the split in which
that was held out, whatever the plan by now; where a column decides the split and would have it less protected, it is
left out. Rows that are nearly the same are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from evergreen.core.artifacts import ClassCounts, Dataset, HeldOut, Splits
from evergreen.data.class_counts import check_rows
from evergreen.data.contents import Content, content_of
from evergreen.data.database import open_database, view_parquet
from evergreen.data.duplicates.keys import Keys, Rows, content_keys
from evergreen.data.given import check_groups, splits_given
from evergreen.data.held_out import NEVER, SEED, EarlierSplits, find_like_held_out
from evergreen.data.shards import iter_batches
from evergreen.data.split_plan import CODES, Assignment, SplitPlan, codes_beside, split_codes
from evergreen.data.splits_writer import EXACT, LIKE_HELD_OUT, NEAR, REMOVED, SET_ASIDE, write_splits

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def split(
    dataset: Dataset,
    plan: SplitPlan,
    out_dir: Path,
    set_aside: Collection[str] = (),
    class_counts: ClassCounts | None = None,
    *,
    held_out: HeldOut | None = None,
) -> Splits:
    """The dataset's rows below `train/`, `validation/` and `test/` of `out_dir`, but for the ids that were `set_aside`,
    and for rows that are nearly what earlier versions held out.

    `class_counts` are those of the masks of pictures; memory grows by one byte a row, and nine for each held-out one.

    Raises:
        InputError: a split without rows, a class without training or test rows, a group in several given splits, or
            class counts of some rows alone.
    """
    if class_counts is not None:
        check_rows(class_counts, dataset.manifest.rows, "the task that examined the rows")
    given = splits_given(dataset)
    assignment = share_out(dataset, plan, given, set_aside, held_out)
    return write_splits(dataset, plan, given, out_dir, assignment, class_counts=class_counts)


def share_out(
    dataset: Dataset,
    plan: SplitPlan,
    given: Sequence[str] = (),
    set_aside: Collection[str] = (),
    held_out: HeldOut | None = None,
) -> Assignment:
    """The code of each row: its split among CODES, or why it is in none, among REMOVED. Raises as `split`."""
    with TemporaryDirectory(prefix="evergreen-split-") as scratch, open_database() as connection:
        path = Path(scratch) / "signatures.parquet"
        content = content_of(dataset.manifest.columns)
        check_groups(connection, dataset)
        drawn = _drawn(dataset, content, plan, given, EarlierSplits(held_out))
        assignment = _assign(_without(drawn, set_aside), path)
        view_parquet(connection, "signatures", [path])
        assignment[_repeated(connection)] = REMOVED[EXACT]
        assignment[find_like_held_out(held_out, content, path, assignment, plan)] = REMOVED[LIKE_HELD_OUT]
        assignment[content.find_near(connection, path, assignment, plan)] = REMOVED[NEAR]
    return assignment


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


def _drawn(
    dataset: Dataset, content: Content, plan: SplitPlan, given: Sequence[str], earlier: EarlierSplits
) -> Iterator[pa.Table]:
    """Row number, id, split, content key, whether the row was held out and, where they are looked for, what near
    duplicates are found by.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    first = 0
    with_near = content.looks_for_near(plan)
    columns = [name for name in ("id", "split", "group", content.column) if name in dataset.manifest.columns]
    for batch in iter_batches(dataset.shards, columns):
        signatures = content.signatures(batch[content.column], plan.seed, with_near=with_near)
        rows = np.arange(first, first + batch.num_rows, dtype=np.uint32)
        keys = content_keys(batch["group"], plan.seed) if "group" in batch.schema.names else signatures["key"]
        codes = split_codes(keys, plan)
        if given:
            given_codes = pc.index_in(batch["split"], pa.array(CODES)).to_numpy().astype(np.uint8)
            codes = codes_beside(given_codes, keys, plan, given)
        held = earlier.of(_seedless(content, batch, plan, signatures["key"]))
        was_held = held != NEVER
        if given or "group" in batch.schema.names:
            codes[was_held & (codes > held)] = REMOVED[LIKE_HELD_OUT]
        else:
            codes[was_held] = held[was_held]
        yield pa.table({"row": rows, "id": batch["id"], "code": codes, "held": was_held, **signatures})
        first += batch.num_rows


def _seedless(content: Content, batch: pa.RecordBatch, plan: SplitPlan, keys: Keys) -> Keys:
    """The keys by which rows are held out, whatever seed shares them out."""
    if plan.seed == SEED:
        return keys
    found: Keys = content.signatures(batch[content.column], SEED, with_near=False)["key"]
    return found


def _without(tables: Iterator[pa.Table], set_aside: Collection[str]) -> Iterator[pa.Table]:
    """The same, but that the rows of these ids are in no split."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = pa.array(list(set_aside), pa.string())
    for table in tables:
        codes = pc.if_else(pc.is_in(table["id"], ids), pa.scalar(REMOVED[SET_ASIDE], pa.uint8()), table["code"])
        yield table.set_column(table.column_names.index("code"), "code", codes)


def _repeated(connection: duckdb.DuckDBPyConnection) -> Rows:
    """Row numbers of equal rows, all but one: the one in the most protected split, there the one with the smallest id
    (the shorter id is the smaller).

    Ids and not positions decide, so that the order of the files does not.
    """
    numbers = connection.execute(
        """
        WITH kept AS (SELECT * FROM signatures WHERE code < ?),
        repeated AS (SELECT key FROM kept GROUP BY key HAVING count(*) > 1)
        SELECT row FROM kept WHERE key IN (SELECT key FROM repeated)
        QUALIFY row_number() OVER (PARTITION BY key ORDER BY code, length(id), id, row) > 1
    """,
        [len(CODES)],
    ).fetchnumpy()["row"]
    return np.asarray(numbers, dtype=np.uint32)
