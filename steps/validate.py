"""Evidence that the rows honour the task's schema; a violation stops the run and names rows.

What a configuration lets be set aside instead, and the classes of masks, are outputs of their own: other statistics
alone split nothing anew.
"""

from __future__ import annotations

from typing import Annotated

from zenml import step

from evergreen.core.artifacts import ClassCounts, Dataset
from evergreen.core.members import examinable
from evergreen.core.validation import ValidationReport
from evergreen.data.class_counts import ClassCountsWriter
from evergreen.tasks import AnyTask
from orchestration.scratch import scratch_directory


@step
def validate(
    task: AnyTask,
    dataset: Dataset,
    code: str,  # noqa: ARG001 - of the cache key
) -> tuple[
    Annotated[ValidationReport, "statistics"],
    Annotated[dict[str, str], "set_aside"],
    Annotated[ClassCounts, "class_counts"],
]:
    """Statistics and anomalies of a valid dataset, why rows are left out of it, by id, and the classes of its masks.

    Raises:
        InputError: every broken rule, with the rows that break it.
    """
    counts = ClassCountsWriter(scratch_directory("class_counts"))
    report = examinable(task).examine(dataset, counts.add)
    return report, report.set_aside, counts.close()
