"""Train, validation and test rows that stay where they are as rows are appended, and what later runs know of them."""

from __future__ import annotations

from typing import Annotated

from zenml import step

from evergreen.core.artifacts import ClassCounts, Dataset, HeldOut, Splits
from evergreen.core.part import Part
from evergreen.data.held_out import held_out_after
from evergreen.data.split import split as split_dataset
from evergreen.data.split_plan import SplitPlan
from orchestration.artifacts import load_of_champion
from orchestration.scratch import scratch_directory


@step
def split(
    dataset: Dataset,
    split: SplitPlan,
    set_aside: dict[str, str],
    class_counts: ClassCounts,
    part: Part,
    code: str,  # noqa: ARG001 - of the cache key
) -> tuple[Annotated[Splits, "splits"], Annotated[HeldOut, "held_out"]]:
    """Splits that no group, equal row or near duplicate straddles, without the rows that validation set aside or that
    are like held-out ones of the champion, and the held-out rows after that.

    Raises:
        EvergreenError: the champion's held-out rows are lost.
    """
    before = load_of_champion(part.held_out, HeldOut) if part.held_out else None
    out_dir = scratch_directory("splits")
    splits = split_dataset(dataset, split, out_dir, set_aside, class_counts, held_out=before)
    return splits, held_out_after(splits, dataset.manifest.columns, before, scratch_directory("held_out"))
