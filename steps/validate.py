"""Evidence that the rows honour the task's schema; a violation stops the run and names rows."""

from __future__ import annotations

from typing import Annotated

from zenml import step

from evergreen.core.artifacts import Dataset
from evergreen.core.reports import ValidationReport
from evergreen.tasks import AnyTask


@step
def validate(task: AnyTask, dataset: Dataset) -> Annotated[ValidationReport, "statistics"]:
    """Statistics and anomalies of a valid dataset.

    Raises:
        InputError: every broken rule, with the rows that break it.
    """
    return task.validate_dataset(dataset)
