"""Evidence that the rows honour the task's schema; a violation stops the run and names rows.

What a configuration lets be set aside instead is an output of its own: other statistics alone split nothing anew.
"""

from __future__ import annotations

from typing import Annotated

from zenml import step

from evergreen.core.artifacts import Dataset
from evergreen.core.members import examinable
from evergreen.core.validation import ValidationReport
from evergreen.tasks import AnyTask


@step
def validate(
    task: AnyTask,
    dataset: Dataset,
    code: str,  # noqa: ARG001 - of the cache key
) -> tuple[Annotated[ValidationReport, "statistics"], Annotated[dict[str, str], "set_aside"]]:
    """Statistics and anomalies of a valid dataset, and why rows are left out of it, by id.

    Raises:
        InputError: every broken rule, with the rows that break it.
    """
    report = examinable(task).examine(dataset)
    return report, report.set_aside
