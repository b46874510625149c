"""The champion scored on labelled rows. Never cached: who asks wants to know of the rows that there are now."""

from __future__ import annotations

import os
from typing import Annotated

from zenml import step

from evergreen.adapters.kinds import AnySource
from evergreen.core.refresh import Backfill
from evergreen.core.report import EvaluationReport
from evergreen.core.window import Window
from evergreen.tasks import AnyTask
from evergreen.tasks.accelerators import check_accelerators
from orchestration.scoring import score_champion


@step(enable_cache=False)
def score(
    model_name: str,
    source: AnySource,
    task: AnyTask,
    window: Window | None = None,
    backfill: Backfill | None = None,
) -> Annotated[EvaluationReport, "report"]:
    """How good the live version is on these rows; nothing is changed by it."""
    check_accelerators(os.environ)
    resolved = backfill.window if backfill else window.resolve() if window else None
    return score_champion(model_name, source, task, resolved)
