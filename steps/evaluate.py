"""How good the model is on the test split, beside the majority baseline and the champion on the same rows; and what its
requests will be compared with.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated

from zenml import step

from evergreen.core.admission import Admission, Trial
from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.engines import Engines, ServedEngines
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import EngineTable
from evergreen.core.training import Incumbent
from evergreen.monitoring.making import make_reference
from evergreen.monitoring.reference import Reference
from evergreen.runtime.instructions import instruction_set
from evergreen.tasks import AnyTask
from evergreen.tasks.accelerators import check_accelerators
from evergreen.tasks.evaluated import evaluated
from orchestration.artifacts import incumbent_model
from orchestration.engines import served_engines
from orchestration.scratch import scratch_directory
from orchestration.tracking import track_report


@step(experiment_tracker=True)
def evaluate(
    task: AnyTask,
    model: TrainedModel,
    engines: Engines,
    splits: Splits,
    incumbent: Incumbent,
    admission: Admission,
    code: str,  # noqa: ARG001 - of the cache key
) -> tuple[Annotated[EvaluationReport, "report"], Annotated[Reference, "reference"]]:
    """The evaluation that the gate decides on, and what later requests are compared with."""
    check_accelerators(os.environ)
    theirs = partial(served_engines, incumbent.engines, incumbent.report)
    trial = Trial(engines, admission, instruction_set(), champion=theirs)
    report = evaluated(task, model, incumbent_model(incumbent), splits, trial)
    track_report(model, report)
    table = report.section(EngineTable)
    served = ServedEngines(engines, table.choice) if table else None
    return report, make_reference(task, model, served, splits, scratch_directory("reference"))
