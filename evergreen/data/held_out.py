"""Rows that a version, and those that it goes back to, were tested on or selected by, told by their signatures.

A run that goes on from the version holds out what equals them, and leaves out what is nearly the same: it would train
on what it is measured by, or measure by one row twice. Equal and alike are what they are within a run. A row costs 10
bytes, and 8 of a picture, or 4 for each word pair of a text, up to MOST_PAIRS: longer texts are compared by a sample of
their word pairs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen.core.artifacts import HeldOut, HeldOutManifest, Splits
from evergreen.data.contents import Content, content_of
from evergreen.data.database import open_database, view_parquet
from evergreen.data.duplicates.keys import PROTECTED, Codes, Keys, Rows
from evergreen.data.shards import GROUP_ROWS, ShardWriter, iter_batches, regroup, split_batches
from evergreen.data.split_plan import CODES, Assignment, SplitPlan

if TYPE_CHECKING:
    import pyarrow as pa

SEED = 0
"""Of the keys of held-out rows, whatever seed shares rows out."""
NEVER = 255
"""Stands for the split of a row that was not held out."""


class EarlierSplits:
    """The splits of held-out rows by the keys of their content: nine bytes a row."""

    def __init__(self, held_out: HeldOut | None) -> None:
        batches = list(iter_batches(held_out.shards, ["key", "code"])) if held_out else []
        keys = np.concatenate([np.empty(0, np.uint64), *(batch["key"].to_numpy() for batch in batches)])
        codes = np.concatenate([np.empty(0, np.uint8), *(batch["code"].to_numpy() for batch in batches)])
        order = np.lexsort((codes, keys))  # of a key that is there twice, the most protected split
        self._keys, first = np.unique(keys[order], return_index=True)
        self._codes = codes[order][first]

    def of(self, keys: Keys) -> Codes:
        """The code of the split in which each was held out, or NEVER: (rows,) uint8."""
        codes = np.full(len(keys), NEVER, dtype=np.uint8)
        if len(self._keys):
            place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            known = self._keys[place] == keys
            codes[known] = self._codes[place[known]]
        return codes


def find_like_held_out(
    held_out: HeldOut | None, content: Content, signatures: Path, assignment: Assignment, plan: SplitPlan
) -> Rows:
    """Row numbers of near duplicates of held-out rows, where those are looked for: (found,).

    The Parquet file `signatures` has what near duplicates are found by, and whether a row was `held` out itself;
    `assignment` the code of each row.
    """
    found: list[Rows] = [np.empty(0, dtype=np.uint32)]
    if held_out is not None and content.looks_for_near(plan):
        levels = {level for batch in iter_batches(held_out.shards, ["level"]) for level in batch["level"].to_pylist()}
        found += [_alike(held_out, content, signatures, assignment, plan, level=level) for level in sorted(levels)]
    return np.concatenate(found)


def held_out_after(splits: Splits, columns: Collection[str], before: HeldOut | None, out_dir: Path) -> HeldOut:
    """The held-out rows of before and those of these splits, below `out_dir`; `columns` are those of the dataset.

    Of rows of which nothing tells when they arrived it is empty: no run goes on from a version of those.
    """
    with ShardWriter(out_dir) as writer:
        if "arrived" in columns:
            content = content_of(columns)
            for table in regroup(chain(_again(before, content), _of_splits(splits, content, EarlierSplits(before)))):
                writer.write(table)
    return HeldOut.write(out_dir, HeldOutManifest(files=tuple(writer.entries), rows=writer.rows))


def _again(before: HeldOut | None, content: Content) -> Iterator[pa.RecordBatch]:
    for batch in iter_batches(before.shards) if before else ():
        yield _held(batch["key"], batch["code"], batch["level"], content, content.at_level(batch[content.near], 0))


def _of_splits(splits: Splits, content: Content, earlier: EarlierSplits) -> Iterator[pa.RecordBatch]:
    """Those that were not held out before, or in a less protected split."""
    import pyarrow as pa

    for code, name in enumerate(CODES[:PROTECTED]):
        for batch in split_batches(splits, name, [content.column], GROUP_ROWS):
            signatures = content.signatures(batch[content.column], SEED, with_near=True)
            near, levels = content.bounded(signatures[content.near])
            codes = np.full(batch.num_rows, code, dtype=np.uint8)
            rows = _held(signatures["key"], codes, levels, content, near)
            yield rows.filter(pa.array(earlier.of(signatures["key"]) > code))


def _held(keys: Any, codes: Any, levels: Any, content: Content, near: pa.Array) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_pydict({"key": keys, "code": codes, "level": levels, content.near: near})


def _alike(
    held_out: HeldOut, content: Content, signatures: Path, assignment: Assignment, plan: SplitPlan, *, level: int
) -> Rows:
    """Those that are like held-out rows of one level, which the rule of one run compares as rows of two splits."""
    with TemporaryDirectory(prefix="evergreen-held-out-") as scratch, open_database() as connection:
        path = Path(scratch) / "signatures.parquet"
        rows = chain(_kept(held_out, content, level), _asked(content, signatures, assignment, level))
        numbers, codes = _write(path, content, rows)
        view_parquet(connection, "signatures", [path])
        return numbers[content.find_near(connection, path, codes, plan)]


def _kept(held_out: HeldOut, content: Content, level: int) -> Iterator[tuple[Rows, int, pa.Array]]:
    import pyarrow.compute as pc

    for batch in iter_batches(held_out.shards, ["level", content.near]):
        near = content.at_level(batch[content.near].filter(pc.equal(batch["level"], level)), 0)
        yield np.zeros(len(near), dtype=np.uint32), 0, near


def _asked(
    content: Content, signatures: Path, assignment: Assignment, level: int
) -> Iterator[tuple[Rows, int, pa.Array]]:
    """Row numbers and signatures of the rows that are in a split and were not held out."""
    import pyarrow as pa

    first = 0
    for batch in iter_batches([signatures], ["held", content.near]):
        codes = assignment[first : first + batch.num_rows]
        chosen = (codes <= PROTECTED) & ~batch["held"].to_numpy(zero_copy_only=False)
        numbers = (first + np.flatnonzero(chosen)).astype(np.uint32)
        yield numbers, 1, content.at_level(batch[content.near].filter(pa.array(chosen)), level)
        first += batch.num_rows


def _write(path: Path, content: Content, rows: Iterator[tuple[Rows, int, pa.Array]]) -> tuple[Rows, Codes]:
    """Writes what near duplicates are found by; the row number and the code of each written row, (written,)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    written: list[tuple[Rows, Codes]] = []
    first = 0
    with ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for numbers, code, near in rows:
            codes = np.full(len(numbers), code, dtype=np.uint8)
            places = np.arange(first, first + len(numbers), dtype=np.uint32)
            table = pa.table({"row": places, "code": codes, content.near: near})
            if writer is None:
                writer = stack.enter_context(pq.ParquetWriter(path, table.schema, compression="lz4"))
            writer.write_table(table)
            written.append((numbers, codes))
            first += len(numbers)
    return np.concatenate([numbers for numbers, _ in written]), np.concatenate([codes for _, codes in written])
