"""Raw data that arrived, made ready where the source reads them. Runs always, and writes nothing if nothing is new."""

from __future__ import annotations

from typing import Annotated

from zenml import get_step_context, step
from zenml.logger import get_logger

from evergreen.adapters.kinds import AnySource
from evergreen.core.preparation import PreparationReport
from evergreen.preparation import Preparation
from evergreen.preparation.run import prepare as prepare_rows
from evergreen.tasks import AnyTask
from orchestration.preparation import plan_for

logger = get_logger(__name__)


@step(enable_cache=False)
def prepare(preparation: Preparation, source: AnySource, task: AnyTask) -> Annotated[PreparationReport, "preparation"]:
    """What was prepared, and how much of it in this run.

    Raises:
        InputError: rows cannot be used, or the source's folder holds what nobody prepared.
        EvergreenError: the runner failed, or somebody else changed the data meanwhile; what was prepared before stays.
    """
    runner = preparation.runner.of_run(str(get_step_context().pipeline_run.id))
    report, _ = prepare_rows(plan_for(preparation.model_copy(update={"runner": runner}), task, source))
    logger.info("%s: %s; %s", report.folder, report.done, report.intake.words())
    return report
