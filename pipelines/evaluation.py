"""From labelled rows to a report of the champion, without a training."""

from __future__ import annotations

from zenml import pipeline

from evergreen.adapters.kinds import AnySource
from evergreen.core.base import ModelName
from evergreen.core.refresh import Backfill
from evergreen.core.window import Window
from evergreen.tasks import AnyTask
from orchestration.uploaded_code import check_library
from steps.score import score


@pipeline(enable_cache=False, on_init=check_library)
def evaluation(
    model_name: ModelName,
    source: AnySource,
    task: AnyTask,
    window: Window | None = None,
    backfill: Backfill | None = None,
) -> None:
    """Scores the model's champion on the labelled rows of `source`; promotes, deploys and changes nothing."""
    score(model_name, source, task, window, backfill)
