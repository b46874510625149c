"""Labelled rows in the place of a version's test rows, so that it is measured on them as it was when it was trained.

Each row is marked: whether the version was trained on the very same, which flatters it. Beside them stay the training
rows, by which simple models are fitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evergreen.core.artifacts import REPLAYED, Dataset, FileEntry, HeldOut, SplitName, Splits
from evergreen.core.coverage import Chosen, Coverage
from evergreen.core.engines import link_or_copy
from evergreen.core.intake import IntakeCount
from evergreen.core.part import PartOfSource
from evergreen.data.contents import Content, content_of
from evergreen.data.duplicates.keys import Keys
from evergreen.data.freshness import PartOfRows
from evergreen.data.held_out import NEVER, SEED, EarlierSplits
from evergreen.data.shards import GROUP_ROWS, ShardWriter, regroup, split_batches

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TrainedOn:
    """What tells which rows a version was trained on: the splits of its run and, where they may be asked about the rows
    in question, the coverage and the held-out rows of the version and those that it goes back to.
    """

    splits: Splits
    coverage: Coverage = field(default_factory=Coverage)
    held_out: HeldOut | None = None


def labelled_splits(
    batches: Iterable[pa.RecordBatch], dataset: Dataset, trained_on: TrainedOn, out_dir: Path
) -> Splits:
    """The rows of `batches`, which are of the dataset, as `test/` below `out_dir`, beside the version's `train/`.

    The column `replayed` marks those that the version was trained on.
    """
    import pyarrow.compute as pc

    before, known = trained_on.splits.manifest, 0
    with ShardWriter(out_dir, SplitName.TEST) as writer:
        for table in regroup(_marked(batches, dataset, trained_on)):
            known += pc.sum(table[REPLAYED]).as_py()
            writer.write(table)
    kept = tuple(_linked(trained_on.splits, out_dir))
    manifest = before.model_copy(
        update={
            "files": (*writer.entries, *kept),
            "dataset": dataset.manifest.content_hash,
            "rows": {**before.rows, SplitName.VALIDATION: 0, SplitName.TEST: writer.rows},
            "replayed": {SplitName.TEST: known},
            "removed": {},
        }
    )
    return Splits.write(out_dir, manifest)


def _linked(splits: Splits, out_dir: Path) -> Iterator[FileEntry]:
    for entry in splits.manifest.files:
        if entry.name.startswith(f"{SplitName.TRAIN}/"):
            (out_dir / entry.name).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(splits.path / entry.name, out_dir / entry.name)
            yield entry


def _marked(batches: Iterable[pa.RecordBatch], dataset: Dataset, trained_on: TrainedOn) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    content = content_of(dataset.manifest.columns)
    trained, held = _train_keys(trained_on.splits, content), EarlierSplits(trained_on.held_out)
    for batch, covered in _covered(batches, dataset, trained_on.coverage):
        keys = content.signatures(batch[content.column], SEED, with_near=False)["key"]
        known = _among(keys, trained) | (covered & (held.of(keys) == NEVER))
        yield batch.append_column(REPLAYED, pa.array(known))


def _train_keys(splits: Splits, content: Content) -> Keys:
    """The keys of the training rows' content, ascending: eight bytes a row."""
    batches = split_batches(splits, SplitName.TRAIN, [content.column], GROUP_ROWS)
    keys = (content.signatures(batch[content.column], SEED, with_near=False)["key"] for batch in batches)
    return np.unique(np.concatenate([np.empty(0, np.uint64), *keys]))


def _among(keys: Keys, known: Keys) -> Chosen:
    """Which of the keys are known: (rows,) bool."""
    if not len(known):
        return np.zeros(len(keys), dtype=np.bool_)
    found: Chosen = known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys
    return found


def _covered(
    batches: Iterable[pa.RecordBatch], dataset: Dataset, coverage: Coverage
) -> Iterator[tuple[pa.RecordBatch, Chosen]]:
    """Each batch, and which of its rows the coverage tells; none of rows that tell no arrival."""
    if not coverage.spans or "arrived" not in dataset.manifest.columns:
        for batch in batches:
            yield batch, np.zeros(batch.num_rows, dtype=np.bool_)
        return
    part = PartOfSource(since=coverage, replay_share=1, null_times="include")
    for batch in PartOfRows(part, IntakeCount(), tells_rows=False).of(batches):
        yield batch.drop_columns([REPLAYED]), batch[REPLAYED].to_numpy(zero_copy_only=False)
