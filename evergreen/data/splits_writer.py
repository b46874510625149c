"""The splits as a directory: shards below the name of each, and a manifest that says what became of every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen.core.artifacts import (
    REPLAYED,
    ClassCounts,
    Dataset,
    RecordedSplitPlan,
    SplitName,
    Splits,
    SplitsManifest,
)
from evergreen.core.errors import InputError
from evergreen.data.class_counts import by_code
from evergreen.data.contents import content_of
from evergreen.data.shards import ShardWriter, iter_batches, regroup
from evergreen.data.split_plan import CODES, Assignment, SplitPlan

if TYPE_CHECKING:
    import pyarrow as pa

EXACT, NEAR, SET_ASIDE = "exact_duplicate", "near_duplicate", "set_aside"
LIKE_HELD_OUT = "like_held_out_rows"
REMOVED = {EXACT: 3, NEAR: 4, SET_ASIDE: 5, LIKE_HELD_OUT: 6}
"""Codes of rows that are in no split."""
_ABOUT_FEW = "give it a larger fraction, more {} or another seed"
_ABOUT_PART = "wait for more {} (a larger refresh.min_new_rows), or set a larger refresh.replay_share"
_ABOUT_HELD_OUT = (
    "rows that are nearly what earlier versions were tested on are set aside whatever the seed: wait for more {} (set "
    "refresh.min_new_rows), set a larger refresh.replay_share, or train once with refresh: {{data: all}}, which holds "
    "out anew"
)


def write_splits(
    dataset: Dataset,
    plan: SplitPlan,
    given: tuple[str, ...],
    out_dir: Path,
    assignment: Assignment,
    *,
    class_counts: ClassCounts | None = None,
) -> Splits:
    """The rows of each split and the manifest; `assignment` has the code of each row.

    Raises:
        InputError: a split without rows, or a class without training or test rows.
    """
    import pyarrow.compute as pc

    content = content_of(dataset.manifest.columns)
    labels: dict[str, Counter[str]] = {name: Counter() for name in SplitName.ALL}
    replayed = dict.fromkeys(SplitName.ALL if REPLAYED in dataset.manifest.columns else (), 0)
    writers = {name: ShardWriter(out_dir, name) for name in SplitName.ALL}
    for name, split_writer in writers.items():
        with split_writer as writer:
            for table in regroup(_rows_of(dataset, assignment == CODES.index(name))):
                if content.one_label and "label" in table.column_names:
                    value_counts = table["label"].value_counts().to_pylist()
                    labels[name].update({entry["values"]: entry["counts"] for entry in value_counts})
                if REPLAYED in table.column_names:
                    replayed[name] += pc.sum(table[REPLAYED]).as_py()
                writer.write(table)
    of_masks = {name: _of_masks(class_counts, assignment, name) for name in SplitName.ALL}
    looked_for = [EXACT, NEAR] if content.looks_for_near(plan) else [EXACT]
    looked_for += [one for one in (SET_ASIDE, LIKE_HELD_OUT) if (assignment == REMOVED[one]).any()]
    manifest = SplitsManifest(
        files=tuple(entry for writer in writers.values() for entry in writer.entries),
        dataset=dataset.manifest.content_hash,
        seed=plan.seed,
        rows={name: writer.rows for name, writer in writers.items()},
        labels={name: dict(sorted(counts.items())) or of_masks[name][0] for name, counts in labels.items()},
        pixels={name: pixels for name, (_, pixels) in of_masks.items() if pixels},
        replayed=replayed,
        removed={reason: int((assignment == REMOVED[reason]).sum()) for reason in looked_for},
        plan=RecordedSplitPlan(**plan.model_dump(), given=given, grouped="group" in dataset.manifest.columns),
    )
    lost = manifest.removed.get(NEAR, 0) >= sum(manifest.rows.values())
    about_near = f"most rows are near duplicates of others: {content.about_near(plan)}; or " if lost else ""
    _check_rows(manifest, about_near)
    if content.one_label:  # a class of pictures may be too rare to be in every split
        _check_labels(manifest, about_near)
    return Splits.write(out_dir, manifest)


def _rows_of(dataset: Dataset, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    first = 0
    for batch in iter_batches(dataset.shards):
        yield batch.filter(pa.array(chosen[first : first + batch.num_rows]))
        first += batch.num_rows


def _of_masks(counts: ClassCounts | None, assignment: Assignment, split: str) -> tuple[dict[str, int], dict[str, int]]:
    """Rows and pixels of a split by class index; none where nobody counted any."""
    return ({}, {}) if counts is None or not counts.manifest.rows else by_code(counts, assignment, CODES.index(split))


def _listed(manifest: SplitsManifest) -> str:
    counts = manifest.rows | {f"removed as {reason}": count for reason, count in manifest.removed.items() if count}
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _check_rows(manifest: SplitsManifest, about_near: str) -> None:
    for name, count in manifest.rows.items():
        if not count:
            more = "groups" if manifest.grouped else "rows"
            raise InputError(
                f"split '{name}' has no rows ({_listed(manifest)}); {about_near}"
                + _about(manifest, _ABOUT_FEW).format(more)
            )


def _about(manifest: SplitsManifest, few: str) -> str:
    """What helps against too few rows; in a run on new ones the plan has to stay as it was for the champion."""
    if LIKE_HELD_OUT in manifest.removed:
        return _ABOUT_HELD_OUT
    return _ABOUT_PART if manifest.replayed else few


def _check_labels(manifest: SplitsManifest, about_near: str) -> None:
    everywhere = set().union(*manifest.labels.values())
    for name, purpose in (SplitName.TRAIN, "training"), (SplitName.TEST, "test"):
        if absent := sorted(everywhere - set(manifest.labels[name])):
            few = f"add {{}}, take a larger {name} fraction or another seed"
            about = _about(manifest, few).format("rows of it")
            raise InputError(
                f"no {purpose} rows of class {', '.join(absent)} ({_listed(manifest)}); {about_near}{about}"
            )
