"""Many rows predicted by the champion. Never cached: what is there already is not predicted again."""

from __future__ import annotations

from typing import Annotated

from zenml import get_step_context, log_metadata, step
from zenml.logger import get_logger

from evergreen.adapters.kinds import AnySource
from evergreen.batch.plan import Asked
from evergreen.batch.settings import AnyBatchRunner, AnyOutput
from evergreen.core.batch import BatchReport
from evergreen.core.refresh import Backfill
from evergreen.core.window import Window
from orchestration.batch import predict_all
from orchestration.runs import PREDICTED_KEY

logger = get_logger(__name__)


@step(enable_cache=False)
def predict(
    model_name: str,
    source: AnySource,
    output: AnyOutput,
    runner: AnyBatchRunner,
    keep: tuple[str, ...] | None,
    shard_rows: int,
    window: Window | None = None,
    backfill: Backfill | None = None,
) -> Annotated[BatchReport, "predictions"]:
    """What was predicted, where it is, and how much of it in this run.

    Raises:
        InputError: there is nothing to predict, or it cannot be read or written.
        BusyError: another job writes the output.
        EvergreenError: there is no champion, or what it takes does not answer; what was predicted stays.
    """
    resolved = backfill.window if backfill else window.resolve() if window else None
    asked = Asked(source, window=resolved, keep=keep, shard_rows=shard_rows)
    run = get_step_context().pipeline_run
    report = predict_all(model_name, asked, output, runner.of_run(str(run.id)), run=run.name)
    log_metadata({PREDICTED_KEY: report.done})
    logger.info("%s: %s", report.output, report.done)
    return report
