"""Train, validation and test rows that stay where they are as rows are appended."""

from __future__ import annotations

from typing import Annotated

from zenml import step

from evergreen.core.artifacts import ClassCounts, Dataset, Splits
from evergreen.data.split import split as split_dataset
from evergreen.data.split_plan import SplitPlan
from orchestration.scratch import scratch_directory


@step
def split(
    dataset: Dataset,
    split: SplitPlan,
    set_aside: dict[str, str],
    class_counts: ClassCounts,
    code: str,  # noqa: ARG001 - of the cache key
) -> Annotated[Splits, "splits"]:
    """Splits that no group, equal row or near duplicate straddles, without the rows that validation set aside."""
    return split_dataset(dataset, split, scratch_directory("splits"), set_aside, class_counts)
