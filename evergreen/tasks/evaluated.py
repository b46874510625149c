"""A report of a model, answered by the engine that is to serve it."""

from __future__ import annotations

from evergreen.core.admission import Trial
from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.members import TaskSettings, measurable
from evergreen.core.report import EvaluationReport


def evaluated(
    task: TaskSettings, model: TrainedModel, champion: TrainedModel | None, splits: Splits, trial: Trial
) -> EvaluationReport:
    """The report; a task whose models have no graphs is given no trial: torch, or what it has, serves.

    Raises:
        InputError: rows, slices or champion do not fit the task.
    """
    measuring = measurable(task)
    if task.exportable is None:
        return measuring.evaluate(model, champion, splits)
    return measuring.evaluate(model, champion, splits, trial)
